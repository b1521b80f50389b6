/* store_schedule: what only the leaseholder of a pool does (invariant 1, K8-K10, K16, K26).
 *
 * Every writing function takes the lease and fences with FOR KEY SHARE on it: ERR_DENIED when
 * another epoch holds it, and nothing happened.  Lock order: lease, host, host_capacity, session,
 * executor, host_executor, appends; rows of one table by key. */
#ifndef STORE_SCHEDULE_H
#define STORE_SCHEDULE_H

/* The whole fleet of a pool (not RETIRED), for the image in memory. */
MUST_USE int store_fleet_load(struct store *s, const char *pool, struct arena *a,
    struct store_host **ret, size_t *ret_n, struct err *err);

/* Executors of the pool that want a host, by priority then age; literal LIMIT inside. */
struct store_queued {
	struct id executor_id, session_id;
	const char *session;
	uint32_t index, attempt;
	uint64_t revision;
	int32_t priority;
	const char *driver, *selector;
	const char *needs;                /* capabilities, space separated */
	const char *spread_by, *apart_by; /* "": does not matter */
	uint32_t spread_skew, apart_max;
	bool limits_required;
	struct resources resources;
	uint32_t accept_timeout_ms;
	int64_t waited_us;     /* for a host, at the time of the load; not in a pause of its own */
	const void *spec_body; /* shared by the executors of one session revision */
	size_t spec_size;
};
#define STORE_QUEUE_LIMIT 1024
/* after: an opaque position, 0 for the first; *ret_last is that of the last one read, so that a
 * pass can go past executors that do not fit. */
MUST_USE int store_queue_load(struct store *s, const char *pool, uint64_t after, struct arena *a,
    struct store_queued **ret, size_t *ret_n, uint64_t *ret_last, struct err *err);

/* Where the executors of these sessions are, by session then host: those that are living, and those
 * whose host is READY and has not let go of them yet.  Sessions without any have no rows. */
struct store_presence {
	struct id session_id;
	const char *host_id;
	uint32_t count;
};
MUST_USE int store_presence_load(struct store *s, const struct id *session_ids, size_t n,
    struct arena *a, struct store_presence **ret, size_t *ret_n, struct err *err);

/* Hosts that failed these sessions, by session then host: where executors FAILED, were REJECTED,
 * LOST, EXPIRED, or STOPPED by the host itself.  An end weighs 1000 at first and half of that with
 * every AVOID_HALF_LIFE_MS; past AVOID_FORGET_MS it is forgotten. */
struct store_avoided {
	struct id session_id;
	const char *host_id;
	int64_t weight;
	uint32_t ends;
	int64_t last_us;
};
MUST_USE int store_avoided_load(struct store *s, const struct id *session_ids, size_t n,
    struct arena *a, struct store_avoided **ret, size_t *ret_n, struct err *err);

/* One message to one host, committed in the outbox, with everything the wire needs. */
struct store_message {
	struct id message_id;
	const char *host_id, *encoding;
	struct id journal_id;
	uint64_t host_seq;
	struct store_item *items; /* 1..64 */
	size_t item_count;
	bool resend; /* sent before: publish as a new message with a fresh Msg-Id (K10) */
	int64_t age_us;
};
#define STORE_MESSAGE_ITEMS_MAX 64

struct store_placement {
	struct id executor_id;
	const char *host_id;
	struct resources resources;
	uint32_t accept_timeout_ms;
	/* Copied into the message items without a second read: */
	const struct store_queued *queued;
};
/* ONE transaction: claim from the placement queue (those no longer there are skipped), reserve with
 * the capacity guard (a host that no longer fits, or is not READY or is cordoned, loses its
 * placements: they stay queued), assign, host_seq, command and outbox rows, delta, event.  Returns
 * the messages to publish now, <= 64 items each; *ret_placed counts executors. */
MUST_USE int store_place(struct store *s, const struct store_lease *lease, const char *pool,
    const struct store_placement *placements, size_t n, struct arena *a, struct store_message **ret,
    size_t *ret_n, size_t *ret_placed, struct err *err);
/* Why these wait; n arrays of counts by reason text, stored on the queue row. */
struct store_waiting {
	struct id executor_id;
	const struct store_why *why;
	size_t why_count;
};
MUST_USE int store_queue_why(struct store *s, const struct store_lease *lease,
    const struct store_waiting *w, size_t n, struct err *err);

/* PubAck arrived: published_at, and sent_at the first time. */
MUST_USE int store_outbox_sent(
    struct store *s, const struct id *message_ids, size_t n, struct err *err);
/* Messages of the pool that are unpublished for unsent_after_ms, or published but with items
 * neither accepted nor superseded nor expired for resend_after_ms; SKIP LOCKED, shared by all
 * replicas; each is marked so that the next sweep waits again.  At most limit messages (<= 64). */
MUST_USE int store_outbox_sweep(struct store *s, const char *pool, uint32_t unsent_after_ms,
    uint32_t resend_after_ms, uint32_t limit, struct arena *a, struct store_message **ret,
    size_t *ret_n, struct err *err);

struct store_fold_result {
	size_t intents, ended, gone, deltas, closed_sessions, replaced;
	struct store_message *messages; /* STOP and ABSENT to publish now */
	size_t message_count;
	bool more; /* a bound was reached: call again */
};
/* Intents: close and stop become desired STOP (generation + 1, command, outbox) or CANCELLED when
 * no command row ever existed.  executor_ended: frees the reservation once, ABSENT follows lazily
 * (absent_after_ms after the end, batched).  executor_gone: drops host_executor, gone_at.  Whoever
 * ended without anybody's wish is replaced where its session wants it: QUEUED at attempt + 1, after
 * a pause that doubles with each attempt unless it was LOST.  CLOSING
 * sessions without living executors become CLOSED.  Bounded by 1024 of each per call. */
MUST_USE int store_fold(struct store *s, const struct store_lease *lease, const char *pool,
    uint32_t absent_after_ms, struct arena *a, struct store_fold_result *ret, struct err *err);
/* Rollouts and drains (E11, P4): within each session's disruption budget, stops executors of an
 * older template or on a draining host; their successors follow when they have ended (store_fold).
 * A rollout is paused when an executor of the new template failed, was refused, or is in BACKOFF.
 */
struct store_displace_result {
	size_t stopped, settled, paused, finished; /* finished: rollouts that are over */
	struct store_message *messages;
	size_t message_count;
	bool more;
};
MUST_USE int store_displace(struct store *s, const struct store_lease *lease, const char *pool,
    struct arena *a, struct store_displace_result *ret, struct err *err);
/* session_delta -> one wide counter row per session; lease name "counters", any scheduler may hold
 * it. */
MUST_USE int store_fold_counters(
    struct store *s, const struct store_lease *lease, size_t *ret_folded, struct err *err);
/* RUNs past their deadline by the database's clock, unaccepted: EXPIRED with desired ABSENT,
 * generation + 1 and an outbox row (K13, K16). */
MUST_USE int store_expire(struct store *s, const struct store_lease *lease, const char *pool,
    struct arena *a, struct store_message **ret, size_t *ret_n, size_t *ret_expired,
    struct err *err);
/* Ended executors, finished commands, closed sessions, old events, idempotency keys, in one batch;
 * only GONE or RETIRED executors go (K6). *ret_more: call again. */
struct store_retention {
	int64_t keep_ms;
	uint32_t batch;
};
MUST_USE int store_retain(struct store *s, const struct store_lease *lease,
    const struct store_retention *r, uint64_t *ret_removed, bool *ret_more, struct err *err);

#endif
