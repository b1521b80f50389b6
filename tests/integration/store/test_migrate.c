/* Migrations: applied once, checked for ever, by any number of starters. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "migrations.h"
#include "postgres_cell.h"
#include "postgres_server.h"

#define STARTERS 4

static struct postgres_server *server;

struct fixture {
	char *url;
	struct store *s;
	struct err err;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->url = strdup(postgres_server_empty(server));
	f->s = postgres_connect(f->url, NULL);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	store_free(f->s);
	free(f->url);
	free(f);
	return 0;
}

static unsigned
migrate(struct fixture *f)
{
	unsigned applied = 99;

	if (store_migrate(f->s, &applied, &f->err) != 0)
		fail_msg("%s", f->err.text);
	return applied;
}

static void
a_second_run_applies_nothing(void **state)
{
	struct fixture *f = *state;
	unsigned version = 0;

	assert_int_equal(migrate(f), migration_count);
	assert_int_equal(migrate(f), 0);
	assert_int_equal(store_schema_check(f->s, &version, &f->err), 0);
	assert_int_equal(version, STORE_SCHEMA_VERSION);
}

static void
the_newest_file_is_the_version_this_program_knows(void **state)
{
	(void)state;
	assert_int_equal(atoi(migrations[migration_count - 1].name), STORE_SCHEMA_VERSION);
	for (size_t i = 0; i < migration_count; i++)
		assert_int_equal(atoi(migrations[i].name), i + 1);
}

static void
a_file_that_was_changed_after_it_was_applied_is_refused(void **state)
{
	struct fixture *f = *state;
	unsigned applied;

	migrate(f);
	postgres_query(
	    f->url, "UPDATE schema_migration SET checksum = 'another' WHERE version = 1");
	assert_int_equal(store_migrate(f->s, &applied, &f->err), -1);
	assert_int_equal(f->err.kind, ERR_CONFLICT);
	assert_non_null(strstr(f->err.text, migrations[0].name));
}

static void
a_newer_schema_is_refused_naming_both_versions(void **state)
{
	struct fixture *f = *state;
	unsigned n;
	char known[32];

	migrate(f);
	postgres_query(f->url, "INSERT INTO schema_migration VALUES (900, '0900_later', '')");
	snprintf(known, sizeof(known), "%d", STORE_SCHEMA_VERSION);
	assert_int_equal(store_migrate(f->s, &n, &f->err), -1);
	assert_int_equal(f->err.kind, ERR_CONFLICT);
	assert_non_null(strstr(f->err.text, "900"));
	assert_non_null(strstr(f->err.text, known));
	assert_int_equal(store_schema_check(f->s, &n, &f->err), -1);
	assert_int_equal(f->err.kind, ERR_CONFLICT);
	assert_non_null(strstr(f->err.text, "900"));
}

static void
an_older_schema_is_refused_naming_both_versions(void **state)
{
	struct fixture *f = *state;
	unsigned n;

	migrate(f);
	postgres_query(f->url, "DELETE FROM schema_migration WHERE version > 1");
	assert_int_equal(store_schema_check(f->s, &n, &f->err), -1);
	assert_int_equal(f->err.kind, ERR_CONFLICT);
	assert_non_null(strstr(f->err.text, "version 1"));
}

/* A service connects as its role, which only a migration makes. */
static void
an_empty_database_is_refused_with_what_would_help(void **state)
{
	struct fixture *f = *state;
	const char *const roles[] = {NULL, "fairlead_hub", "no_such_role"};

	for (size_t i = 0; i < COUNT_OF(roles); i++) {
		struct store *s = postgres_connect(f->url, roles[i]);
		unsigned n;

		assert_int_equal(store_schema_check(s, &n, &f->err), -1);
		assert_int_equal(f->err.kind, ERR_CONFLICT);
		assert_non_null(strstr(f->err.hint, "admin migrate"));
		store_free(s);
	}
}

