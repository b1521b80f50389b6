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
/* Drains up to limit rows of event_outbox into the numbered table; lease "events". */
MUST_USE int store_event_publish(struct store *s, const struct store_lease *lease, uint32_t limit,
    size_t *ret_n, struct err *err);
struct store_event_query {
	uint64_t after;
	int64_t since_us;
	const char *session, *host;   /* NULL: any */
	const struct id *executor_id; /* NULL: any */
	uint32_t limit;
};
MUST_USE int store_event_list(struct store *s, const struct store_event_query *q, struct arena *a,
    struct store_event **ret, size_t *ret_n, bool *ret_gap, struct err *err);
/* Appends one for facts that no other statement makes (agent refused, poison message, ...). */
MUST_USE int store_event_append(struct store *s, const struct store_event *e, struct err *err);

#endif
