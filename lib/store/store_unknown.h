/* store_unknown: executors that a host's newest hello names, the cell does not know, and an older
 * term began (K6).  A backup was put back over the history that started them: they run on, are
 * shown, and stop only when somebody says so. */
#ifndef STORE_UNKNOWN_H
#define STORE_UNKNOWN_H

/* A row goes when a hello of its host does not name it any more, or a report says that it is gone.
 * There are at most STORE_HOST_RECORDS_MAX per host: no hello names more. */
struct store_unknown {
	struct id executor_id;
	uint64_t generation; /* as the host said it */
	int64_t since_us, told_us;
	const char *told_by; /* "": nobody wants it stopped */
};
/* The first by id; store_host.unknown says how many there are.  A host that is not known has none.
 */
MUST_USE int store_unknown_list(struct store *s, const char *host_id, uint32_t limit,
    struct arena *a, struct store_unknown **ret, size_t *ret_n, struct err *err);
/* Marks those of a host that are not marked yet and raises its epoch, so that it says hello and is
 * answered ABSENT for each; an event says who.  *ret_n: how many are marked now; 0 when there are
 * none. Idempotent.  ERR_NOT_FOUND: there is no such host. */
MUST_USE int store_unknown_stop(
    struct store *s, const char *host_id, const char *who, size_t *ret_n, struct err *err);

#endif
