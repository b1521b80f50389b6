/* store_event: derived facts for people, numbered by one leased publisher; that number is the
 * cursor. */
#ifndef STORE_EVENT_H
#define STORE_EVENT_H

struct store_event {
	uint64_t cursor;
	int64_t at_us;
	const char *kind; /* "session.created", "executor.placed", "host.ready", ... */
	const char *session, *executor, *host, *who, *text; /* "" when none */
	struct id executor_id;                              /* zero when none */
};
/* What can be read: oldest > newest when nothing is kept. */
struct store_event_bounds {
	uint64_t oldest, newest;
};
/* Were events after the cursor removed by retention? */
static inline bool
store_event_gap(uint64_t after, const struct store_event_bounds *b)
{
	return after > 0 && b->oldest > after + 1;
}

/* How long executors took that ran for the first time: from placement until Postgres knew that the
 * host had accepted, and from acceptance until it ran, by the host's clock. */
struct store_first_runs {
	size_t n;
	int64_t *accepted_us, *running_us; /* n of each */
};

#define STORE_EVENTS_AT_ONCE 1000
/* Takes facts out of event_outbox and numbers them, STORE_EVENTS_AT_ONCE or one row of many; lease
 * "events".  *ret_newest: the newest number after that.  ret_runs (NULL: nobody asks): who ran for
 * the first time, each once. */
MUST_USE int store_event_publish(struct store *s, const struct store_lease *lease, struct arena *a,
    size_t *ret_n, uint64_t *ret_newest, struct store_first_runs *ret_runs, struct err *err);
struct store_event_query {
	uint64_t after;
	int64_t since_us;
	const char *session, *host;   /* NULL: any */
	const struct id *executor_id; /* NULL: any */
	uint32_t limit;
};
/* In the order of their numbers.  The bounds are older than the rows: who got fewer than the limit
 * has everything up to bounds.newest. */
MUST_USE int store_event_list(struct store *s, const struct store_event_query *q, struct arena *a,
    struct store_event **ret, size_t *ret_n, struct store_event_bounds *ret_bounds,
    struct err *err);
/* Appends one for facts that no other statement makes (agent refused, poison message, ...). */
MUST_USE int store_event_append(struct store *s, const struct store_event *e, struct err *err);

#endif
