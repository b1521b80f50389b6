/* What hubs do with sessions: create, get, list, close, stop one executor (E7, E8, E9, E12, E13).
 */
#include <pthread.h>
#include <string.h>

#include "contract_hub.h"

static void
a_created_session_is_whole_at_once_E12(void **state)
{
	struct rig *r = *state;
	struct store_session s = session_make(r, "web", 3);
	struct store_executor *rows;
	size_t n;

	assert_int_equal(s.state, SESSION_OPEN);
	assert_int_equal(s.revision, 1);
	assert_int_equal(s.replicas, 3);
	assert_int_equal(s.counters[EXECUTOR_QUEUED], 3);
	assert_string_equal(s.pool, "default");
	assert_string_equal(s.who, "tester");
	assert_true(s.created_us > 0);
	rows = executors_of(r, "web", &n);
	assert_int_equal(n, 3);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(rows[i].state, EXECUTOR_QUEUED);
		assert_int_equal(rows[i].index, i);
		assert_int_equal(rows[i].attempt, 1);
		assert_string_equal(rows[i].host_id, "");
		assert_true(rows[i].queued_us > 0);
		assert_int_equal(rows[i].placed_us, 0);
	}
	rows[0] = executor_of(r, "web", 0);
	assert_int_equal(rows[0].spec_size, 4);
	assert_memory_equal(rows[0].spec_body, "body", 4);
}

static void
a_session_may_have_no_executors(void **state)
{
	struct rig *r = *state;
	struct store_session s = session_make(r, "empty", 0);
	size_t n;

	assert_int_equal(s.counters[EXECUTOR_QUEUED], 0);
	executors_of(r, "empty", &n);
	assert_int_equal(n, 0);
}

static void
creating_an_existing_name_returns_the_one_that_is_there_E7(void **state)
{
	struct rig *r = *state;
	struct store_session first = session_make(r, "web", 2), second;
	struct store_session_new n = session_of(r, "web", 5);
	bool existed = false;

	OK(r, store_session_create(r->other, &n, r->a, &second, &existed, &r->err));
	assert_true(existed);
	assert_true(id_equal(&first.session_id, &second.session_id));
	assert_int_equal(second.replicas, 2);
	assert_int_equal(second.counters[EXECUTOR_QUEUED], 2);
}

struct creator {
	struct store *s;
	struct store_session_new n;
	struct store_session ret;
	struct arena *a;
	struct err err;
	bool existed;
	int r;
};

static void *
create_in_thread(void *arg)
{
	struct creator *c = arg;

	c->r = store_session_create(c->s, &c->n, c->a, &c->ret, &c->existed, &c->err);
	return NULL;
}

/* Both at once, on connections of their own. */
static void
create_twice(
    struct rig *r, struct creator c[2], struct store_session_new a, struct store_session_new b)
{
	pthread_t threads[2];

	c[0] = (struct creator){.s = r->s, .n = a, .a = arena_new(0)};
	c[1] = (struct creator){.s = r->other, .n = b, .a = arena_new(0)};
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, create_in_thread, &c[i]), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 2; i++) {
		if (c[i].r != 0)
			fail_msg("%s", c[i].err.text);
	}
}

static void
two_concurrent_creates_make_one_session_E7(void **state)
{
	struct rig *r = *state;

	for (unsigned i = 0; i < 20; i++) {
		char *name = arena_printf(r->a, "web-%u", i);
		struct creator c[2];
		size_t n;

		create_twice(r, c, session_of(r, name, 4), session_of(r, name, 4));
		assert_int_equal(c[0].existed + c[1].existed, 1);
		assert_true(id_equal(&c[0].ret.session_id, &c[1].ret.session_id));
		executors_of(r, name, &n);
		assert_int_equal(n, 4);
		arena_free(c[0].a);
		arena_free(c[1].a);
	}
}

