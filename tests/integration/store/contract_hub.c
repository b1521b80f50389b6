#include "contract_hub.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEASE "scheduler-default"
#define HOLDER "contract"

static const struct store_factory *factory;

void
rig_factory(const struct store_factory *f)
{
	factory = f;
}

int
rig_setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->factory = factory;
	r->cell = factory->cell_new();
	r->s = factory->connect(r->cell);
	r->other = factory->connect(r->cell);
	r->a = arena_new(0);
	assert_non_null(r->a);
	snprintf(r->lease.name, sizeof(r->lease.name), LEASE);
	*state = r;
	return 0;
}

int
rig_teardown(void **state)
{
	struct rig *r = *state;

	store_free(r->s);
	store_free(r->other);
	factory->cell_free(r->cell);
	arena_free(r->a);
	free(r);
	return 0;
}

static int
group_run(const char *group, const struct CMUnitTest *tests, size_t n)
{
	char name[96];

	snprintf(name, sizeof(name), "%s %s", factory->name, group);
	return _cmocka_run_group_tests(name, tests, n, NULL, NULL);
}

int
contract_hub_run(const struct store_factory *f)
{
	int failed = 0;

	rig_factory(f);
	failed += group_run("sessions", contract_session_tests, contract_session_count);
	failed += group_run("hello", contract_hello_tests, contract_hello_count);
	failed += group_run("hosts", contract_host_tests, contract_host_count);
	failed += group_run("join", contract_join_tests, contract_join_count);
	failed += group_run("rows", contract_row_tests, contract_row_count);
	failed += group_run("unknown", contract_unknown_tests, contract_unknown_count);
	return failed;
}

/* ---- hosts ---- */

struct store_hello
hello_of(const char *host_id, struct id journal)
{
	static const struct store_driver drivers[] = {{"process", "", true, true, true}};

	return (struct store_hello){.host_id = host_id,
	    .pool = "default",
	    .journal_id = journal,
	    .instance_id = id_new(),
	    .start_no = 1,
	    .hello_no = 1,
	    .boot_id = "boot-1",
	    .agent_version = "1.0",
	    .encoding = "protobuf",
	    .arch = "x86_64",
	    .kernel = "6.1",
	    .protocol_revision = 1,
	    .capabilities = "",
	    .capacity = {1000000, INT64_C(1) << 50, INT64_C(1) << 50, 8, 10000},
	    .drivers = drivers,
	    .driver_count = COUNT_OF(drivers)};
}

struct store_hello_answer
hello_say(struct rig *r, const struct store_hello *h)
{
	struct store_hello_answer answer;

	OK(r, store_host_hello(r->s, h, r->a, &answer, &r->err));
	return answer;
}

struct store_hello
host_make(struct rig *r, const char *host_id)
{
	struct store_hello h = hello_of(host_id, id_new());
	struct store_hello_answer answer = hello_say(r, &h);

	assert_int_equal(answer.verdict, STORE_HELLO_ACCEPTED);
	return h;
}

struct store_host
host_of(struct rig *r, const char *host_id)
{
	struct store_host host;

	OK(r, store_host_get(r->s, host_id, r->a, &host, &r->err));
	return host;
}

/* ---- sessions ---- */

struct store_session_new
session_of(struct rig *r, const char *name, uint32_t replicas)
{
	struct id *ids = arena_calloc(r->a, replicas + 1, sizeof(*ids));

	assert_non_null(ids);
	for (uint32_t i = 0; i < replicas; i++)
		ids[i] = id_new();
	return (struct store_session_new){.session_id = id_new(),
	    .name = name,
	    .pool = "default",
	    .spec_json = "{\"driver\": \"process\"}",
	    .executor_body = "body",
	    .executor_body_size = 4,
	    .replicas = replicas,
	    .driver = "process",
	    .selector = "",
	    .resources = {.slots = 1},
	    .stop_grace_ms = 1000,
	    .lost_after_ms = 60000,
	    .replace_lost = true,
	    .max_unavailable = 1,
	    .replace_after_ms = 60000,
	    .accept_timeout_ms = 60000,
	    .who = "tester",
	    .executor_ids = ids};
}

struct store_session
session_make(struct rig *r, const char *name, uint32_t replicas)
{
	struct store_session_new n = session_of(r, name, replicas);
	struct store_session s;
	bool existed;

	OK(r, store_session_create(r->s, &n, r->a, &s, &existed, &r->err));
	assert_false(existed);
	return s;
}

