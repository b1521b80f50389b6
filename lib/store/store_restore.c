#include "store_restore.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <stdlib.h>

#include "arena.h"
#include "err.h"
#include "store.h"

const char store_restore_before[] =
    "DO $$ BEGIN"
    " IF EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()"
    "   AND application_name ~ '^fairlead-(hub|scheduler)/') THEN"
    "  RAISE EXCEPTION 'hubs or schedulers are connected: stop them first';"
    " END IF; END $$";

/* Leases too: a former leader must not meet its own epoch again.  Who was silent in the copy may be
 * back, and who had not accepted may have: both get their time anew.
 *
 * An executor without a command row may have got one in the history that is lost, so it may run
 * somewhere: it is CANCELLED, and the next attempt takes its place under an id of its own (the
 * bytes are those of id_new: milliseconds, version 7, chance). */
static const char after[] =
    "RESET search_path;" /* a dump's script empties it */
    "DO $$ BEGIN"
    " IF (SELECT max(version) FROM schema_migration) <> %d THEN"
    "  RAISE EXCEPTION 'the backup has schema version %%, this program needs %d: restore with the"
    " version that made it, then migrate', (SELECT max(version) FROM schema_migration);"
    " END IF; END $$;"
    "UPDATE cell SET cell_term = greatest(cell_term + 1, %" PRIu64 ");"
    "UPDATE lease SET epoch = term_floor() + 1, expires_at = clock_timestamp();"
    "UPDATE host SET epoch = term_floor() + 1, host_seq = term_floor(),"
    " suspect_since = CASE WHEN suspect_since IS NULL THEN NULL ELSE clock_timestamp() END,"
    " verdict_at = NULL, verdict_held_at = NULL, verdict_by = '';"
    "UPDATE command c SET deadline_at = clock_timestamp() + (c.deadline_at - c.created_at)"
    " FROM executor e WHERE e.executor_id = c.executor_id AND e.generation = c.generation"
    " AND e.accepted_generation < c.generation AND e.rank < 90 AND c.outcome IS NULL"
    " AND c.deadline_at IS NOT NULL;"
    "WITH u AS (UPDATE executor SET state = 96, rank = 90, prev_state = state, prev_rank = rank,"
    "   desired = 3, reason = 'restored', detail = 'may have been sent in the history that is "
    "lost',"
    "   ended_at = clock_timestamp(), gone_at = clock_timestamp()"
    "   WHERE rank < 40 AND generation = 0"
    "   RETURNING executor_id, session_id, pool_id, idx, attempt, prev_state),"
    "q AS (DELETE FROM placement_queue USING u WHERE placement_queue.executor_id = u.executor_id),"
    "n AS MATERIALIZED (SELECT u.*, s.name, s.priority, s.template_revision,"
    "   encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) PLACING substring(int8send("
    "   (extract(epoch FROM clock_timestamp()) * 1000)::int8) FROM 3) FROM 1 FOR 6), 52, 1), 53, "
    "1),"
    "   'hex')::uuid AS new_id FROM u JOIN session s USING (session_id)"
    "   WHERE s.state = 1 AND u.idx < s.replicas),"
    "i AS (INSERT INTO executor (executor_id, session_id, revision, pool_id, idx, attempt, rank,"
    "   state) SELECT new_id, session_id, template_revision, pool_id, idx, attempt + 1, 10, 10"
    "   FROM n),"
    "p AS (INSERT INTO placement_queue (executor_id, pool_id, priority)"
    "   SELECT new_id, pool_id, priority FROM n ORDER BY executor_id),"
    "d AS (INSERT INTO session_delta (sessions, from_states, to_states)"
    "   SELECT array_agg(session_id), array_agg(prev_state), array_agg(96::int2) FROM u"
    "   HAVING count(*) > 0"
    "   UNION ALL SELECT array_agg(session_id), array_agg(0::int2), array_agg(10::int2) FROM n"
    "   HAVING count(*) > 0)"
    "INSERT INTO event_outbox (kind, executor_id) SELECT 'executor.cancelled', executor_id FROM u;"
    "INSERT INTO event_outbox (kind, text) SELECT 'cell.restored', 'term ' || cell_term FROM cell";

const char *
store_restore_after(struct arena *a, uint64_t term_min)
{
	return arena_printf(a, after, STORE_SCHEMA_VERSION, STORE_SCHEMA_VERSION, term_min);
}

int
store_tools_environment(const char *url, struct err *err)
{
	char *why = NULL;
	PQconninfoOption *options = PQconninfoParse(url, &why);
	int r = 0;

	if (!options) {
		r = err_field(err, ERR_INVALID, "database_url", "%s", why ? why : "no memory");
		PQfreemem(why);
		return r;
	}
	for (const PQconninfoOption *o = options; o->keyword && r == 0; o++) {
		if (o->envvar && o->val && setenv(o->envvar, o->val, 1) != 0)
			r = err_set(err, ERR_INTERNAL, "no memory for the environment");
	}
	PQconninfoFree(options);
	return r;
}