static void
a_key_returns_the_first_answer_whatever_is_asked_later_E8(void **state)
{
	struct rig *r = *state;
	struct store_session_new n = session_of(r, "web", 2), again = session_of(r, "other", 7);
	struct store_session first, second;
	bool existed;

	n.key = again.key = "key-1";
	OK(r, store_session_create(r->s, &n, r->a, &first, &existed, &r->err));
	assert_false(existed);
	OK(r, store_session_create(r->other, &again, r->a, &second, &existed, &r->err));
	assert_true(existed);
	assert_true(id_equal(&first.session_id, &second.session_id));
	FAILS(r, ERR_NOT_FOUND, store_session_get(r->s, "other", r->a, &second, &r->err));
}

/* A new key on a taken name is no repetition: the caller compares, as without a key. */
static void
a_create_says_whether_its_key_or_its_name_was_known_E7_E8(void **state)
{
	struct rig *r = *state;
	struct store_session_new n = session_of(r, "web", 2), renamed = session_of(r, "other", 1);
	struct store_session s;
	bool existed;

	n.key = "key-1";
	OK(r, store_session_create(r->s, &n, r->a, &s, &existed, &r->err));
	assert_false(existed);
	assert_false(s.by_key);
	OK(r, store_session_create(r->s, &n, r->a, &s, &existed, &r->err));
	assert_true(existed);
	assert_true(s.by_key);
	n.key = "key-2";
	OK(r, store_session_create(r->s, &n, r->a, &s, &existed, &r->err));
	assert_true(existed);
	assert_false(s.by_key);
	/* key-2 made nothing, so it is still free for what it does make. */
	renamed.key = "key-2";
	OK(r, store_session_create(r->s, &renamed, r->a, &s, &existed, &r->err));
	assert_false(existed);
	assert_string_equal(s.name, "other");
}

static void
what_was_declared_is_found_by_key_or_by_name_without_declaring_E7_E8(void **state)
{
	struct rig *r = *state;
	struct store_session_new n = session_of(r, "web", 2);
	struct store_session first, s;
	bool existed, found = true;

	OK(r, store_session_declared(r->s, "web", "key-1", r->a, &s, &found, &r->err));
	assert_false(found);
	n.key = "key-1";
	OK(r, store_session_create(r->s, &n, r->a, &first, &existed, &r->err));
	OK(r, store_session_declared(r->s, "other", "key-1", r->a, &s, &found, &r->err));
	assert_true(found && s.by_key);
	assert_true(id_equal(&first.session_id, &s.session_id));
	OK(r, store_session_declared(r->s, "web", "key-2", r->a, &s, &found, &r->err));
	assert_true(found && !s.by_key);
	OK(r, store_session_declared(r->s, "other", "key-2", r->a, &s, &found, &r->err));
	assert_false(found);
	OK(r, store_session_declared(r->s, "other", NULL, r->a, &s, &found, &r->err));
	assert_false(found);
}

static void
two_concurrent_creates_with_one_key_make_one_session_E8(void **state)
{
	struct rig *r = *state;

	for (unsigned i = 0; i < 20; i++) {
		struct store_session_new a = session_of(r, arena_printf(r->a, "a-%u", i), 1);
		struct store_session_new b = session_of(r, arena_printf(r->a, "b-%u", i), 1);
		struct creator c[2];

		a.key = b.key = arena_printf(r->a, "key-%u", i);
		create_twice(r, c, a, b);
		assert_int_equal(c[0].existed + c[1].existed, 1);
		assert_true(id_equal(&c[0].ret.session_id, &c[1].ret.session_id));
		arena_free(c[0].a);
		arena_free(c[1].a);
	}
}

