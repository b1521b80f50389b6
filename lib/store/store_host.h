/* store_host: hello, sync, heartbeat view, liveness, cordon, removal (K1-K6, K11, K19, K21). */
#ifndef STORE_HOST_H
#define STORE_HOST_H

#define STORE_HOST_DRIVERS_MAX 8
#define STORE_HOST_RECORDS_MAX 4096

struct store_driver {
	const char *name, *detail;
	bool usable, enforces_cpu, enforces_memory;
};

struct store_hello {
	const char *host_id, *pool;
	struct id journal_id, instance_id;
	uint64_t start_no, hello_no, ticket;
	const char *boot_id, *agent_version, *encoding, *arch, *kernel;
	uint32_t protocol_revision;
	const char *capabilities; /* space separated */
	struct resources capacity;
	const struct label *labels;
	size_t label_count;
	const struct store_driver *drivers;
	size_t driver_count;
	uint64_t contiguous_seq;
	uint64_t digest_count, digest_sum;
	const struct id *record_ids; /* with record_generations, record_count of them */
	const uint64_t *record_generations;
	size_t record_count;
};

enum store_hello_verdict {
	STORE_HELLO_ACCEPTED,
	STORE_HELLO_TICKET,
	STORE_HELLO_STALE,
	STORE_HELLO_RETIRED,
	STORE_HELLO_REJECTED
};

struct store_absent {
	struct id executor_id;
	uint64_t generation;
};
struct store_hello_answer {
	enum store_hello_verdict verdict;
	const char *reason;
	uint64_t epoch, ticket, journal_floor;
	bool report_all, first_seen, epoch_raised;
	/* unknown: of older terms, as the host said them; absent has those that are to be stopped
	 * (K6)
	 */
	struct store_absent *absent, *unknown;
	size_t absent_count, unknown_count;
	int64_t now_us;
};
/* One transaction under the host's row lock; K1, K2, K4, K5, K6 exactly. */
MUST_USE int store_host_hello(struct store *s, const struct store_hello *h, struct arena *a,
    struct store_hello_answer *ret, struct err *err);

/* One desired state of one executor at one generation, ready to be put on the wire. */
struct store_item {
	struct id executor_id;
	uint64_t generation, host_seq;
	enum desired_state desired;
	int64_t deadline_us;   /* 0: none */
	const void *spec_body; /* packed ExecutorSpec; RUN only */
	size_t spec_size;
	const char *session;
	uint32_t index, attempt, stop_grace_ms;
};
struct store_sync {
	const char *host_id;
	uint64_t epoch, contiguous_seq, as_of_seq; /* as_of_seq 0: first page */
	struct id after; /* executor id of the last item of the previous page, zero first */
	uint32_t limit;
};
struct store_sync_page {
	bool hello_required;
	uint64_t as_of_seq;       /* read before the first page */
	struct store_item *items; /* newest item per executor with host_seq > contiguous_seq */
	size_t item_count;
	bool last;
	int64_t now_us;
};
MUST_USE int store_host_sync(struct store *s, const struct store_sync *q, struct arena *a,
    struct store_sync_page *ret, struct err *err);

/* What a heartbeat is answered from; for n hosts at once.  Unknown hosts have state HOST_NONE. */
struct store_host_head {
	const char *host_id;
	enum host_state state;
	uint64_t epoch, host_seq;
	const char *encoding;
};
MUST_USE int store_host_heads(struct store *s, const char *const *host_ids, size_t n,
    struct arena *a, struct store_host_head **ret, size_t *ret_n, int64_t *ret_now_us,
    struct err *err);

/* The control plane's side of K19, for n hosts: of what they should be running, as reported.  In
 * the order of host_ids; unknown hosts have the empty digest. */
MUST_USE int store_host_digests(
    struct store *s, const char *const *host_ids, size_t n, struct digest *ret, struct err *err);

struct store_beat {
	const char *host_id, *server;
	int64_t at_us; /* real time */
	uint64_t contiguous_seq;
	int64_t rtt_us;
};
/* Coarse flush into the unlogged table. */
MUST_USE int store_host_liveness(
    struct store *s, const struct store_beat *beats, size_t n, struct err *err);

struct store_host {
	const char *host_id, *pool, *boot_id, *agent_version, *arch, *kernel, *server;
	enum host_state state;
	uint64_t epoch, host_seq, contiguous_seq;
	uint32_t protocol_revision;
	const char *capabilities; /* space separated */
	struct label *labels;     /* host facts overlaid by operators' labels (A8) */
	size_t label_count;
	struct store_driver *drivers;
	size_t driver_count;
	struct resources capacity, used;
	bool overcommitted, cordoned;
	bool verdict_held; /* would be given up, but the cap is reached or others come back (K22) */
	const char *cordoned_by, *cordon_reason;
	const char *suspect_reason, *lost_confirmed_by; /* "" when none */
	const char *drained_by;
	int64_t draining_us, drain_deadline_us; /* 0: is not; no deadline */
	int64_t cordoned_us, first_seen_us, last_hello_us, last_heartbeat_us, rtt_us,
	    suspect_since_us;
	uint32_t executors;
	uint32_t unknown; /* executors of older terms: see store_unknown.h */
};
MUST_USE int store_host_get(
    struct store *s, const char *host_id, struct arena *a, struct store_host *ret, struct err *err);
/* pool NULL: all; after "": from the first. */
MUST_USE int store_host_list(struct store *s, const char *pool, bool all, const char *after,
    uint32_t limit, struct arena *a, struct store_host **ret, size_t *ret_n, struct err *err);
/* cordon false lifts it.  Idempotent; an event says who. */
MUST_USE int store_host_cordon(struct store *s, const char *host_id, bool cordon,
    const char *reason, const char *who, struct err *err);
/* Cordons a host and moves its executors away, a disruption budget of each session at a time; after
 * deadline_ms (0: none) all at once.  drain false: what has not been moved stays, the cordon too.
 * Idempotent: repeating it sets the deadline anew. */
MUST_USE int store_host_drain(struct store *s, const char *host_id, bool drain, int64_t deadline_ms,
    const char *reason, const char *who, struct err *err);
/* RETIRED: refused with ERR_CONFLICT while host_executor rows exist unless confirm; then its
 * executors end LOST and their rows go (K16, K29). */
MUST_USE int store_host_remove(
    struct store *s, const char *host_id, bool confirm, const char *who, struct err *err);

#endif
