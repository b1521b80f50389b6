#include "postgres_cell.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "migrated.h"
#include "postgres_server.h"

static struct postgres_server *server;

struct store *
postgres_connect(const char *url, const char *role)
{
	struct store_options o = {.url = url, .application = "contract", .role = role};
	struct err err = {0};
	struct store *s = NULL;

	if (store_pg_new(&o, &s, &err) != 0)
		fail_msg("%s", err.text);
	return s;
}

void
postgres_cells_start(void)
{
	server = postgres_server_new(migrated);
}

void
postgres_cells_stop(void)
{
	postgres_server_free(server);
	server = NULL;
}

static void *
cell_new(void)
{
	char *url = strdup(postgres_server_clone(server));

	assert_non_null(url);
	return url;
}

static struct store *
connect_as_hub(void *cell)
{
	return postgres_connect(cell, "fairlead_hub");
}

/* ---- behind the public functions ---- */

static void
executors_stand(void *cell, const struct id *ids, const enum executor_state *states, size_t n,
    uint32_t incarnation)
{
	char hex[ID_HEX_BYTES], *sql = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&sql, &size);

	assert_non_null(f);
	fprintf(f,
	    "UPDATE executor e SET state = v.s, rank = least(v.s, 90), incarnation = %u,"
	    " host_id = CASE WHEN v.s = 10 THEN NULL ELSE host_id END FROM (VALUES ",
	    incarnation);
	for (size_t i = 0; i < n; i++)
		fprintf(f, "%s('%s'::uuid, %d)", i > 0 ? ", " : "", id_to_hex(&ids[i], hex),
		    (int)states[i]);
	fputs(") v(id, s) WHERE e.executor_id = v.id", f);
	fclose(f);
	postgres_query(cell, sql);
	free(sql);
}

static void
host_stand(void *cell, const char *host_id, enum host_state state)
{
	char sql[256];

	snprintf(sql, sizeof(sql),
	    "UPDATE host SET state = %d, suspect_since = now() WHERE host_id = '%s'", (int)state,
	    host_id);
	postgres_query(cell, sql);
}

static void
avoided_age(void *cell, int64_t ms)
{
	char sql[128];

	snprintf(sql, sizeof(sql), "UPDATE avoided SET at = at - %lld * interval '1 millisecond'",
	    (long long)ms);
	postgres_query(cell, sql);
}

static void
hosts_age(void *cell, int64_t ms)
{
	char sql[200];

	snprintf(sql, sizeof(sql),
	    "UPDATE host SET suspect_since = suspect_since - %lld * interval '1 millisecond',"
	    " returned_at = returned_at - %lld * interval '1 millisecond'",
	    (long long)ms, (long long)ms);
	postgres_query(cell, sql);
}

static void
queue_age(void *cell, int64_t ms)
{
	char sql[120];

	snprintf(sql, sizeof(sql),
	    "UPDATE placement_queue SET not_before = not_before - %lld * interval '1 millisecond'",
	    (long long)ms);
	postgres_query(cell, sql);
}

static void
term_set(void *cell, uint64_t term)
{
	char sql[96];

	snprintf(sql, sizeof(sql), "UPDATE cell SET cell_term = %" PRIu64, term);
	postgres_query(cell, sql);
}

static void
label_set(void *cell, const char *host_id, const char *key, const char *value)
{
	char sql[256];

	snprintf(sql, sizeof(sql),
	    "UPDATE host SET operator_labels = operator_labels || jsonb_build_object('%s', '%s')"
	    " WHERE host_id = '%s'",
	    key, value, host_id);
	postgres_query(cell, sql);
}

static void
work_count(void *cell, size_t *ret_ended, size_t *ret_gone)
{
	*ret_ended = strtoul(postgres_query(cell, "SELECT count(*) FROM executor_ended"), NULL, 10);
	*ret_gone = strtoul(postgres_query(cell, "SELECT count(*) FROM executor_gone"), NULL, 10);
}

static char *
rows(void *cell)
{
	char *text = strdup(postgres_query(cell,
	    "SELECT concat((SELECT string_agg(e::text, E'\\n' ORDER BY executor_id) FROM executor "
	    "e),"
	    " (SELECT string_agg(d::text, E'\\n' ORDER BY delta_id) FROM session_delta d),"
	    " (SELECT string_agg(d::text, E'\\n' ORDER BY ended_id) FROM executor_ended d),"
	    " (SELECT string_agg(d::text, E'\\n' ORDER BY outbox_id) FROM event_outbox d))"));

	assert_non_null(text);
	return text;
}

