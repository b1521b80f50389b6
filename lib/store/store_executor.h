/* store_executor: the ingest join (K14) and what people ask about executors. */
#ifndef STORE_EXECUTOR_H
#define STORE_EXECUTOR_H

struct store_join_result {
	uint64_t applied;    /* rows that changed */
	uint64_t ended;      /* executor_ended rows appended */
	uint64_t superseded; /* reports of a superseded journal, dropped (K2) */
	uint64_t late;       /* late outcomes stored (K14) */
	uint64_t accepted;   /* RUNs whose acceptance was news */
	uint64_t rejected;   /* RUNs that their host refused */
	/* Pools whose scheduler should look now (ended or gone executors). */
	const char *pools[16];
	size_t pool_count;
};
/* n reports, folded and sorted (report_fold_batch), in ONE statement; 0: committed.  Where several
 * hosts or journals speak of one executor, one transaction of several.  ERR_INVALID, and nothing
 * applied: a state that is not a host's to report. */
MUST_USE int store_executor_join(struct store *s, const struct report *reports, size_t n,
    struct arena *a, struct store_join_result *ret, struct err *err);

struct store_executor {
	struct id executor_id, session_id;
	const char *session, *host_id, *reason, *detail, *late_outcome; /* "" when none */
	const char *stopped_for; /* "user", "close", "scale", "drain", "roll"; "": nobody did */
	uint64_t revision;       /* of its template */
	uint32_t index, attempt, incarnation;
	enum executor_state state;
	enum desired_state desired;
	uint64_t generation, accepted_generation, gone_generation;
	int32_t exit_code, signal;
	bool oom, started;
	int64_t queued_us, placed_us, sent_us, accepted_us, starting_us, running_us, ended_us,
	    gone_us;
	int64_t starting_after_us, running_after_us, ended_after_us;
	const void *spec_body;
	size_t spec_size;
	struct store_why *why;
	size_t why_count;
};
struct store_executor_query {
	const char *session; /* NULL: any */
	const char *host_id; /* NULL: any */
	bool all;            /* ended ones too */
	struct id after;     /* zero: from the first */
	uint32_t limit;
};
/* Rows of a list carry no spec_body: ask for one executor to see it. */
MUST_USE int store_executor_list(struct store *s, const struct store_executor_query *q,
    struct arena *a, struct store_executor **ret, size_t *ret_n, struct err *err);
/* attempt 0: the newest. */
MUST_USE int store_executor_get(struct store *s, const struct id *executor_id, struct arena *a,
    struct store_executor *ret, struct err *err);
MUST_USE int store_executor_find(struct store *s, const char *session, uint32_t index,
    uint32_t attempt, struct arena *a, struct store_executor *ret, struct err *err);
/* Appends the intent; the scheduler stops it.  Idempotent: an ended one stays as it is. */
MUST_USE int store_executor_stop(
    struct store *s, const struct id *executor_id, bool now, const char *who, struct err *err);

#endif
