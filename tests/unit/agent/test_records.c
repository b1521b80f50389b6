/* One contract, two journals: SQLite and memory. */
#include "records.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "err.h"
#include "test.h"

struct fixture {
	bool sqlite;
	char dir[64];
	struct records *records;
};

static void
open_records(struct fixture *f)
{
	char moved[RECORDS_PATH_BYTES];
	struct err err;

	assert_int_equal(records_sqlite_open(f->dir, &f->records, moved, &err), 0);
	assert_string_equal(moved, "");
}

static int
setup(void **state, bool sqlite)
{
	static struct fixture fixture;
	struct fixture *f = &fixture;

	memset(f, 0, sizeof(*f));
	f->sqlite = sqlite;
	snprintf(f->dir, sizeof(f->dir), "/tmp/fl-records-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	if (sqlite)
		open_records(f);
	else
		f->records = records_memory_new();
	assert_non_null(f->records);
	*state = f;
	return 0;
}

static int
setup_sqlite(void **state)
{
	return setup(state, true);
}

static int
setup_memory(void **state)
{
	return setup(state, false);
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	records_free(f->records);
	snprintf(command, sizeof(command), "rm -rf %s", f->dir);
	return system(command);
}

/* What survives a restart of the agent: for memory, the object itself. */
static void
reopen(struct fixture *f)
{
	if (!f->sqlite)
		return;
	records_free(f->records);
	f->records = NULL;
	open_records(f);
}

struct loaded {
	struct records_meta meta;
	struct record rows[8];
	size_t n;
};

static int
keep(void *arg, const struct record *record)
{
	struct loaded *l = arg;

	assert_true(l->n < COUNT_OF(l->rows));
	l->rows[l->n++] = *record;
	return 0;
}

static void
load(struct fixture *f, struct loaded *l)
{
	struct err err;

	memset(l, 0, sizeof(*l));
	assert_int_equal(records_load(f->records, &l->meta, keep, l, &err), 0);
}

static struct record
sample(unsigned n)
{
	struct record r;

	memset(&r, 0, sizeof(r)); /* padding too: compared as bytes */
	r.executor_id = id_from_parts(5, n);
	snprintf(r.name, sizeof(r.name), "web/%u", n);
	snprintf(r.driver, sizeof(r.driver), "process");
	r.attempt = 3;
	r.stop_grace_ms = 4000000000u;
	r.reserved = (struct resources){100, INT64_MAX, 5, 6, 7};
	r.desired = DESIRED_STOP;
	r.accepted_generation = (UINT64_C(9) << 40) | n;
	r.gone_generation = (UINT64_C(9) << 40) | 1;
	r.absent_seq = RECORD_SEQ_UNKNOWN;
	r.state = EXECUTOR_STOPPING;
	r.incarnation = 2;
	r.started = true;
	r.oom = true;
	r.exit_code = -1;
	r.signal = 9;
	snprintf(r.reason, sizeof(r.reason), "lost");
	snprintf(r.detail, sizeof(r.detail), "it's \"gone\"");
	r.at_us = 11;
	r.accepted_at_us = 12;
	r.starting_after_us = 13;
	r.running_after_us = 14;
	r.ended_after_us = 15;
	r.restart = (struct record_restart){RESTART_ALWAYS, 17, 18, 19, 4000000001u};
	r.stop_on_host_after_ms = 4000000002u;
	r.restarts = 4000000003u;
	r.restart_at_us = 20;
	r.running_at_us = 21;
	r.change_no = 16;
	r.acked_no = 10;
	return r;
}

static void
commit(struct fixture *f, const struct records_batch *batch)
{
	struct err err;

	assert_int_equal(records_commit(f->records, batch, &err), 0);
}

static void
a_new_journal_has_an_id_and_no_history(void **state)
{
	struct fixture *f = *state;
	struct loaded l;

	load(f, &l);
	assert_false(id_is_zero(&l.meta.journal_id));
	assert_int_equal(l.meta.start_no, 0);
	assert_int_equal(l.meta.contiguous_seq, 0);
	assert_int_equal(l.n, 0);
}

static void
a_committed_record_comes_back_whole(void **state)
{
	struct fixture *f = *state;
	struct record r = sample(1);
	struct records_put put = {&r, "spec\0bytes", 10};
	struct records_batch batch = {.puts = &put, .put_count = 1};
	struct loaded l;
	struct err err;
	void *spec = NULL;
	size_t size = 0;

	commit(f, &batch);
	reopen(f);
	load(f, &l);
	assert_int_equal(l.n, 1);
	assert_memory_equal(&l.rows[0], &r, sizeof(r));
	assert_int_equal(records_spec(f->records, &r.executor_id, &spec, &size, &err), 0);
	assert_int_equal(size, 10);
	assert_memory_equal(spec, "spec\0bytes", 10);
	free(spec);
}

static void
a_put_without_spec_keeps_the_stored_one(void **state)
{
	struct fixture *f = *state;
	struct record r = sample(1);
	struct records_put put = {&r, "spec", 4};
	struct records_batch batch = {.puts = &put, .put_count = 1};
	struct loaded l;
	struct err err;
	void *spec = NULL;
	size_t size = 0;

	commit(f, &batch);
	put.spec = NULL;
	r.state = EXECUTOR_STOPPED;
	commit(f, &batch);
	reopen(f);
	load(f, &l);
	assert_int_equal(l.n, 1);
	assert_int_equal(l.rows[0].state, EXECUTOR_STOPPED);
	assert_int_equal(records_spec(f->records, &r.executor_id, &spec, &size, &err), 0);
	assert_int_equal(size, 4);
	free(spec);
}

static void
a_record_without_spec_says_so(void **state)
{
	struct fixture *f = *state;
	struct record r = sample(1);
	struct records_put put = {&r, NULL, 0};
	struct records_batch batch = {.puts = &put, .put_count = 1};
	struct err err;
	void *spec = NULL;
	size_t size = 0;

	commit(f, &batch);
	assert_int_equal(records_spec(f->records, &r.executor_id, &spec, &size, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	r.executor_id = id_from_parts(9, 9);
	assert_int_equal(records_spec(f->records, &r.executor_id, &spec, &size, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
}

static void
deletes_happen_before_puts(void **state)
{
	struct fixture *f = *state;
	struct record a = sample(1), b = sample(2);
	struct records_put both[] = {{&a, "old", 3}, {&b, NULL, 0}};
	struct records_batch batch = {.puts = both, .put_count = 2};
	struct id deletes[] = {a.executor_id, b.executor_id};
	struct records_put again = {&a, NULL, 0};
	struct loaded l;
	struct err err;
	void *spec = NULL;
	size_t size = 0;

	commit(f, &batch);
	batch = (struct records_batch){
	    .puts = &again, .put_count = 1, .deletes = deletes, .delete_count = 2};
	commit(f, &batch);
	reopen(f);
	load(f, &l);
	assert_int_equal(l.n, 1);
	assert_memory_equal(&l.rows[0].executor_id, &a.executor_id, sizeof(struct id));
	assert_int_equal(records_spec(f->records, &a.executor_id, &spec, &size, &err), -1);
}

static void
counters_and_waiting_numbers_come_back(void **state)
{
	struct fixture *f = *state;
	struct loaded before, after;
	struct records_batch batch = {.meta = &before.meta};

	load(f, &before);
	before.meta.start_no = 4;
	before.meta.hello_no = 5;
	before.meta.contiguous_seq = (UINT64_C(3) << 40) | 6;
	before.meta.change_no = 7;
	snprintf(before.meta.boot_id, sizeof(before.meta.boot_id), "boot/1");
	before.meta.pending_count = RECORDS_PENDING_MAX;
	for (size_t i = 0; i < RECORDS_PENDING_MAX; i++)
		before.meta.pending[i] = before.meta.contiguous_seq + 2 + 2 * i;
	commit(f, &batch);
	reopen(f);
	load(f, &after);
	assert_memory_equal(&after.meta, &before.meta, sizeof(after.meta));
	before.meta.pending_count = 1;
	memset(before.meta.pending + 1, 0, sizeof(before.meta.pending) - sizeof(uint64_t));
	commit(f, &batch);
	reopen(f);
	load(f, &after);
	assert_int_equal(after.meta.pending_count, 1);
	assert_int_equal(after.meta.pending[0], before.meta.pending[0]);
}

/* ---- SQLite only ---- */

static void
damage(struct fixture *f, off_t at, const char *bytes, size_t n)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/records.db", f->dir);
	fd = open(path, O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, n, at), n);
	close(fd);
}

static void
expect_moved_aside(struct fixture *f, const struct id *old_journal)
{
	char moved[RECORDS_PATH_BYTES];
	struct loaded l;
	struct stat st;
	struct err err;

	assert_int_equal(records_sqlite_open(f->dir, &f->records, moved, &err), 0);
	assert_string_not_equal(moved, "");
	assert_int_equal(stat(moved, &st), 0); /* kept */
	load(f, &l);
	assert_false(id_equal(&l.meta.journal_id, old_journal));
	assert_int_equal(l.n, 0);
}

static struct id
fill_and_close(struct fixture *f)
{
	struct record r = sample(1);
	struct records_put put = {&r, "spec", 4};
	struct records_batch batch = {.puts = &put, .put_count = 1};
	struct loaded l;

	commit(f, &batch);
	load(f, &l);
	records_free(f->records);
	f->records = NULL;
	return l.meta.journal_id;
}

static void
a_file_that_is_no_database_is_moved_aside_and_kept(void **state)
{
	struct fixture *f = *state;
	struct id journal_id = fill_and_close(f);

	damage(f, 0, "this is no database at all", 26);
	expect_moved_aside(f, &journal_id);
}

static void
a_damaged_page_is_found_at_open(void **state)
{
	struct fixture *f = *state;
	struct id journal_id = fill_and_close(f);
	char garbage[3000];

	memset(garbage, 0xa5, sizeof(garbage));
	damage(f, 4096, garbage, sizeof(garbage));
	damage(f, 2 * 4096, garbage, sizeof(garbage));
	expect_moved_aside(f, &journal_id);
}

static void
a_database_of_a_newer_agent_is_refused_and_left_alone(void **state)
{
	struct fixture *f = *state;
	char path[128], moved[RECORDS_PATH_BYTES];
	sqlite3 *db = NULL;
	struct err err;

	(void)fill_and_close(f);
	snprintf(path, sizeof(path), "%s/records.db", f->dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	assert_int_equal(records_sqlite_open(f->dir, &f->records, moved, &err), -1);
	assert_int_equal(err.kind, ERR_INVALID);
	assert_non_null(strstr(err.text, "99"));
}

/* What later versions added to a journal. */
static const char to_version_1[] = "ALTER TABLE record DROP COLUMN restart_mode;"
				   "ALTER TABLE record DROP COLUMN restart_max;"
				   "ALTER TABLE record DROP COLUMN backoff_ms;"
				   "ALTER TABLE record DROP COLUMN backoff_max_ms;"
				   "ALTER TABLE record DROP COLUMN reset_after_ms;"
				   "ALTER TABLE record DROP COLUMN stop_on_host_after_ms;"
				   "ALTER TABLE record DROP COLUMN restarts;"
				   "ALTER TABLE record DROP COLUMN restart_at_us;"
				   "ALTER TABLE record DROP COLUMN running_at_us;"
				   "ALTER TABLE journal DROP COLUMN contact_us;"
				   "PRAGMA user_version = 1";

static void
a_database_of_an_older_agent_is_brought_up_to_date_with_its_history(void **state)
{
	struct fixture *f = *state;
	struct record r = sample(1);
	struct records_put put = {&r, "spec", 4};
	struct records_batch batch = {.puts = &put, .put_count = 1};
	struct loaded before, after;
	sqlite3 *db = NULL;
	char path[128];

	commit(f, &batch);
	load(f, &before);
	records_free(f->records);
	f->records = NULL;
	snprintf(path, sizeof(path), "%s/records.db", f->dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, to_version_1, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	open_records(f);
	load(f, &after);
	assert_true(id_equal(&before.meta.journal_id, &after.meta.journal_id));
	assert_int_equal(after.n, 1);
	assert_int_equal(after.rows[0].change_no, r.change_no);
	assert_string_equal(after.rows[0].detail, r.detail);
	assert_int_equal(after.rows[0].restart.mode, RESTART_NEVER);
	assert_int_equal(after.rows[0].stop_on_host_after_ms, 0);
	commit(f, &batch);
	reopen(f);
	load(f, &after);
	assert_int_equal(after.rows[0].restarts, r.restarts);
}

static void
people_can_read_it_with_sqlite3(void **state)
{
	struct fixture *f = *state;
	struct record r = sample(1);
	struct records_put put = {&r, NULL, 0};
	struct records_batch batch = {.puts = &put, .put_count = 1};
	char path[128];
	sqlite3 *db = NULL;
	sqlite3_stmt *t = NULL;

	commit(f, &batch);
	snprintf(path, sizeof(path), "%s/records.db", f->dir); /* while the agent has it open */
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(
	    sqlite3_prepare_v2(db, "SELECT name, desired FROM executors", -1, &t, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(t), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(t, 0), "web/1");
	assert_string_equal((const char *)sqlite3_column_text(t, 1), "stop");
	sqlite3_finalize(t);
	sqlite3_close(db);
}

int
main(void)
{
#define BOTH(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, setup_sqlite, teardown),                             \
	    cmocka_unit_test_setup_teardown(name, setup_memory, teardown)
#define SQLITE(name) cmocka_unit_test_setup_teardown(name, setup_sqlite, teardown)
	const struct CMUnitTest tests[] = {
	    BOTH(a_new_journal_has_an_id_and_no_history),
	    BOTH(a_committed_record_comes_back_whole),
	    BOTH(a_put_without_spec_keeps_the_stored_one),
	    BOTH(a_record_without_spec_says_so),
	    BOTH(deletes_happen_before_puts),
	    BOTH(counters_and_waiting_numbers_come_back),
	    SQLITE(a_file_that_is_no_database_is_moved_aside_and_kept),
	    SQLITE(a_damaged_page_is_found_at_open),
	    SQLITE(a_database_of_a_newer_agent_is_refused_and_left_alone),
	    SQLITE(a_database_of_an_older_agent_is_brought_up_to_date_with_its_history),
	    SQLITE(people_can_read_it_with_sqlite3),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
