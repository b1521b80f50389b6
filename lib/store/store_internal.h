/* store_internal: the table both implementations fill.  One row per public function of the headers.
 */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

#include "store.h"

#define STORE_OPS(X)                                                                               \
	X(ping, (struct store * s, int64_t *ret_now_us, struct err *err), (s, ret_now_us, err))    \
	X(migrate, (struct store * s, unsigned *ret_applied, struct err *err),                     \
	    (s, ret_applied, err))                                                                 \
	X(schema_check, (struct store * s, unsigned *ret_version, struct err *err),                \
	    (s, ret_version, err))                                                                 \
	X(cell_get,                                                                                \
	    (struct store * s, struct arena * a, struct store_cell * ret, struct err * err),       \
	    (s, a, ret, err))                                                                      \
	X(verify,                                                                                  \
	    (struct store * s, struct arena * a, struct store_violation * *ret, size_t *ret_n,     \
		struct err *err),                                                                  \
	    (s, a, ret, ret_n, err))                                                               \
	X(lease_hold,                                                                              \
	    (struct store * s, struct store_lease * l, const char *holder, bool *ret_held,         \
		struct err *err),                                                                  \
	    (s, l, holder, ret_held, err))                                                         \
	X(lease_release, (struct store * s, struct store_lease * l, struct err * err),             \
	    (s, l, err))                                                                           \
	X(session_create,                                                                          \
	    (struct store * s, const struct store_session_new *n, struct arena *a,                 \
		struct store_session *ret, bool *ret_existed, struct err *err),                    \
	    (s, n, a, ret, ret_existed, err))                                                      \
	X(session_declared,                                                                        \
	    (struct store * s, const char *name, const char *key, struct arena *a,                 \
		struct store_session *ret, bool *ret_found, struct err *err),                      \
	    (s, name, key, a, ret, ret_found, err))                                                \
	X(session_get,                                                                             \
	    (struct store * s, const char *name, struct arena *a, struct store_session *ret,       \
		struct err *err),                                                                  \
	    (s, name, a, ret, err))                                                                \
	X(session_list,                                                                            \
	    (struct store * s, const char *pool, bool all, const char *after, uint32_t limit,      \
		struct arena *a, struct store_session **ret, size_t *ret_n, struct err *err),      \
	    (s, pool, all, after, limit, a, ret, ret_n, err))                                      \
	X(session_close,                                                                           \
	    (struct store * s, const char *name, uint64_t revision, bool now, const char *who,     \
		struct arena *a, struct store_session *ret, struct err *err),                      \
	    (s, name, revision, now, who, a, ret, err))                                            \
	X(session_update,                                                                          \
	    (struct store * s, const struct store_session_new *n, uint64_t revision,               \
		bool template_changed, struct arena *a, struct store_session *ret,                 \
		struct err *err),                                                                  \
	    (s, n, revision, template_changed, a, ret, err))                                       \
	X(session_resume,                                                                          \
	    (struct store * s, const char *name, const char *who, struct arena *a,                 \
		struct store_session *ret, struct err *err),                                       \
	    (s, name, who, a, ret, err))                                                           \
	X(host_drain,                                                                              \
	    (struct store * s, const char *host_id, bool drain, int64_t deadline_ms,               \
		const char *reason, const char *who, struct err *err),                             \
	    (s, host_id, drain, deadline_ms, reason, who, err))                                    \
	X(displace,                                                                                \
	    (struct store * s, const struct store_lease *lease, const char *pool, struct arena *a, \
		struct store_displace_result *ret, struct err *err),                               \
	    (s, lease, pool, a, ret, err))                                                         \
	X(session_why,                                                                             \
	    (struct store * s, const char *name, struct arena *a, struct store_why **ret,          \
		size_t *ret_n, struct err *err),                                                   \
	    (s, name, a, ret, ret_n, err))                                                         \
	X(host_hello,                                                                              \
	    (struct store * s, const struct store_hello *h, struct arena *a,                       \
		struct store_hello_answer *ret, struct err *err),                                  \
	    (s, h, a, ret, err))                                                                   \
	X(host_sync,                                                                               \
	    (struct store * s, const struct store_sync *q, struct arena *a,                        \
		struct store_sync_page *ret, struct err *err),                                     \
	    (s, q, a, ret, err))                                                                   \
	X(host_heads,                                                                              \
	    (struct store * s, const char *const *host_ids, size_t n, struct arena *a,             \
		struct store_host_head **ret, size_t *ret_n, int64_t *ret_now_us,                  \
		struct err *err),                                                                  \
	    (s, host_ids, n, a, ret, ret_n, ret_now_us, err))                                      \
	X(host_digests,                                                                            \
	    (struct store * s, const char *const *host_ids, size_t n, struct digest *ret,          \
		struct err *err),                                                                  \
	    (s, host_ids, n, ret, err))                                                            \
	X(host_liveness,                                                                           \
	    (struct store * s, const struct store_beat *beats, size_t n, struct err *err),         \
	    (s, beats, n, err))                                                                    \
	X(host_get,                                                                                \
	    (struct store * s, const char *host_id, struct arena *a, struct store_host *ret,       \
		struct err *err),                                                                  \
	    (s, host_id, a, ret, err))                                                             \
	X(host_list,                                                                               \
	    (struct store * s, const char *pool, bool all, const char *after, uint32_t limit,      \
		struct arena *a, struct store_host **ret, size_t *ret_n, struct err *err),         \
	    (s, pool, all, after, limit, a, ret, ret_n, err))                                      \
	X(host_cordon,                                                                             \
	    (struct store * s, const char *host_id, bool cordon, const char *reason,               \
		const char *who, struct err *err),                                                 \
	    (s, host_id, cordon, reason, who, err))                                                \
	X(host_remove,                                                                             \
	    (struct store * s, const char *host_id, bool confirm, const char *who,                 \
		struct err *err),                                                                  \
	    (s, host_id, confirm, who, err))                                                       \
	X(unknown_list,                                                                            \
	    (struct store * s, const char *host_id, uint32_t limit, struct arena *a,               \
		struct store_unknown **ret, size_t *ret_n, struct err *err),                       \
	    (s, host_id, limit, a, ret, ret_n, err))                                               \
	X(unknown_stop,                                                                            \
	    (struct store * s, const char *host_id, const char *who, size_t *ret_n,                \
		struct err *err),                                                                  \
	    (s, host_id, who, ret_n, err))                                                         \
	X(executor_join,                                                                           \
	    (struct store * s, const struct report *reports, size_t n, struct arena *a,            \
		struct store_join_result *ret, struct err *err),                                   \
	    (s, reports, n, a, ret, err))                                                          \
	X(executor_list,                                                                           \
	    (struct store * s, const struct store_executor_query *q, struct arena *a,              \
		struct store_executor **ret, size_t *ret_n, struct err *err),                      \
	    (s, q, a, ret, ret_n, err))                                                            \
	X(executor_get,                                                                            \
	    (struct store * s, const struct id *executor_id, struct arena *a,                      \
		struct store_executor *ret, struct err *err),                                      \
	    (s, executor_id, a, ret, err))                                                         \
	X(executor_find,                                                                           \
	    (struct store * s, const char *session, uint32_t index, uint32_t attempt,              \
		struct arena *a, struct store_executor *ret, struct err *err),                     \
	    (s, session, index, attempt, a, ret, err))                                             \
	X(executor_stop,                                                                           \
	    (struct store * s, const struct id *executor_id, bool now, const char *who,            \
		struct err *err),                                                                  \
	    (s, executor_id, now, who, err))                                                       \
	X(command_list,                                                                            \
	    (struct store * s, const struct store_command_query *q, struct arena *a,               \
		struct store_command **ret, size_t *ret_n, struct err *err),                       \
	    (s, q, a, ret, ret_n, err))                                                            \
	X(command_get,                                                                             \
	    (struct store * s, const struct id *executor_id, uint64_t generation, struct arena *a, \
		struct store_command *ret, struct err *err),                                       \
	    (s, executor_id, generation, a, ret, err))                                             \
	X(command_replay,                                                                          \
	    (struct store * s, const struct id *executor_id, uint64_t generation, const char *who, \
		struct arena *a, struct store_command *ret, struct err *err),                      \
	    (s, executor_id, generation, who, a, ret, err))                                        \
	X(command_drop,                                                                            \
	    (struct store * s, const struct id *executor_id, uint64_t generation, const char *who, \
		struct arena *a, struct store_command *ret, struct err *err),                      \
	    (s, executor_id, generation, who, a, ret, err))                                        \
	X(exhaust,                                                                                 \
	    (struct store * s, const struct store_lease *lease, const char *pool,                  \
		uint32_t deliveries_max, uint32_t answer_after_ms, size_t *ret_n,                  \
		struct err *err),                                                                  \
	    (s, lease, pool, deliveries_max, answer_after_ms, ret_n, err))                         \
	X(fleet_load,                                                                              \
	    (struct store * s, const char *pool, struct arena *a, struct store_host **ret,         \
		size_t *ret_n, struct err *err),                                                   \
	    (s, pool, a, ret, ret_n, err))                                                         \
	X(queue_load,                                                                              \
	    (struct store * s, const char *pool, uint64_t offset_after, struct arena *a,           \
		struct store_queued **ret, size_t *ret_n, uint64_t *ret_last, struct err *err),    \
	    (s, pool, offset_after, a, ret, ret_n, ret_last, err))                                 \
	X(presence_load,                                                                           \
	    (struct store * s, const struct id *session_ids, size_t n, struct arena *a,            \
		struct store_presence **ret, size_t *ret_n, struct err *err),                      \
	    (s, session_ids, n, a, ret, ret_n, err))                                               \
	X(avoided_load,                                                                            \
	    (struct store * s, const struct id *session_ids, size_t n, struct arena *a,            \
		struct store_avoided **ret, size_t *ret_n, struct err *err),                       \
	    (s, session_ids, n, a, ret, ret_n, err))                                               \
	X(place,                                                                                   \
	    (struct store * s, const struct store_lease *lease, const char *pool,                  \
		const struct store_placement *placements, size_t n, struct arena *a,               \
		struct store_message **ret, size_t *ret_n, size_t *ret_placed, struct err *err),   \
	    (s, lease, pool, placements, n, a, ret, ret_n, ret_placed, err))                       \
	X(queue_why,                                                                               \
	    (struct store * s, const struct store_lease *lease, const struct store_waiting *w,     \
		size_t n, struct err *err),                                                        \
	    (s, lease, w, n, err))                                                                 \
	X(outbox_sent,                                                                             \
	    (struct store * s, const struct id *message_ids, size_t n, struct err *err),           \
	    (s, message_ids, n, err))                                                              \
	X(outbox_sweep,                                                                            \
	    (struct store * s, const char *pool, uint32_t unsent_after_ms,                         \
		uint32_t resend_after_ms, uint32_t limit, struct arena *a,                         \
		struct store_message **ret, size_t *ret_n, struct err *err),                       \
	    (s, pool, unsent_after_ms, resend_after_ms, limit, a, ret, ret_n, err))                \
	X(fold,                                                                                    \
	    (struct store * s, const struct store_lease *lease, const char *pool,                  \
		uint32_t absent_after_ms, struct arena *a, struct store_fold_result *ret,          \
		struct err *err),                                                                  \
	    (s, lease, pool, absent_after_ms, a, ret, err))                                        \
	X(fold_counters,                                                                           \
	    (struct store * s, const struct store_lease *lease, size_t *ret_folded,                \
		struct err *err),                                                                  \
	    (s, lease, ret_folded, err))                                                           \
	X(expire,                                                                                  \
	    (struct store * s, const struct store_lease *lease, const char *pool, struct arena *a, \
		struct store_message **ret, size_t *ret_n, size_t *ret_expired, struct err *err),  \
	    (s, lease, pool, a, ret, ret_n, ret_expired, err))                                     \
	X(retain,                                                                                  \
	    (struct store * s, const struct store_lease *lease, const struct store_retention *r,   \
		uint64_t *ret_removed, bool *ret_more, struct err *err),                           \
	    (s, lease, r, ret_removed, ret_more, err))                                             \
	X(judge_roster,                                                                            \
	    (struct store * s, struct arena * a, struct store_judged * *ret, size_t *ret_n,        \
		struct err *err),                                                                  \
	    (s, a, ret, ret_n, err))                                                               \
	X(host_suspect,                                                                            \
	    (struct store * s, const struct store_lease *lease,                                    \
		const struct store_verdict *verdicts, size_t n, size_t *ret_n, struct err *err),   \
	    (s, lease, verdicts, n, ret_n, err))                                                   \
	X(host_heard,                                                                              \
	    (struct store * s, const struct store_lease *lease,                                    \
		const struct store_verdict *verdicts, size_t n, size_t *ret_n, struct err *err),   \
	    (s, lease, verdicts, n, ret_n, err))                                                   \
	X(host_lost,                                                                               \
	    (struct store * s, const struct store_lease *lease, size_t *ret_n, struct err *err),   \
	    (s, lease, ret_n, err))                                                                \
	X(host_confirm_lost,                                                                       \
	    (struct store * s, const char *host_id, const char *who, struct err *err),             \
	    (s, host_id, who, err))                                                                \
	X(lost,                                                                                    \
	    (struct store * s, const struct store_lease *lease, const char *pool,                  \
		uint32_t grace_ms, struct arena *a, struct store_lost_result *ret,                 \
		struct err *err),                                                                  \
	    (s, lease, pool, grace_ms, a, ret, err))                                               \
	X(event_publish,                                                                           \
	    (struct store * s, const struct store_lease *lease, struct arena *a, size_t *ret_n,    \
		uint64_t *ret_newest, struct store_first_runs *ret_runs, struct err *err),         \
	    (s, lease, a, ret_n, ret_newest, ret_runs, err))                                       \
	X(census, (struct store * s, struct store_census * ret, struct err * err), (s, ret, err))  \
	X(event_list,                                                                              \
	    (struct store * s, const struct store_event_query *q, struct arena *a,                 \
		struct store_event **ret, size_t *ret_n, struct store_event_bounds *ret_bounds,    \
		struct err *err),                                                                  \
	    (s, q, a, ret, ret_n, ret_bounds, err))                                                \
	X(event_append, (struct store * s, const struct store_event *e, struct err *err),          \
	    (s, e, err))

struct store_ops {
	void (*free)(struct store *s);
#define STORE_OP_POINTER(name, parameters, arguments) int(*name) parameters;
	STORE_OPS(STORE_OP_POINTER)
#undef STORE_OP_POINTER
};

/* First member of both implementations. */
struct store {
	const struct store_ops *ops;
};

#endif