static void
a_pool_exists_when_a_session_names_it(void **state)
{
	struct rig *r = *state;
	struct store_session_new n = session_of(r, "web", 1);
	struct store_session s, *rows;
	size_t count;
	bool existed;

	n.pool = "gold";
	OK(r, store_session_create(r->s, &n, r->a, &s, &existed, &r->err));
	assert_string_equal(s.pool, "gold");
	OK(r, store_session_list(r->s, "gold", false, "", 10, r->a, &rows, &count, &r->err));
	assert_int_equal(count, 1);
	OK(r, store_session_list(r->s, "default", false, "", 10, r->a, &rows, &count, &r->err));
	assert_int_equal(count, 0);
}

static void
sessions_are_listed_by_name_in_pages(void **state)
{
	struct rig *r = *state;
	const char *names[] = {"b", "d", "a", "c"};
	struct store_session *rows;
	size_t n;

	for (size_t i = 0; i < COUNT_OF(names); i++)
		session_make(r, names[i], 1);
	OK(r, store_session_list(r->s, NULL, false, "", 2, r->a, &rows, &n, &r->err));
	assert_int_equal(n, 2);
	assert_string_equal(rows[0].name, "a");
	assert_string_equal(rows[1].name, "b");
	OK(r, store_session_list(r->s, NULL, false, "b", 5, r->a, &rows, &n, &r->err));
	assert_int_equal(n, 2);
	assert_string_equal(rows[0].name, "c");
	assert_string_equal(rows[1].name, "d");
}

static void
closing_twice_is_closing_once_E9(void **state)
{
	struct rig *r = *state;
	struct store_session s;
	char *before;

	session_make(r, "web", 1);
	OK(r, store_session_close(r->s, "web", 0, false, "me", r->a, &s, &r->err));
	assert_int_equal(s.state, SESSION_CLOSING);
	assert_int_equal(s.revision, 2);
	before = dump(r);
	OK(r, store_session_close(r->other, "web", 0, false, "me", r->a, &s, &r->err));
	assert_int_equal(s.revision, 2);
	assert_string_equal(before, dump(r));
	FAILS(
	    r, ERR_NOT_FOUND, store_session_close(r->s, "none", 0, false, "me", r->a, &s, &r->err));
}

static void
closing_a_stale_revision_is_a_conflict_and_changes_nothing_E13(void **state)
{
	struct rig *r = *state;
	struct store_session s;
	char *before;

	session_make(r, "web", 1);
	before = dump(r);
	FAILS(r, ERR_CONFLICT, store_session_close(r->s, "web", 7, false, "me", r->a, &s, &r->err));
	assert_string_equal(r->err.field, "revision");
	assert_string_equal(before, dump(r));
	OK(r, store_session_close(r->s, "web", 1, false, "me", r->a, &s, &r->err));
	assert_int_equal(s.state, SESSION_CLOSING);
}

static void
an_unknown_executor_is_not_found(void **state)
{
	struct rig *r = *state;
	struct id id = id_new();
	struct store_executor e;

	session_make(r, "web", 1);
	FAILS(r, ERR_NOT_FOUND, store_executor_get(r->s, &id, r->a, &e, &r->err));
	FAILS(r, ERR_NOT_FOUND, store_executor_find(r->s, "web", 1, 0, r->a, &e, &r->err));
	FAILS(r, ERR_NOT_FOUND, store_executor_find(r->s, "web", 0, 2, r->a, &e, &r->err));
	FAILS(r, ERR_NOT_FOUND, store_executor_stop(r->s, &id, false, "me", &r->err));
}

static void
stopping_an_executor_is_a_wish_and_may_be_repeated(void **state)
{
	struct rig *r = *state;
	struct store_executor e;
	char *before;

	session_make(r, "web", 1);
	e = executor_of(r, "web", 0);
	before = dump(r);
	OK(r, store_executor_stop(r->s, &e.executor_id, false, "me", &r->err));
	OK(r, store_executor_stop(r->other, &e.executor_id, false, "me", &r->err));
	assert_string_equal(before, dump(r));
}