size_t
place_all(struct rig *r, const char *host_id)
{
	struct store_placement *placements;
	struct store_message *messages;
	struct store_queued *queued;
	size_t n = 0, message_count = 0, placed = 0;
	uint64_t last = 0;
	bool held = false;

	OK(r, store_lease_hold(r->s, &r->lease, HOLDER, &held, &r->err));
	assert_true(held);
	OK(r, store_queue_load(r->s, "default", 0, r->a, &queued, &n, &last, &r->err));
	placements = arena_calloc(r->a, n + 1, sizeof(*placements));
	assert_non_null(placements);
	for (size_t i = 0; i < n; i++)
		placements[i] = (struct store_placement){.executor_id = queued[i].executor_id,
		    .host_id = host_id,
		    .resources = queued[i].resources,
		    .accept_timeout_ms = queued[i].accept_timeout_ms,
		    .queued = &queued[i]};
	OK(r, store_place(r->s, &r->lease, "default", placements, n, r->a, &messages,
		  &message_count, &placed, &r->err));
	assert_int_equal(placed, n);
	return placed;
}

struct store_executor *
executors_of(struct rig *r, const char *session, size_t *ret_n)
{
	struct store_executor_query q = {.session = session, .all = true, .limit = 5000};
	struct store_executor *rows = NULL;

	OK(r, store_executor_list(r->s, &q, r->a, &rows, ret_n, &r->err));
	return rows;
}

struct store_executor
executor_of(struct rig *r, const char *session, uint32_t index)
{
	struct store_executor e;

	OK(r, store_executor_find(r->s, session, index, 0, r->a, &e, &r->err));
	return e;
}

/* ---- reports ---- */

struct report
report_of(const struct store_executor *e, const struct store_hello *h, enum executor_state state)
{
	return (struct report){.executor_id = e->executor_id,
	    .host_id = h->host_id,
	    .journal_id = h->journal_id,
	    .accepted_generation = e->generation,
	    .state = state,
	    .exit_code = -1,
	    .reason = "",
	    .detail = ""};
}

struct store_join_result
join(struct rig *r, struct report *reports, size_t n)
{
	struct store_join_result result;
	size_t folded = report_fold_batch(reports, n, NULL);

	OK(r, store_executor_join(r->s, reports, folded, r->a, &result, &r->err));
	return result;
}

struct store_join_result
join_one(struct rig *r, struct report report)
{
	return join(r, &report, 1);
}

/* ---- dump ---- */

static void
dump_executor(FILE *f, const struct store_executor *e)
{
	char hex[ID_HEX_BYTES];

	fprintf(f, "%s %s/%u#%u host=%s state=%d inc=%u desired=%d",
	    id_to_hex(&e->executor_id, hex), e->session, e->index, e->attempt, e->host_id,
	    (int)e->state, e->incarnation, (int)e->desired);
	fprintf(f, " gen=%" PRIu64 " acc=%" PRIu64 " gone=%" PRIu64, e->generation,
	    e->accepted_generation, e->gone_generation);
	fprintf(f, " exit=%d signal=%d oom=%d started=%d reason=%s detail=%s late=%s", e->exit_code,
	    e->signal, e->oom, e->started, e->reason, e->detail, e->late_outcome);
	fprintf(f, " at=%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64,
	    e->queued_us, e->placed_us, e->accepted_us, e->starting_us, e->running_us, e->ended_us);
	fprintf(f, " after=%" PRId64 ",%" PRId64 ",%" PRId64 "\n", e->starting_after_us,
	    e->running_after_us, e->ended_after_us);
}

static void
dump_session(FILE *f, const struct store_session *s)
{
	fprintf(f, "session %s state=%d revision=%" PRIu64, s->name, (int)s->state, s->revision);
	for (size_t i = 0; i < COUNT_OF(s->counters); i++) {
		if (s->counters[i])
			fprintf(f, " %zu:%" PRIu64, i, s->counters[i]);
	}
	fputc('\n', f);
}

char *
dump(struct rig *r)
{
	struct store_executor_query q = {.all = true, .limit = 5000};
	struct store_executor *executors;
	struct store_session *sessions;
	size_t n = 0, size = 0;
	char *text = NULL, *copy;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	OK(r, store_executor_list(r->s, &q, r->a, &executors, &n, &r->err));
	assert_true(n < q.limit);
	for (size_t i = 0; i < n; i++)
		dump_executor(f, &executors[i]);
	OK(r, store_session_list(r->s, NULL, true, "", 1000, r->a, &sessions, &n, &r->err));
	for (size_t i = 0; i < n; i++)
		dump_session(f, &sessions[i]);
	fclose(f);
	copy = arena_strdup(r->a, text);
	free(text);
	assert_non_null(copy);
	return copy;
}