static void
a_failed_file_leaves_nothing_behind_and_can_be_repeated(void **state)
{
	struct fixture *f = *state;
	unsigned applied;

	postgres_query(f->url, "CREATE TABLE event_cursor (in_the_way int)");
	assert_int_equal(store_migrate(f->s, &applied, &f->err), -1);
	assert_non_null(strstr(f->err.text, migrations[0].name));
	assert_string_equal(postgres_query(f->url, "SELECT to_regclass('host') IS NULL"), "t");
	postgres_query(f->url, "DROP TABLE event_cursor");
	assert_int_equal(migrate(f), migration_count);
}

struct starter {
	const char *url;
	unsigned applied;
	struct err err;
	int r;
};

static void *
start(void *arg)
{
	struct starter *m = arg;
	struct store *s = postgres_connect(m->url, NULL);

	m->r = store_migrate(s, &m->applied, &m->err);
	store_free(s);
	return NULL;
}

static void
four_concurrent_starters_apply_every_file_once(void **state)
{
	struct fixture *f = *state;
	struct starter starters[STARTERS];
	pthread_t threads[STARTERS];
	unsigned applied = 0;

	for (int i = 0; i < STARTERS; i++) {
		starters[i] = (struct starter){.url = f->url};
		assert_int_equal(pthread_create(&threads[i], NULL, start, &starters[i]), 0);
	}
	for (int i = 0; i < STARTERS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < STARTERS; i++) {
		if (starters[i].r != 0)
			fail_msg("%s", starters[i].err.text);
		applied += starters[i].applied;
	}
	assert_int_equal(applied, migration_count);
}

static void
a_store_connects_again_after_the_server_came_back(void **state)
{
	struct fixture *f = *state;
	int64_t now;
	int tries;

	assert_int_equal(store_ping(f->s, &now, &f->err), 0);
	postgres_server_stop(server);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(store_ping(f->s, &now, &f->err), -1);
		assert_int_equal(f->err.kind, ERR_UNAVAILABLE);
	}
	assert_int_equal(postgres_server_start(server), 0);
	for (tries = 0; tries < 2 && store_ping(f->s, &now, &f->err) != 0; tries++)
		assert_int_equal(f->err.kind, ERR_UNAVAILABLE);
	assert_true(tries < 2);
	assert_int_equal(migrate(f), migration_count); /* prepared statements too */
}

static void
a_bad_url_is_refused_at_once(void **state)
{
	struct store_options o = {.url = "postgresql://h/db?no_such_option=1"};
	struct err err = {0};
	struct store *s;

	(void)state;
	assert_int_equal(store_pg_new(&o, &s, &err), -1);
	assert_int_equal(err.kind, ERR_INVALID);
	assert_string_equal(err.field, "database_url");
}

#define TEST_EMPTY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	/* The role test runs first: roles belong to the server, and the first migration makes them.
	 */
	const struct CMUnitTest tests[] = {
	    TEST_EMPTY(an_empty_database_is_refused_with_what_would_help),
	    TEST_EMPTY(a_second_run_applies_nothing),
	    cmocka_unit_test(the_newest_file_is_the_version_this_program_knows),
	    TEST_EMPTY(a_file_that_was_changed_after_it_was_applied_is_refused),
	    TEST_EMPTY(a_newer_schema_is_refused_naming_both_versions),
	    TEST_EMPTY(an_older_schema_is_refused_naming_both_versions),
	    TEST_EMPTY(a_failed_file_leaves_nothing_behind_and_can_be_repeated),
	    TEST_EMPTY(four_concurrent_starters_apply_every_file_once),
	    TEST_EMPTY(a_store_connects_again_after_the_server_came_back),
	    cmocka_unit_test(a_bad_url_is_refused_at_once),
	};
	int failed;

	server = postgres_server_new(NULL);
	failed = cmocka_run_group_tests_name("migrate", tests, NULL, NULL);
	postgres_server_free(server);
	return failed;
}