static void
executors_are_listed_by_session_and_host_in_pages(void **state)
{
	struct rig *r = *state;
	struct store_executor_query q = {.session = "web", .limit = 2};
	struct store_hello h = host_make(r, "h1");
	struct store_executor *rows;
	struct id second;
	size_t n;

	session_make(r, "web", 3);
	session_make(r, "db", 1);
	OK(r, store_executor_list(r->s, &q, r->a, &rows, &n, &r->err));
	assert_int_equal(n, 2);
	second = rows[1].executor_id;
	q.after = second;
	OK(r, store_executor_list(r->s, &q, r->a, &rows, &n, &r->err));
	assert_int_equal(n, 1);
	assert_true(id_compare(&rows[0].executor_id, &second) > 0);
	q = (struct store_executor_query){.host_id = "h1", .limit = 10};
	OK(r, store_executor_list(r->s, &q, r->a, &rows, &n, &r->err));
	assert_int_equal(n, 0);
	place_all(r, "h1");
	OK(r, store_executor_list(r->s, &q, r->a, &rows, &n, &r->err));
	assert_int_equal(n, 4);
	join_one(r, report_of(&rows[0], &h, EXECUTOR_SUCCEEDED));
	OK(r, store_executor_list(r->s, &q, r->a, &rows, &n, &r->err));
	assert_int_equal(n, 3);
	q = (struct store_executor_query){
	    .host_id = "h1", .session = "db", .limit = 10, .all = true};
	OK(r, store_executor_list(r->s, &q, r->a, &rows, &n, &r->err));
	assert_int_equal(n, 1);
}

static void
the_cell_counts_what_is_there(void **state)
{
	struct rig *r = *state;
	struct store_hello h = host_make(r, "h1");
	struct store_cell cell;
	struct store_executor e;

	session_make(r, "web", 3);
	place_all(r, "h1");
	session_make(r, "db", 2);
	e = executor_of(r, "web", 0);
	join_one(r, report_of(&e, &h, EXECUTOR_RUNNING));
	OK(r, store_cell_get(r->s, r->a, &cell, &r->err));
	assert_int_equal(cell.schema_version, STORE_SCHEMA_VERSION);
	assert_int_equal(cell.hosts[HOST_READY], 1);
	assert_int_equal(cell.hosts[HOST_LOST], 0);
	assert_int_equal(cell.sessions_open, 2);
	assert_int_equal(cell.queue_depth, 2);
	assert_int_equal(cell.outbox_unsent, 1);
	assert_int_equal(cell.executors[EXECUTOR_QUEUED], 2);
	assert_int_equal(cell.executors[EXECUTOR_PLACED], 2);
	assert_int_equal(cell.executors[EXECUTOR_RUNNING], 1);
	assert_int_equal(cell.lease_count, 1);
	assert_string_equal(cell.leases[0].holder, "contract");
}

const struct CMUnitTest contract_session_tests[] = {
    TEST(a_created_session_is_whole_at_once_E12),
    TEST(a_session_may_have_no_executors),
    TEST(creating_an_existing_name_returns_the_one_that_is_there_E7),
    TEST(two_concurrent_creates_make_one_session_E7),
    TEST(a_key_returns_the_first_answer_whatever_is_asked_later_E8),
    TEST(a_create_says_whether_its_key_or_its_name_was_known_E7_E8),
    TEST(what_was_declared_is_found_by_key_or_by_name_without_declaring_E7_E8),
    TEST(two_concurrent_creates_with_one_key_make_one_session_E8),
    TEST(a_pool_exists_when_a_session_names_it),
    TEST(sessions_are_listed_by_name_in_pages),
    TEST(closing_twice_is_closing_once_E9),
    TEST(closing_a_stale_revision_is_a_conflict_and_changes_nothing_E13),
    TEST(an_unknown_executor_is_not_found),
    TEST(stopping_an_executor_is_a_wish_and_may_be_repeated),
    TEST(executors_are_listed_by_session_and_host_in_pages),
    TEST(the_cell_counts_what_is_there),
};
const size_t contract_session_count = COUNT_OF(contract_session_tests);
