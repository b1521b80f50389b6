/* Reservations against capacity, watched while two schedulers place, sessions come and go, and the
 * leader is stopped in the middle of it. */
#include <signal.h>
#include <stdio.h>

#include "rig.h"

#define LEADER "SELECT count(*) FROM lease WHERE name = 'scheduler-default' AND holder = 's0'"
#define RUNNING "SELECT count(*) FROM executor WHERE state = 70"

enum { HOSTS = 8, PER_HOST = 20, SESSIONS = 20, PER_SESSION = 10 };

/* A witness in the database itself: at every commit that touches a reservation it compares the sum
 * of its host with what the host said it has, in every dimension. */
static const char *const witness[] = {
    "CREATE TABLE witness (host_id text, exceeded boolean)",
    ("CREATE FUNCTION witness_look() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN"
     " INSERT INTO public.witness SELECT h.host_id, coalesce(u.cpu > h.cpu_millis OR u.memory >"
     " h.memory_bytes OR u.disk > h.disk_bytes OR u.gpus > h.gpus OR u.slots > h.slots, false)"
     " FROM host h, (SELECT sum(cpu_millis) AS cpu, sum(memory_bytes) AS memory, sum(disk_bytes)"
     " AS disk, sum(gpus) AS gpus, sum(slots) AS slots FROM host_executor WHERE reserved"
     " AND host_id = NEW.host_id) u WHERE h.host_id = NEW.host_id; RETURN NULL; END $$"),
    ("CREATE CONSTRAINT TRIGGER witness AFTER INSERT OR UPDATE ON host_executor"
     " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION witness_look()"),
};

static void
reservations_never_exceed_capacity_at_any_commit_P1(void **state)
{
	struct rig *r = *state;
	struct store_session session;
	char name[32];

	for (size_t i = 0; i < COUNT_OF(witness); i++)
		(void)postgres_query(r->url, witness[i]);
	/* cpu binds: an executor of the rig takes 100 thousandths. */
	for (int i = 0; i < HOSTS; i++) {
		snprintf(name, sizeof(name), "h%d", i);
		host_make(r, name,
		    (struct resources){.cpu_millis = 100 * PER_HOST + 50, .slots = 2 * PER_HOST});
	}
	scheduler_start(r, 0, NULL);
	eventually(r, LEADER, 1, PATIENCE_MS);
	scheduler_start(r, 1, NULL);
	for (int i = 0; i < SESSIONS; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		session_make(r, name, PER_SESSION, 60000);
		if (i == SESSIONS / 2)
			scheduler_signal(r, 0, SIGTERM);
	}
	assert_int_equal(scheduler_wait(r, 0), 0);
	eventually(r, RUNNING, (long)HOSTS * PER_HOST, PATIENCE_MS);
	/* What did not fit takes the room of what goes, and never more. */
	for (int i = 0; i < SESSIONS / 2; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		assert_int_equal(
		    store_session_close(r->store, name, 0, true, "t", r->arena, &session, &r->err),
		    0);
		nudge(r);
	}
	eventually(r, RUNNING, (long)SESSIONS / 2 * PER_SESSION, PATIENCE_MS);
	eventually(r, "SELECT count(*) FROM placement_queue", 0, PATIENCE_MS);
	assert_int_equal(query(r, "SELECT count(DISTINCT host_id) FROM witness"), HOSTS);
	assert_true(query(r, "SELECT count(*) FROM witness") >= SESSIONS / 2 * PER_SESSION);
	assert_int_equal(query(r, "SELECT count(*) FROM witness WHERE exceeded"), 0);
	/* The witness can tell: it sees this. */
	(void)query(r, "UPDATE host SET cpu_millis = 100 WHERE host_id = 'h0'");
	(void)query(r, "UPDATE host_executor SET host_seq = host_seq WHERE host_id = 'h0'");
	assert_true(query(r, "SELECT count(*) FROM witness WHERE exceeded") > 0);
	(void)query(r, "UPDATE host SET cpu_millis = 2050 WHERE host_id = 'h0'");
	verify_clean(r);
}

static void
host_says_hello_again(struct rig *r, const char *host_id, uint64_t hello_no, int64_t cpu_millis)
{
	static const struct store_driver drivers[] = {{"process", "", true, true, true}};
	const struct store_hello hello = {.host_id = host_id,
	    .pool = "default",
	    .journal_id = r->journal_id,
	    .instance_id = id_new(),
	    .start_no = hello_no,
	    .hello_no = hello_no,
	    .boot_id = "boot",
	    .agent_version = "0",
	    .encoding = "protobuf",
	    .arch = "x",
	    .kernel = "k",
	    .protocol_revision = 1,
	    .capabilities = "",
	    .capacity = {.cpu_millis = cpu_millis, .slots = 100},
	    .drivers = drivers,
	    .driver_count = 1};
	struct store_hello_answer answer;

	if (store_host_hello(r->store, &hello, r->arena, &answer, &r->err) != 0)
		fail_msg("%s", r->err.text);
	assert_int_equal(answer.verdict, STORE_HELLO_ACCEPTED);
	nudge(r);
}

static bool
overcommitted(struct rig *r, const char *host_id)
{
	struct store_host host;

	assert_int_equal(store_host_get(r->store, host_id, r->arena, &host, &r->err), 0);
	return host.overcommitted;
}

static void
a_host_that_shrinks_is_shown_overcommitted_and_takes_nothing_P1(void **state)
{
	struct rig *r = *state;

	host_make(r, "h1", (struct resources){.cpu_millis = 1000, .slots = 100});
	scheduler_start(r, 0, NULL);
	session_make(r, "first", 10, 60000);
	eventually(r, RUNNING, 10, PATIENCE_MS);
	assert_false(overcommitted(r, "h1"));
	host_says_hello_again(r, "h1", 2, 500);
	assert_true(overcommitted(r, "h1"));
	session_make(r, "second", 1, 60000);
	eventually(r, "SELECT count(*) FROM placement_queue WHERE why <> '{}'", 1, PATIENCE_MS);
	assert_int_equal(query(r, RUNNING), 10); /* nobody is thrown out */
	host_says_hello_again(r, "h1", 3, 1100);
	assert_false(overcommitted(r, "h1"));
	eventually(r, RUNNING, 11, PATIENCE_MS);
	verify_clean(r);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(reservations_never_exceed_capacity_at_any_commit_P1),
	    TEST(a_host_that_shrinks_is_shown_overcommitted_and_takes_nothing_P1),
	};

	return cmocka_run_group_tests(tests, rig_group_setup, rig_group_teardown);
}