static const struct {
	const char *invariant, *sql;
} plants[] = {
    {"capacity_is_the_sum_of_reservations", "UPDATE host_capacity SET slots = slots + 1"},
    {"session_counters_equal_a_recount", "UPDATE session_counter SET running = running + 1"},
    {"session_counters_equal_a_recount",
	"INSERT INTO session_delta (sessions, from_states, to_states)"
	" SELECT ARRAY[session_id], ARRAY[70::int2], ARRAY[80::int2] FROM session WHERE name = "
	"'web'"},
    {"queued_executors_are_in_the_queue", "DELETE FROM placement_queue"},
    {"the_queue_holds_queued_executors",
	"INSERT INTO placement_queue (executor_id, pool_id, priority)"
	" SELECT executor_id, pool_id, 0 FROM executor WHERE state = 70"},
    {"a_placed_executor_has_a_command",
	"DELETE FROM command c USING executor e WHERE c.executor_id = e.executor_id"
	" AND e.state = 70"},
    {"a_living_placed_executor_is_on_its_hosts_books",
	"DELETE FROM host_executor x USING executor e WHERE x.executor_id = e.executor_id"
	" AND e.state = 70"},
    {"a_hosts_books_name_known_executors",
	"INSERT INTO host_executor (host_id, executor_id, reserved, host_seq, cpu_millis,"
	" memory_bytes, disk_bytes, gpus, slots)"
	" VALUES ('h1', gen_random_uuid(), false, 0, 0, 0, 0, 0, 0)"},
    {"unknown_executors_are_of_an_older_term_and_on_nobodys_books",
	"INSERT INTO host_unknown (host_id, executor_id, generation)"
	" SELECT host_id, executor_id, -1 FROM executor WHERE state = 70"},
    {"unknown_executors_are_of_an_older_term_and_on_nobodys_books",
	"INSERT INTO host_unknown (host_id, executor_id, generation)"
	" VALUES ('h1', gen_random_uuid(), term_floor())"},
    {"host_seq_covers_every_command", "UPDATE host SET host_seq = host_seq - 1"},
    {"accepted_never_exceeds_generation",
	"UPDATE executor SET accepted_generation = generation + 1 WHERE state = 70"},
    {"one_living_attempt_per_index",
	"INSERT INTO executor (executor_id, session_id, revision, pool_id, idx, attempt, rank,"
	" state) SELECT gen_random_uuid(), session_id, 1, pool_id, idx, 2, 10, 10 FROM executor"
	" WHERE state = 70"},
    {"an_ended_executor_is_told_to_be_forgotten",
	"UPDATE executor SET desired = 1, ended_at = ended_at - interval '61 s' WHERE rank = 90"},
    {"an_unaccepted_run_expires",
	"UPDATE command SET deadline_at = clock_timestamp() - interval '61 s'"},
    {"a_closed_session_has_no_living_executor", "UPDATE session SET state = 3 WHERE name = 'web'"},
    {"events_are_numbered_without_holes", "DELETE FROM event WHERE cursor = 2"},
    {"rank_follows_state",
	"ALTER TABLE executor DROP CONSTRAINT executor_check; UPDATE executor SET rank = 60"
	" WHERE state = 70"},
};

static const char *
corrupt(void *cell, size_t i)
{
	if (i >= COUNT_OF(plants))
		return NULL;
	postgres_query(cell, plants[i].sql);
	return plants[i].invariant;
}

const struct store_factory postgres_factory = {.name = "postgres",
    .cell_new = cell_new,
    .connect = connect_as_hub,
    .cell_free = free,
    .executors_stand = executors_stand,
    .host_stand = host_stand,
    .term_set = term_set,
    .label_set = label_set,
    .avoided_age = avoided_age,
    .hosts_age = hosts_age,
    .queue_age = queue_age,
    .work_count = work_count,
    .rows = rows,
    .corrupt = corrupt};

const char *
cell_query(const struct rig *r, const char *sql)
{
	return postgres_query(r->cell, sql);
}
