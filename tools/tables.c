/* fairlead-tables: prints what is written once, as rows of the code, in the form in which it stands
 * a second time: Markdown of the documents, the CHECK of the schema.  tests/checks/generated.sh
 * compares the two. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "arena.h"
#include "codec.h"
#include "err.h"
#include "hub_bounds.h"
#include "metrics.h"
#include "route.h"
#include "scheduler_bounds.h"
#include "state.h"
#include "streams.h"
#include "subjects.h"

static int
print_sql(void)
{
	printf("state IN (");
	for (size_t i = 0; i < executor_states_count; i++)
		printf("%s%d", i ? ", " : "", (int)executor_states[i].state);
	printf(")\n");
	return 0;
}

static const char *
writer_text(enum state_writer writer)
{
	return writer == STATE_WRITER_HOST ? "host" : "control plane";
}

static int
print_states(void)
{
	printf("| state | code | rank | observed by | the control plane may move it to |\n"
	       "|---|---|---|---|---|\n");
	for (size_t i = 0; i < executor_states_count; i++) {
		const struct executor_state_row *row = &executor_states[i];
		const char *separator = "";
		printf("| %s | %d | %d | %s | ", row->text, (int)row->state, row->rank,
		    writer_text(row->writer));
		for (size_t j = 0; j < executor_states_count; j++) {
			if (!executor_edge_allowed(
				row->state, executor_states[j].state, STATE_WRITER_CONTROL))
				continue;
			printf("%s%s", separator, executor_states[j].text);
			separator = ", ";
		}
		printf("%s|\n", *separator ? " " : "- ");
	}
	return 0;
}

/* The lowest rank that a host may report from this state on; 0 for none. */
static int
next_rank(enum executor_state from)
{
	int lowest = 0;

	for (size_t i = 0; i < executor_states_count; i++) {
		const struct executor_state_row *to = &executor_states[i];
		if (executor_edge_allowed(from, to->state, STATE_WRITER_HOST) &&
		    (lowest == 0 || to->rank < lowest))
			lowest = to->rank;
	}
	return lowest;
}

/* Of a host's edges only those to the next rank are drawn: it may skip upwards. */
static int
print_diagram(void)
{
	printf("```mermaid\nstateDiagram-v2\n    [*] --> queued\n");
	for (size_t i = 0; i < executor_states_count; i++) {
		const struct executor_state_row *from = &executor_states[i];
		for (size_t j = 0; j < executor_states_count; j++) {
			const struct executor_state_row *to = &executor_states[j];
			if (executor_edge_allowed(from->state, to->state, STATE_WRITER_CONTROL))
				printf("    %s --> %s: control\n", from->text, to->text);
			if (executor_edge_allowed(from->state, to->state, STATE_WRITER_HOST) &&
			    to->rank == next_rank(from->state))
				printf("    %s --> %s: host\n", from->text, to->text);
		}
		if (executor_state_ended(from->state))
			printf("    %s --> [*]\n", from->text);
	}
	printf("```\n");
	return 0;
}

/* "SCHEDULER" -> "scheduler": the rows name parties as macros do. */
static void
print_lower(const char *text)
{
	for (; *text; text++)
		putchar(*text >= 'A' && *text <= 'Z' ? *text - 'A' + 'a' : *text);
}

static int
print_subjects(void)
{
	printf("| subject | published by | read by | message | at most | what it carries |\n"
	       "|---|---|---|---|---|---|\n");
	for (int i = 0; i < SUBJECT_COUNT; i++) {
		const struct subject_row *row = subject_row((enum subject)i);
		printf("| `%s.%s` | ", SUBJECT_PREFIX_DEFAULT, row->pattern);
		print_lower(row->publishes);
		printf(" | ");
		print_lower(row->subscribes);
		printf(" | %s | ", *row->message ? row->message : "-");
		if (row->max_bytes % 1024 == 0)
			printf("%zu KiB", row->max_bytes / 1024);
		else
			printf("%zu B", row->max_bytes);
		printf(" | %s |\n", row->what);
	}
	return 0;
}

/* Another item of a list of facts. */
static void PRINTF(2, 3) add_fact(bool *first, const char *format, ...)
{
	va_list args;

	printf("%s", *first ? "" : ", ");
	*first = false;
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
}

static void
print_stream(const struct bus_stream *s)
{
	bool first = true;

	printf("| `%s` | ", s->name);
	for (size_t i = 0; i < COUNT_OF(s->subjects) && s->subjects[i]; i++)
		add_fact(&first, "`%s`", s->subjects[i]);
	printf(" | %s, %" PRId64 " days | ",
	    s->retention == BUS_RETENTION_WORKQUEUE ? "until taken" : "newest",
	    s->max_age_s / 86400);
	first = true;
	if (s->max_msgs_per_subject > 0)
		add_fact(&first, "%" PRId64 " messages per subject", s->max_msgs_per_subject);
	if (s->max_msg_bytes > 0)
		add_fact(&first, "message %" PRId64 " KiB", s->max_msg_bytes / 1024);
	if (s->duplicate_window_s > 0)
		add_fact(&first, "duplicate window %" PRId64 " s", s->duplicate_window_s);
	if (s->allow_direct)
		add_fact(&first, "direct get");
	if (s->republish_source)
		add_fact(&first, "republished to `%s`", s->republish_destination);
	printf("%s |\n", first ? "-" : "");
}

