#include "scheduler_metrics.h"

#include <stdlib.h>

#include "store.h"

static const char *const queue_names[SCHEDULER_QUEUES] = {
#define QUEUE_ROW(name, text, bound, what) [SCHEDULER_QUEUE_##name] = (text),
#include "scheduler_queues.def"
};

static const char *const backlog_names[STORE_BACKLOG_COUNT] = {
#define STORE_BACKLOG(field, name, what) [STORE_BACKLOG_##field] = (name),
    STORE_BACKLOGS(STORE_BACKLOG)
#undef STORE_BACKLOG
};

void
scheduler_metrics_census(struct scheduler_metrics *m, const struct store_census *c)
{
	static const struct store_census nothing;

	c = c ? c : &nothing;
	for (int i = HOST_READY; i <= HOST_RETIRED; i++)
		metric_set(
		    metric_of(m->hosts, host_state_text((enum host_state)i)), (int64_t)c->hosts[i]);
	for (size_t i = 0; i < STORE_BACKLOG_COUNT; i++)
		metric_set(metric_of(m->backlog, backlog_names[i]), (int64_t)c->backlogs[i]);
	metric_set_us(m->oldest_unsent, c->oldest_unsent_us);
}

/* Each is shown from the start, as 0. */
static void
members_add(struct scheduler_metrics *s)
{
	for (size_t i = 0; i < SCHEDULER_QUEUES; i++)
		s->queues[i] = metric_of(s->queue_full, queue_names[i]);
	s->written = metric_of(s->commands, "written");
	s->published = metric_of(s->commands, "published");
	s->unaccepted = metric_of(s->commands, "expired");
	s->dead = metric_of(s->commands, "dead");
	s->placed_seconds = metric_of(s->stage_seconds, "placed");
	s->published_seconds = metric_of(s->stage_seconds, "published");
	s->accepted_seconds = metric_of(s->stage_seconds, "accepted");
	s->running_seconds = metric_of(s->stage_seconds, "running");
	scheduler_metrics_census(s, NULL);
}

struct scheduler_metrics *
scheduler_metrics_new(struct metrics *m)
{
	struct scheduler_metrics *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
#define METRIC_ROW(field, type, name, help)                                                        \
	s->field = metric_of(metrics_family(m, METRIC_##type, name, help, NULL), NULL);
#define METRIC_FAMILY_ROW(field, type, name, label, help)                                          \
	s->field = metrics_family(m, METRIC_##type, name, help, label);
#include "scheduler_metrics.def"
	members_add(s);
	return s;
}

void
scheduler_metrics_free(struct scheduler_metrics *m)
{
	free(m);
}
