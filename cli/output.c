#include "output.h"

#include <libsmartcols.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "clock.h"
#include "name.h"
#include "state.h"

struct table {
	struct libscols_table *scols;
	size_t columns;
};

struct table *
table_new(const char *const *columns)
{
	struct table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	scols_init_debug(0);
	t->scols = scols_new_table();
	if (!t->scols) {
		free(t);
		return NULL;
	}
	for (; columns[t->columns]; t->columns++) {
		if (!scols_table_new_column(t->scols, columns[t->columns], 0, 0)) {
			scols_unref_table(t->scols);
			free(t);
			return NULL;
		}
	}
	/* Output to a pipe is for programs: no padding to a terminal's width, nothing cut off. */
	scols_table_set_termforce(t->scols, SCOLS_TERMFORCE_NEVER);
	return t;
}

void
table_row(struct table *t, const char *const *cells)
{
	struct libscols_line *line = t ? scols_table_new_line(t->scols, NULL) : NULL;

	for (size_t i = 0; line && i < t->columns; i++) {
		const char *cell = cells[i] && *cells[i] ? cells[i] : "-";

		if (scols_line_set_data(line, i, cell) != 0)
			return;
	}
}

void
table_print_free(struct table *t)
{
	if (!t)
		return;
	scols_print_table(t->scols);
	scols_unref_table(t->scols);
	free(t);
}

char *
output_age(int64_t from_us, char *buffer, size_t size)
{
	int64_t s = (clock_real_us(clock_system()) - from_us) / SECOND_US;

	if (from_us <= 0)
		snprintf(buffer, size, "-");
	else if (s < 60)
		snprintf(buffer, size, "%llds", (long long)(s < 0 ? 0 : s));
	else if (s < 3600)
		snprintf(buffer, size, "%lldm%llds", (long long)(s / 60), (long long)(s % 60));
	else if (s < 86400)
		snprintf(
		    buffer, size, "%lldh%lldm", (long long)(s / 3600), (long long)(s / 60 % 60));
	else
		snprintf(
		    buffer, size, "%lldd%lldh", (long long)(s / 86400), (long long)(s / 3600 % 24));
	return buffer;
}

char *
output_duration(uint32_t ms, char *buffer, size_t size)
{
	static const struct {
		uint32_t ms;
		const char *unit;
	} units[] = {{3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
	size_t i = 0;

	while (i + 1 < COUNT_OF(units) && (ms == 0 || ms % units[i].ms != 0))
		i++;
	snprintf(buffer, size, "%u%s", ms / units[i].ms, units[i].unit);
	return buffer;
}

char *
output_took(int64_t us, char *buffer, size_t size)
{
	if (us < 10000)
		snprintf(buffer, size, "%.3f ms", (double)us / 1e3);
	else if (us < SECOND_US)
		snprintf(buffer, size, "%.1f ms", (double)us / 1e3);
	else
		snprintf(buffer, size, "%.2f s", (double)us / 1e6);
	return buffer;
}

char *
output_bytes(uint64_t bytes, char *buffer, size_t size)
{
	static const char *const units[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi"};
	double value = (double)bytes;
	size_t u = 0;

	while (value >= 1024 && u + 1 < COUNT_OF(units)) {
		value /= 1024;
		u++;
	}
	if (value < 10 && u > 0 && value != (double)(int)value)
		snprintf(buffer, size, "%.1f%s", value, units[u]);
	else
		snprintf(buffer, size, "%.0f%s", value, units[u]);
	return buffer;
}

const char *
output_executor_state(Fairlead__V1__ExecutorState s)
{
	return executor_state_text((enum executor_state)s);
}

const char *
output_session_state(Fairlead__V1__SessionState s)
{
	return session_state_text((enum session_state)s);
}

const char *
output_host_state(Fairlead__V1__HostState s)
{
	return host_state_text((enum host_state)s);
}

char *
output_executor_name(const Fairlead__V1__Executor *e, char *buffer)
{
	return executor_name_format(e->session, e->index, e->attempt, buffer);
}

char *
output_outcome(const Fairlead__V1__Executor *e, char *buffer, size_t size)
{
	if (!executor_state_ended((enum executor_state)e->state) &&
	    e->state != FAIRLEAD__V1__EXECUTOR_STATE__BACKOFF)
		snprintf(buffer, size, "%s", "");
	else if (e->oom)
		snprintf(buffer, size, "out of memory");
	else if (e->signal != 0)
		snprintf(buffer, size, "signal %d", e->signal);
	else if (e->exit_code >= 0)
		snprintf(buffer, size, "exit %d", e->exit_code);
	else
		snprintf(buffer, size, "%s", e->reason);
	return buffer;
}

int
cli_fail(const struct err *e)
{
	fflush(stdout);
	fprintf(stderr, "fairlead: %s\n", e->text);
	if (*e->field)
		fprintf(stderr, "  field: %s\n", e->field);
	if (*e->hint)
		fprintf(stderr, "  hint: %s\n", e->hint);
	return err_row(e->kind)->exit_code;
}