static int
print_streams(void)
{
	CLEANUP(arena_free) struct arena *arena = arena_new(0);
	struct bus_stream table[STREAMS_COUNT];
	struct err err;

	if (!arena || streams_table(SUBJECT_PREFIX_DEFAULT, arena, table, &err) != 0)
		return -1;
	printf("| stream | subjects | kept | more |\n|---|---|---|---|\n");
	for (size_t i = 0; i < COUNT_OF(table); i++)
		print_stream(&table[i]);
	return 0;
}

static int
print_endpoints(void)
{
	printf("| endpoint | request | answer | what it does |\n|---|---|---|---|\n");
	for (size_t i = 0; i < hub_route_count; i++) {
		const struct route *r = &hub_routes[i];
		printf("| `%s.api.v1.%s.%s` | %s | %s | %s |\n", SUBJECT_PREFIX_DEFAULT, r->noun,
		    r->verb, r->request->short_name, r->answer->short_name, r->help);
	}
	return 0;
}

static int
print_limits(void)
{
	printf("| what | least | most | unit |\n|---|---|---|---|\n"
	       "| any message | 0 | %d | bytes, in either encoding |\n"
	       "| any message | 0 | %d | fields, nested ones included |\n"
	       "| any message | 0 | %d | messages inside each other |\n",
	    WIRE_BYTES_MAX, WIRE_FIELDS_MAX, WIRE_DEPTH_MAX);
#define LIMIT(field, least, most, unit)                                                            \
	printf("| `%s` | %lld | %lld | %s |\n", (field), (long long)(least), (long long)(most),    \
	    *(unit) ? (unit) : "-");
#define BOUND(name, most, what) printf("| a session | 0 | %d | %s |\n", (most), (what));
#include "session_limits.def"
	return 0;
}

/* One bound: how much or how long, what it holds back, what happens then, and where that shows. */
struct bound {
	long long value;
	const char *unit, *what, *then, *seen;
};

static void
print_value(long long value, const char *unit)
{
	if (strcmp(unit, "bytes") == 0 && value % (1024 * 1024) == 0)
		printf("%lld MiB", value / (1024 * 1024));
	else if (strcmp(unit, "bytes") == 0 && value % 1024 == 0)
		printf("%lld KiB", value / 1024);
	else if (strcmp(unit, "ms") == 0 && value % 1000 == 0)
		printf("%lld s", value / 1000);
	else
		printf("%lld %s", value, unit);
}

static void
print_bound_rows(const char *where, const struct bound *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		printf("| %s | %s | ", where, rows[i].what);
		print_value(rows[i].value, rows[i].unit);
		printf(" | %s | %s |\n", rows[i].then, *rows[i].seen ? rows[i].seen : "-");
	}
}

#define BOUND_ROW(name, value, unit, what, then, seen) {(value), unit, what, then, seen},
static const struct bound hub_bounds[] = {
#include "hub_bounds.def"
};
#define BOUND_ROW(name, value, unit, what, then, seen) {(value), unit, what, then, seen},
static const struct bound scheduler_bounds[] = {
#include "scheduler_bounds.def"
};
#define BOUND_ROW(name, value, unit, what, then, seen) {(value), unit, what, then, seen},
static const struct bound agent_bounds[] = {
#include "agent_bounds.def"
};
#define BOUND_ROW(name, value, unit, what, then, seen) {(value), unit, what, then, seen},
static const struct bound runtime_bounds[] = {
#include "runtime_bounds.def"
};
#define BOUND_ROW(name, value, unit, what, then, seen) {(value), unit, what, then, seen},
static const struct bound bus_bounds[] = {
#include "bus_bounds.def"
};
#define BOUND_ROW(name, value, unit, what, then, seen) {(value), unit, what, then, seen},
static const struct bound store_bounds[] = {
#include "store_bounds.def"
};
#define BOUND_ROW(name, value, unit, what, then, seen) {(value), unit, what, then, seen},
static const struct bound obs_bounds[] = {
#include "obs_bounds.def"
};
#define BOUND_ROW(name, value, unit, what, then, seen) {(value), unit, what, then, seen},
static const struct bound cli_bounds[] = {
#include "cli_bounds.def"
};

