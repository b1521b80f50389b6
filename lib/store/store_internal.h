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
	X(fleet_load,                                                                              \
	    (struct store * s, const char *pool, struct arena *a, struct store_host **ret,         \
		size_t *ret_n, struct err *err),                                                   \
	    (s, pool, a, ret, ret_n, err))                                                         \
	X(queue_load,                                                                              \
	    (struct store * s, const char *pool, uint64_t offset_after, struct arena *a,           \
		struct store_queued **ret, size_t *ret_n, uint64_t *ret_last, struct err *err),    \
	    (s, pool, offset_after, a, ret, ret_n, ret_last, err))                                 \
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
	X(event_publish,                                                                           \
	    (struct store * s, const struct store_lease *lease, uint32_t limit, size_t *ret_n,     \
		struct err *err),                                                                  \
	    (s, lease, limit, ret_n, err))                                                         \
	X(event_list,                                                                              \
	    (struct store * s, const struct store_event_query *q, struct arena *a,                 \
		struct store_event **ret, size_t *ret_n, bool *ret_gap, struct err *err),          \
	    (s, q, a, ret, ret_n, ret_gap, err))                                                   \
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
