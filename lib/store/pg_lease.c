/* pg_lease: leadership by row, in database time only (K26). */
#include <string.h>

#include "arena.h"
#include "err.h"
#include "pg.h"
#include "pg_lease.h"

/* Renewal touches expires_at only, so it never waits for work fenced with FOR KEY SHARE; a
 * take-over changes epoch, which is part of a unique key, and so waits for such work to commit or
 * end. */
static const struct pg_statement renew = {"lease_renew",
    "UPDATE lease SET expires_at = clock_timestamp() + $3 * interval '1 millisecond'"
    " WHERE name = $1 AND epoch = $2 AND expires_at > clock_timestamp() RETURNING epoch"};
static const struct pg_statement take = {"lease_take",
    "INSERT INTO lease (name, holder, epoch, expires_at)"
    " VALUES ($1, $2, 1, clock_timestamp() + $3 * interval '1 millisecond')"
    " ON CONFLICT (name) DO UPDATE SET holder = $2, epoch = lease.epoch + 1,"
    "   taken_at = clock_timestamp(),"
    "   expires_at = clock_timestamp() + $3 * interval '1 millisecond'"
    " WHERE lease.expires_at <= clock_timestamp() RETURNING epoch"};

static int
lease_run(struct pg *pg, const struct pg_statement *st, struct pg_params *p, struct store_lease *l,
    struct err *err)
{
	CLEANUP(PQclear) PGresult *r = NULL;

	if (pg_run(pg, st, p, &r, err) != 0)
		return -1;
	l->epoch = PQntuples(r) > 0 ? (uint64_t)pg_int(r, 0, 0) : 0;
	return 0;
}

int
pg_store_lease_hold(
    struct store *s, struct store_lease *l, const char *holder, bool *ret_held, struct err *err)
{
	CLEANUP(arena_free) struct arena *a = arena_new(0);
	struct pg_params p;
	int r;

	if (!a)
		return pg_no_room(err);
	pg_params_init(&p, a);
	pg_add_text(&p, l->name);
	if (l->epoch) {
		pg_add_int8(&p, (int64_t)l->epoch);
		pg_add_int4(&p, STORE_LEASE_TTL_MS);
		r = lease_run(pg_of(s), &renew, &p, l, err);
	} else {
		pg_add_text(&p, holder);
		pg_add_int4(&p, STORE_LEASE_TTL_MS);
		r = lease_run(pg_of(s), &take, &p, l, err);
	}
	*ret_held = r == 0 && l->epoch != 0;
	return r;
}

int
pg_store_lease_release(struct store *s, struct store_lease *l, struct err *err)
{
	static const struct pg_statement release = {"lease_release",
	    "UPDATE lease SET expires_at = clock_timestamp() WHERE name = $1 AND epoch = $2"};
	CLEANUP(arena_free) struct arena *a = arena_new(0);
	struct pg_params p;
	uint64_t epoch = l->epoch;

	if (!a)
		return pg_no_room(err);
	l->epoch = 0;
	if (!epoch)
		return 0;
	pg_params_init(&p, a);
	pg_add_text(&p, l->name);
	pg_add_int8(&p, (int64_t)epoch);
	return pg_run(pg_of(s), &release, &p, NULL, err);
}

static const struct pg_statement fence = {
    "lease_fence", "SELECT 1 FROM lease WHERE name = $1 AND epoch = $2 FOR KEY SHARE"};

static void
fence_params(struct pg_params *p, const struct store_lease *l, struct arena *a)
{
	pg_params_init(p, a);
	pg_add_text(p, l->name);
	pg_add_int8(p, (int64_t)l->epoch);
}

static int
fence_check(const struct store_lease *l, const PGresult *r, struct err *err)
{
	if (PQntuples(r) == 0)
		return err_set(err, ERR_DENIED, "lease %s is held by another epoch than %llu",
		    l->name, (unsigned long long)l->epoch);
	return 0;
}

static int
begin_fenced(
    struct pg *pg, const struct store_lease *l, struct pg_step steps[2], size_t n, struct err *err)
{
	CLEANUP(arena_free) struct arena *a = arena_new(0);
	struct pg_params p;
	int r;

	if (!a)
		return pg_no_room(err);
	fence_params(&p, l, a);
	steps[0] = (struct pg_step){.statement = &fence, .params = &p};
	if (pg_begin_with(pg, steps, n, err) != 0)
		return -1;
	r = fence_check(l, steps[0].result, err);
	PQclear(TAKE(steps[0].result));
	if (r != 0)
		pg_rollback(pg);
	return r;
}

int
pg_begin_fenced(struct pg *pg, const struct store_lease *l, struct err *err)
{
	struct pg_step steps[2] = {0};

	return begin_fenced(pg, l, steps, 1, err);
}

int
pg_begin_fenced_with(struct pg *pg, const struct store_lease *l, const struct pg_statement *st,
    struct pg_params *p, PGresult **ret_result, struct err *err)
{
	struct pg_step steps[2] = {{0}, {.statement = st, .params = p}};

	if (begin_fenced(pg, l, steps, 2, err) == 0) {
		*ret_result = steps[1].result;
		return 0;
	}
	PQclear(steps[1].result);
	return -1;
}

int
pg_run_fenced(struct pg *pg, const struct store_lease *l, const struct pg_statement *st,
    struct pg_params *p, PGresult **ret_result, struct err *err)
{
	CLEANUP(PQclear) PGresult *r = NULL;

	if (pg_begin_fenced(pg, l, err) != 0)
		return -1;
	if (pg_run(pg, st, p, &r, err) != 0) {
		pg_rollback(pg);
		return -1;
	}
	if (pg_commit(pg, err) != 0)
		return -1;
	if (ret_result)
		*ret_result = TAKE(r);
	return 0;
}
