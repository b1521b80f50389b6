/* store_verdict: SUSPECT and LOST (K16, K21-K24).
 *
 * The judge, one leased hub, writes SUSPECT and READY again, and LOST of a host.  The pool's
 * scheduler grants verdicts under the rate cap and gives up executors.  All times are the
 * database's. */
#ifndef STORE_VERDICT_H
#define STORE_VERDICT_H

/* What the judge looks at: every host that is not RETIRED, in order of id. */
struct store_judged {
	const char *host_id;
	enum host_state state;
	uint64_t epoch;
};
MUST_USE int store_judge_roster(
    struct store *s, struct arena *a, struct store_judged **ret, size_t *ret_n, struct err *err);

struct store_verdict {
	const char *host_id;
	uint64_t epoch;     /* as the judge knew it: another one now, and nothing happens */
	const char *reason; /* "silent for 13.4 s" */
};
/* READY -> SUSPECT, fenced by the judge's lease; *ret_n counts those that changed. */
MUST_USE int store_host_suspect(struct store *s, const struct store_lease *lease,
    const struct store_verdict *verdicts, size_t n, size_t *ret_n, struct err *err);
/* SUSPECT -> READY: heard again with its current epoch. */
MUST_USE int store_host_heard(struct store *s, const struct store_lease *lease,
    const struct store_verdict *verdicts, size_t n, size_t *ret_n, struct err *err);
/* SUSPECT -> LOST where the pool's lost_after has passed and the verdict is granted. */
MUST_USE int store_host_lost(
    struct store *s, const struct store_lease *lease, size_t *ret_n, struct err *err);

/* An operator is sure that a SUSPECT or LOST host is gone: neither lost_after nor the cap is waited
 * for.  ERR_CONFLICT when it is READY.  Repeating it changes nothing. */
MUST_USE int store_host_confirm_lost(
    struct store *s, const char *host_id, const char *who, struct err *err);

struct store_lost_result {
	size_t granted, held; /* hosts: given up, or waiting for an operator, new in this call */
	size_t executors, replaced;
	struct store_message *messages; /* ABSENT to publish now */
	size_t message_count;
	bool more; /* a bound was reached: call again */
};
/* One step of a pool's scheduler: grants verdicts up to the cap, then ends the executors of granted
 * hosts whose session's lost_after has passed since suspect_since, with desired ABSENT, and puts
 * their replacements in the queue.  Nothing happens until the present judge has listened for
 * grace_ms (K23), but for hosts an operator has confirmed.  At most 1024 executors per call. */
MUST_USE int store_lost(struct store *s, const struct store_lease *lease, const char *pool,
    uint32_t grace_ms, struct arena *a, struct store_lost_result *ret, struct err *err);

#define LEASE_JUDGE "judge"

#endif
