/* pg_verify: every invariant as a question to the rows (O5).  One row per invariant; each statement
 * answers (count of violations, one example). */
#include <string.h>

#include "arena.h"
#include "err.h"
#include "pg.h"

struct invariant {
	const char *name;
	struct pg_statement look;
};

#define LOOK(name, from_where, example)                                                            \
	{                                                                                          \
		(name),                                                                            \
		{                                                                                  \
			"verify_" name, "SELECT count(*), min(" example ") FROM " from_where       \
		}                                                                                  \
	}

static const struct invariant invariants[] = {
    LOOK("capacity_is_the_sum_of_reservations",
	"host_capacity c LEFT JOIN (SELECT host_id, sum(cpu_millis) cpu, sum(memory_bytes) memory,"
	" sum(disk_bytes) disk, sum(gpus) gpus, sum(slots) slots FROM host_executor WHERE reserved"
	" GROUP BY 1) x USING (host_id) WHERE (c.cpu_millis, c.memory_bytes, c.disk_bytes, c.gpus,"
	" c.slots) IS DISTINCT FROM (coalesce(x.cpu, 0), coalesce(x.memory, 0), coalesce(x.disk, "
	"0),"
	" coalesce(x.gpus, 0), coalesce(x.slots, 0))",
	"c.host_id"),
    LOOK("session_counters_equal_a_recount",
	"(SELECT session_id, state, sum(n) FROM (SELECT k.session_id, t.state, t.n FROM"
	" session_counter k, LATERAL (VALUES (10, k.queued), (20, k.placed), (40, k.accepted),"
	" (50, k.pulling), (60, k.starting), (70, k.running), (75, k.backoff), (80, k.stopping),"
	" (90, k.succeeded), (91, k.failed), (92, k.stopped), (93, k.rejected), (94, k.lost),"
	" (95, k.expired), (96, k.cancelled)) t(state, n)"
	" UNION ALL SELECT x.s, x.t, 1 FROM session_delta d, unnest(d.sessions, d.to_states) x(s, "
	"t)"
	"   JOIN session_counter k ON k.session_id = x.s"
	" UNION ALL SELECT x.s, x.f, -1 FROM session_delta d, unnest(d.sessions, d.from_states) "
	"x(s, f)"
	"   JOIN session_counter k ON k.session_id = x.s WHERE x.f > 0"
	" UNION ALL SELECT session_id, state, -count(*) FROM executor GROUP BY 1, 2) v"
	" GROUP BY 1, 2 HAVING sum(n) <> 0"
	/* Counters keep the totals of executors that retention has removed; edges of a session it
	 * removed wait for the fold that forgets them. */
	"   AND NOT (state >= 90 AND sum(n) > 0)) w",
	"w.session_id::text || ' state ' || w.state"),
    LOOK("rank_follows_state", "executor WHERE rank <> least(state, 90)", "executor_id::text"),
    LOOK("queued_executors_are_in_the_queue",
	"executor e WHERE e.state = 10 AND NOT EXISTS"
	" (SELECT 1 FROM placement_queue q WHERE q.executor_id = e.executor_id)",
	"e.executor_id::text"),
    LOOK("the_queue_holds_queued_executors",
	"placement_queue q LEFT JOIN executor e USING (executor_id)"
	" WHERE e.state IS DISTINCT FROM 10",
	"q.executor_id::text"),
    LOOK("a_placed_executor_has_a_command",
	"executor e WHERE e.generation > 0 AND NOT EXISTS (SELECT 1 FROM command c"
	" WHERE c.executor_id = e.executor_id AND c.generation = e.generation)",
	"e.executor_id::text"),
    LOOK("a_living_placed_executor_is_on_its_hosts_books",
	"executor e WHERE e.rank BETWEEN 20 AND 89 AND e.gone_generation < e.generation"
	" AND NOT EXISTS (SELECT 1 FROM host_executor x WHERE x.executor_id = e.executor_id"
	"   AND x.host_id = e.host_id AND x.reserved)",
	"e.executor_id::text"),
    LOOK("a_hosts_books_name_known_executors",
	"host_executor x LEFT JOIN executor e USING (executor_id)"
	" WHERE e.host_id IS DISTINCT FROM x.host_id",
	"x.executor_id::text"),
    LOOK("unknown_executors_are_of_an_older_term_and_on_nobodys_books",
	"host_unknown k LEFT JOIN executor e ON e.executor_id = k.executor_id"
	" AND e.host_id = k.host_id"
	" WHERE e.executor_id IS NOT NULL OR k.generation >= term_floor()",
	"k.executor_id::text"),
    LOOK("host_seq_covers_every_command",
	"command c JOIN host h USING (host_id) WHERE c.host_seq > h.host_seq",
	"c.executor_id::text"),
    /* After a restore hosts still tell of commands that only the lost history knew. */
    LOOK("accepted_never_exceeds_generation",
	"executor WHERE greatest(accepted_generation, gone_generation)"
	" > greatest(generation, (SELECT term_floor()))",
	"executor_id::text"),
    LOOK("one_living_attempt_per_index",
	/* But for an original that has a replacement beside it, and who was not kept and stops. */
	"(SELECT session_id, idx FROM executor e WHERE rank < 90 AND stopped_for <> 'keep'"
	" AND NOT EXISTS (SELECT 1 FROM relieved r WHERE r.executor_id = e.executor_id)"
	" GROUP BY 1, 2 HAVING count(*) > 1) x",
	"x.session_id::text || '/' || x.idx"),
    LOOK("an_ended_executor_is_told_to_be_forgotten",
	"executor e JOIN host_executor x USING (executor_id) JOIN host h ON h.host_id = x.host_id"
	" WHERE e.rank = 90 AND e.desired <> 3 AND h.state = 1"
	" AND e.ended_at < clock_timestamp() - interval '60 seconds'"
	" AND NOT EXISTS (SELECT 1 FROM executor_ended n WHERE n.executor_id = e.executor_id)",
	"e.executor_id::text"),
    LOOK("an_unaccepted_run_expires",
	"command c JOIN executor e ON e.executor_id = c.executor_id AND e.generation = c.generation"
	" WHERE c.desired = 1 AND c.outcome IS NULL AND e.rank < 90"
	" AND e.accepted_generation < c.generation"
	" AND c.deadline_at < clock_timestamp() - interval '60 seconds'",
	"c.executor_id::text"),
    LOOK("a_closed_session_has_no_living_executor",
	"session s JOIN executor e USING (session_id) WHERE s.state = 3 AND e.rank < 90", "s.name"),
    LOOK("events_are_numbered_without_holes",
	"(SELECT count(*) n, coalesce(max(cursor) - min(cursor) + 1, 0) m FROM event) x"
	" WHERE x.n <> x.m",
	"x.n::text || ' of ' || x.m"),
};