static int
print_bounds(void)
{
	static const struct {
		const char *where;
		const struct bound *rows;
		size_t n;
	} parts[] = {
	    {"hub", hub_bounds, COUNT_OF(hub_bounds)},
	    {"scheduler", scheduler_bounds, COUNT_OF(scheduler_bounds)},
	    {"agent", agent_bounds, COUNT_OF(agent_bounds)},
	    {"agent, executors", runtime_bounds, COUNT_OF(runtime_bounds)},
	    {"fairlead", cli_bounds, COUNT_OF(cli_bounds)},
	    {"every connection to the bus", bus_bounds, COUNT_OF(bus_bounds)},
	    {"Postgres", store_bounds, COUNT_OF(store_bounds)},
	    {"hub and scheduler, HTTP", obs_bounds, COUNT_OF(obs_bounds)},
	};

	printf("| where | what is bounded | at most | what happens then | where that shows |\n"
	       "|---|---|---|---|---|\n");
	for (size_t i = 0; i < COUNT_OF(parts); i++)
		print_bound_rows(parts[i].where, parts[i].rows, parts[i].n);
	return 0;
}

/* One metric; read ones are gauges without a label. */
struct metric_line {
	const char *name, *type, *label, *help;
};
#define METRIC_ROW(field, type, name, help) {(name), metric_type_text(METRIC_##type), "", (help)},
#define METRIC_FAMILY_ROW(field, type, name, label, help)                                          \
	{(name), metric_type_text(METRIC_##type), (label), (help)},
#define METRIC_READ_ROW(function, name, help) METRIC_ROW(function, GAUGE, name, help)

static void
print_metric_lines(const char *where, const struct metric_line *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		printf("| `%s` | %s | %s | %s | %s |\n", rows[i].name, rows[i].type,
		    *rows[i].label ? rows[i].label : "-", where, rows[i].help);
}

static int
print_metrics(void)
{
	const struct metric_line hub[] = {
#include "hub_metrics.def"
	};
#define METRIC_ROW(field, type, name, help) {(name), metric_type_text(METRIC_##type), "", (help)},
#define METRIC_FAMILY_ROW(field, type, name, label, help)                                          \
	{(name), metric_type_text(METRIC_##type), (label), (help)},
	const struct metric_line scheduler[] = {
#include "scheduler_metrics.def"
	};
#define METRIC_ROW(field, type, name, help) {(name), metric_type_text(METRIC_##type), "", (help)},
#define METRIC_FAMILY_ROW(field, type, name, label, help)                                          \
	{(name), metric_type_text(METRIC_##type), (label), (help)},
	const struct metric_line both[] = {
#include "process_metrics.def"
	};

	printf("| metric | type | label | said by | what |\n|---|---|---|---|---|\n");
	print_metric_lines("hub", hub, COUNT_OF(hub));
	print_metric_lines("scheduler", scheduler, COUNT_OF(scheduler));
	print_metric_lines("both", both, COUNT_OF(both));
	return 0;
}

static int
print_queues(void)
{
	printf("| service | queue | holds | what was full, and what happens then |\n"
	       "|---|---|---|---|\n");
#define QUEUE_ROW(name, text, bound, what) printf("| hub | `%s` | %d | %s |\n", text, bound, what);
#include "hub_queues.def"
#define QUEUE_ROW(name, text, bound, what)                                                         \
	printf("| scheduler | `%s` | %d | %s |\n", text, bound, what);
#include "scheduler_queues.def"
	return 0;
}

static int
print_consumers(void)
{
	printf("| consumer | stream | an acknowledgement is awaited | unacknowledged at most | "
	       "deliveries |\n|---|---|---|---|---|\n");
	for (size_t i = 0; i < streams_consumers_count; i++) {
		const struct bus_consumer *c = &streams_consumers[i];

		printf("| `%s` | `%s` | %" PRId64 " s, then delivered again | %" PRId64 " | ",
		    c->durable, c->stream, (int64_t)c->ack_wait_s, (int64_t)c->max_ack_pending);
		if (c->max_deliver < 0)
			printf("without end |\n");
		else
			printf("%" PRId64 " |\n", (int64_t)c->max_deliver);
	}
	return 0;
}

static const struct {
	const char *name, *help;
	int (*print)(void);
} tables[] = {
    {"sql", "the CHECK of executor.state", print_sql},
    {"states", "states of an executor", print_states},
    {"diagram", "the same as a diagram", print_diagram},
    {"subjects", "subjects of the bus", print_subjects},
    {"streams", "streams of the bus", print_streams},
    {"endpoints", "endpoints of the API", print_endpoints},
    {"limits", "sizes that are refused beyond", print_limits},
    {"bounds", "queues and timeouts, and what happens at their end", print_bounds},
    {"metrics", "what /metrics says", print_metrics},
    {"queues", "queues that may be full, and what happens then", print_queues},
    {"consumers", "consumers of the streams", print_consumers},
};

int
main(int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < COUNT_OF(tables); i++)
		if (strcmp(argv[1], tables[i].name) == 0)
			return tables[i].print() != 0;
	fprintf(stderr, "usage: fairlead-tables TABLE\n");
	for (size_t i = 0; i < COUNT_OF(tables); i++)
		fprintf(stderr, "  %-10s %s\n", tables[i].name, tables[i].help);
	return 2;
}
