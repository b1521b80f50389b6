/* store_session: sessions as users declare them.  Hubs insert and append intents; only the pool's
 * scheduler changes desired state (state.md, "One writer per fact"). */
#ifndef STORE_SESSION_H
#define STORE_SESSION_H

struct store_session_new {
	struct id session_id;
	const char *name, *pool;
	const char
	    *spec_json; /* the checked SessionSpec as people wrote it: kept for `session get` */
	const void
	    *executor_body; /* packed ExecutorSpec, opaque here; stored once per session revision */
	size_t executor_body_size;
	uint32_t replicas;
	int32_t priority;
	const char *driver, *selector; /* "" selector: any host */
	/* What placement asks for besides; NULL and 0 where nothing. */
	const char *needs; /* capabilities of a host, space separated */
	const char *spread_by, *apart_by;
	uint32_t spread_skew, apart_max;
	bool limits_required;
	struct resources resources; /* slots >= 1 */
	uint32_t stop_grace_ms, lost_after_ms, accept_timeout_ms;
	uint32_t max_unavailable; /* >= 1: the disruption budget that drain and rollout share */
	bool replace_lost;
	bool replace_failed; /* its hosts restart it: what one gave up on is tried elsewhere */
	/* Less than lost_after_ms: a replacement before it is given up, and one of the two is kept
	 * when its host is back (K24); more: it is queued so much later. */
	uint32_t replace_after_ms;
	bool keep_replacement;     /* not the original */
	uint32_t replacements_max; /* per index, of those that failed; 0: no bound */
	const char *who;
	const char *key;               /* idempotency key, NULL: none */
	const struct id *executor_ids; /* replicas of them, minted by the caller, ascending */
};

struct store_session {
	struct id session_id;
	const char *name, *pool, *spec_json, *who;
	enum session_state state;
	uint64_t revision, template_revision;
	uint32_t replicas;
	bool rolling;                   /* executors of an older template may be living */
	const char *rollout_paused;     /* why it stands still; "": it does not */
	const char *previous_spec_json; /* before the last change of template; "": none */
	uint64_t counters[100]; /* by enum executor_state: folded counters plus unfolded deltas, so
				   exact */
	int64_t created_us, closed_us;
	bool by_key; /* as answered by a create: its idempotency key, not its name, found it */
};

/* One transaction: session, spec, executors QUEUED, placement queue, deltas, event.  Two concurrent
 * creates of one name make one session (E7): the other gets *ret_existed true and the session that
 * is there; comparing its spec is the caller's.  The same key: the first answer (E8), *ret_existed
 * and by_key true.  A new key on a taken name is not kept.  A name is free again when its session
 * is CLOSED. */
MUST_USE int store_session_create(struct store *s, const struct store_session_new *n,
    struct arena *a, struct store_session *ret, bool *ret_existed, struct err *err);
/* What a create of this name and key (NULL: none) would be answered with because it is there
 * already; *ret_found false when nothing is. */
MUST_USE int store_session_declared(struct store *s, const char *name, const char *key,
    struct arena *a, struct store_session *ret, bool *ret_found, struct err *err);
/* The newest session of that name.  ERR_NOT_FOUND. */
MUST_USE int store_session_get(
    struct store *s, const char *name, struct arena *a, struct store_session *ret, struct err *err);
/* By name, after the cursor; pool NULL: all pools. */
MUST_USE int store_session_list(struct store *s, const char *pool, bool all, const char *after,
    uint32_t limit, struct arena *a, struct store_session **ret, size_t *ret_n, struct err *err);
/* Marks OPEN -> CLOSING (revision + 1, once) with an intent and an event; repeating it, or closing
 * a closed one, changes nothing (E9).  revision 0: any; else ERR_CONFLICT when it differs (E13). */
MUST_USE int store_session_close(struct store *s, const char *name, uint64_t revision, bool now,
    const char *who, struct arena *a, struct store_session *ret, struct err *err);
/* Another spec for an OPEN session: the scheduler makes it so.  Identity (name, pool) must be the
 * same; session_id, executor_ids and key are ignored.  template_changed: running executors are
 * replaced one disruption budget at a time, and a paused rollout goes on.  revision 0: any; else
 * ERR_CONFLICT when it differs (E13).  ERR_CONFLICT too when it is not OPEN. */
MUST_USE int store_session_update(struct store *s, const struct store_session_new *n,
    uint64_t revision, bool template_changed, struct arena *a, struct store_session *ret,
    struct err *err);
/* A paused rollout goes on, failures so far notwithstanding.  ERR_CONFLICT when it is not paused.
 */
MUST_USE int store_session_resume(struct store *s, const char *name, const char *who,
    struct arena *a, struct store_session *ret, struct err *err);
/* Why its queued executors wait: newest reasons with counts of hosts, summed over nothing: the
 * reasons of the first queued executor. */
struct store_why {
	const char *reason;
	uint32_t hosts;
};
MUST_USE int store_session_why(struct store *s, const char *name, struct arena *a,
    struct store_why **ret, size_t *ret_n, struct err *err);

#endif