static int
look(struct pg *pg, const struct invariant *i, struct arena *a, struct store_violation *rows,
    size_t *n, struct err *err)
{
	CLEANUP(PQclear) PGresult *r = NULL;

	if (pg_run(pg, &i->look, NULL, &r, err) != 0)
		return err_wrap(err, "%s", i->name);
	if (pg_int(r, 0, 0) == 0)
		return 0;
	rows[*n] = (struct store_violation){
	    .invariant = i->name, .rows = (uint64_t)pg_int(r, 0, 0), .detail = pg_text(r, 0, 1, a)};
	(*n)++;
	return 0;
}

/* All questions are asked of one snapshot. */
static int
verify_all(
    struct pg *pg, struct arena *a, struct store_violation **ret, size_t *ret_n, struct err *err)
{
	struct store_violation *rows = arena_calloc(a, COUNT_OF(invariants) + 1, sizeof(*rows));
	size_t n = 0;

	if (!rows)
		return pg_no_room(err);
	if (pg_begin(pg, err) != 0)
		return -1;
	pg->patient = true;
	/* It reads every row there is: the bounds of a service's statements are not for it. */
	if (pg_simple(pg,
		"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;"
		"SET LOCAL statement_timeout = '60s'; SET LOCAL transaction_timeout = '300s'",
		err) != 0) {
		pg_rollback(pg);
		return -1;
	}
	for (size_t i = 0; i < COUNT_OF(invariants); i++) {
		if (look(pg, &invariants[i], a, rows, &n, err) != 0) {
			pg_rollback(pg);
			return -1;
		}
	}
	*ret = rows;
	*ret_n = n;
	return pg_commit(pg, err);
}

int
pg_store_verify(
    struct store *s, struct arena *a, struct store_violation **ret, size_t *ret_n, struct err *err)
{
	struct pg *pg = pg_of(s);
	int r = verify_all(pg, a, ret, ret_n, err);

	pg->patient = false;
	return r;
}
