/* pg_digest: the control plane's side of K19, from the hosts' books. */
#include "arena.h"
#include "err.h"
#include "pg.h"

int
pg_store_host_digests(
    struct store *s, const char *const *host_ids, size_t n, struct digest *ret, struct err *err)
{
	static const struct pg_statement members = {"host_digests",
	    "SELECT u.ord, e.executor_id, e.accepted_generation, e.incarnation, e.rank"
	    " FROM unnest($1::text[]) WITH ORDINALITY AS u(id, ord)"
	    " JOIN host_executor x ON x.host_id = u.id JOIN executor e USING (executor_id)"
	    " WHERE e.accepted_generation > 0 AND e.gone_generation < e.generation"};
	CLEANUP(arena_free) struct arena *a = arena_new(0);
	CLEANUP(PQclear) PGresult *r = NULL;
	struct pg_array ids;
	struct pg_params p;

	if (!a)
		return pg_no_room(err);
	pg_params_init(&p, a);
	pg_array_begin(&ids, &p, PG_TEXT, n);
	for (size_t i = 0; i < n; i++)
		pg_put_text(&ids, host_ids[i]);
	pg_array_end(&ids);
	if (pg_run(pg_of(s), &members, &p, &r, err) != 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		ret[i] = (struct digest){0, 0};
	for (int i = 0; i < PQntuples(r); i++) {
		struct id id = pg_id(r, i, 1);

		digest_add(&ret[pg_int(r, i, 0) - 1], &id, (uint64_t)pg_int(r, i, 2),
		    (uint32_t)pg_int(r, i, 3), (int)pg_int(r, i, 4));
	}
	return 0;
}
