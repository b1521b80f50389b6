/* Lists of targets: what statements that choose executors answer, and statements about them ask. */
#include "arena.h"
#include "err.h"
#include "pg_command.h"

int
pg_targets_read(const PGresult *r, const struct pg_target *order, struct arena *a,
    struct pg_target **ret, size_t *ret_n, struct err *err)
{
	size_t n = (size_t)PQntuples(r);
	bool full = PQnfields(r) >= 4;
	struct pg_target *targets = arena_calloc(a, n + 1, sizeof(*targets));

	if (!targets)
		return pg_no_room(err);
	for (size_t i = 0; i < n; i++) {
		targets[i] = *order;
		targets[i].executor_id = pg_id(r, (int)i, 0);
		targets[i].host_id = pg_text(r, (int)i, 1, a);
		if (!targets[i].host_id)
			return pg_no_room(err);
		if (!full)
			continue;
		targets[i].stop_grace_ms = (uint32_t)pg_int(r, (int)i, 2);
		targets[i].generation = (uint64_t)pg_int(r, (int)i, 3);
	}
	*ret = targets;
	*ret_n = n;
	return 0;
}

void
pg_targets_add_ids(struct pg_params *p, const struct pg_target *targets, size_t n)
{
	struct pg_array array;

	pg_array_begin(&array, p, PG_UUID, n);
	for (size_t i = 0; i < n; i++)
		pg_put_uuid(&array, &targets[i].executor_id);
	pg_array_end(&array);
}

void
pg_targets_keep(struct pg_target *targets, size_t *n, const PGresult *r)
{
	size_t kept = 0;

	for (size_t i = 0; i < *n && kept < (size_t)PQntuples(r); i++) {
		struct id id = pg_id(r, (int)kept, 0);

		if (id_equal(&targets[i].executor_id, &id))
			targets[kept++] = targets[i];
	}
	*n = kept;
}
