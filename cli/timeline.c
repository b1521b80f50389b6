#include "timeline.h"

#include <stdio.h>

#include "clock.h"
#include "name.h"
#include "output.h"
#include "state.h"

struct table *
executor_table_new(void)
{
	static const char *const columns[] = {
	    "EXECUTOR", "STATE", "HOST", "OUTCOME", "REASON", "START TIME", "AGE", NULL};

	return table_new(columns);
}

/* Queued to running: what a user waits for. */
static const char *
start_took(const Fairlead__V1__Executor *e, char *buffer, size_t size)
{
	if (e->running_us == 0 || e->queued_us == 0)
		return "";
	return output_took(e->running_us - e->queued_us, buffer, size);
}

void
executor_table_row(struct table *t, const Fairlead__V1__Executor *e)
{
	char name[EXECUTOR_NAME_BYTES], outcome[96], took[32], age[32];

	table_row(
	    t, (const char *[]){output_executor_name(e, name), output_executor_state(e->state),
		   e->host, output_outcome(e, outcome, sizeof(outcome)), e->reason,
		   start_took(e, took, sizeof(took)), output_age(e->queued_us, age, sizeof(age))});
}

void
timeline_print(const Fairlead__V1__Executor *e)
{
	const struct {
		const char *stage;
		int64_t at_us;
	} stages[] = {{"queued", e->queued_us}, {"placed", e->placed_us}, {"sent", e->sent_us},
	    {"accepted", e->accepted_us}, {"starting", e->starting_us}, {"running", e->running_us},
	    {executor_state_ended((enum executor_state)e->state) ? output_executor_state(e->state)
								 : "ended",
		e->ended_us},
	    {"gone", e->gone_us}};
	char name[EXECUTOR_NAME_BYTES], outcome[96], when[40], took[32];
	int64_t last = 0;

	printf("executor    %s\nstate       %s\nhost        %s\n", output_executor_name(e, name),
	    output_executor_state(e->state), *e->host ? e->host : "-");
	if (e->incarnation > 0)
		printf("incarnation %u\n", e->incarnation);
	if (*output_outcome(e, outcome, sizeof(outcome)))
		printf("outcome     %s%s%s%s%s\n", outcome, *e->reason ? ", " : "", e->reason,
		    *e->detail ? ": " : "", e->detail);
	if (*e->stopped_for)
		printf("stopped for %s\n", e->stopped_for);
	if (*e->late_outcome)
		printf("late        %s\n", e->late_outcome);
	for (size_t i = 0; i < e->n_why; i++)
		printf("waits       %u hosts: %s\n", e->why[i]->hosts, e->why[i]->reason);
	for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
		if (stages[i].at_us == 0)
			continue;
		printf(
		    "%-11s %s", stages[i].stage, clock_format(stages[i].at_us, when, sizeof(when)));
		if (last > 0)
			printf("  +%s", output_took(stages[i].at_us - last, took, sizeof(took)));
		printf("\n");
		last = stages[i].at_us;
	}
	if (e->queued_us > 0 && e->ended_us > 0)
		printf("total       %s\n",
		    output_took(e->ended_us - e->queued_us, took, sizeof(took)));
}
