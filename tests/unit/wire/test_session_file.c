#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "err.h"
#include "fairlead/v1/api.pb-c.h"
#include "session_file.h"

static struct arena *arena;

static int
setup(void **state)
{
	(void)state;
	arena = arena_new(0);
	return arena ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

static Fairlead__V1__SessionSpec *
parsed(const char *text)
{
	Fairlead__V1__SessionSpec **specs;
	struct err err = {0};
	size_t n;

	if (session_file_parse("web.yaml", text, strlen(text), arena, &specs, &n, &err) != 0)
		fail_msg("%s", err.text);
	assert_int_equal(n, 1);
	return specs[0];
}

static void
assert_refused(const char *text, const char *field, const char *words)
{
	Fairlead__V1__SessionSpec **specs;
	struct err err = {0};
	size_t n;

	if (session_file_parse("web.yaml", text, strlen(text), arena, &specs, &n, &err) == 0)
		fail_msg("taken: %s", text);
	assert_true(err.kind == ERR_INVALID || err.kind == ERR_LIMIT);
	if (strcmp(err.field, field) != 0)
		fail_msg("%s\n-> field \"%s\": %s", text, err.field, err.text);
	if (!strstr(err.text, words))
		fail_msg("%s\n-> %s", text, err.text);
}

#define WHOLE                                                                                      \
	"session: web\n"                                                                           \
	"pool: edge\n"                                                                             \
	"replicas: 3\n"                                                                            \
	"priority: -5\n"                                                                           \
	"restart: { policy: never }\n"                                                             \
	"disconnect: { lost_after: 45s }\n"                                                        \
	"placement: { selector: \"zone in (a,b) && !edge\" }\n"                                    \
	"executor:\n"                                                                              \
	"  driver: process\n"                                                                      \
	"  command: [sh, -c, \"echo hi; exit 7\"]\n"                                               \
	"  env: { MODE: prod, PORT: 8080, DEBUG: true, NO: no }\n"                                 \
	"  resources: { cpu: 500m, memory: 256Mi, disk: 1Gi, slots: 2 }\n"                         \
	"  limits: required\n"                                                                     \
	"  stop_grace: 5s\n"                                                                       \
	"  working_dir: /tmp\n"

static void
a_whole_file_becomes_a_spec_with_its_units(void **state)
{
	Fairlead__V1__SessionSpec *s = parsed(WHOLE);

	(void)state;
	assert_string_equal(s->name, "web");
	assert_string_equal(s->pool, "edge");
	assert_int_equal(s->replicas, 3);
	assert_int_equal(s->priority, -5);
	assert_string_equal(s->restart->policy, "never");
	assert_int_equal(s->disconnect->lost_after_ms, 45000);
	assert_string_equal(s->placement->selector, "zone in (a,b) && !edge");
	assert_int_equal(s->executor->n_command, 3);
	assert_string_equal(s->executor->command[2], "echo hi; exit 7");
	assert_int_equal(s->executor->n_env, 4);
	assert_string_equal(s->executor->env[1]->value, "8080");
	assert_string_equal(s->executor->env[2]->value, "true");
	assert_string_equal(s->executor->env[3]->value, "no");
	assert_int_equal(s->executor->resources->cpu_millis, 500);
	assert_int_equal(s->executor->resources->memory_bytes, 256 << 20);
	assert_int_equal(s->executor->resources->disk_bytes, 1 << 30);
	assert_int_equal(s->executor->resources->slots, 2);
	assert_true(s->executor->limits_required);
	assert_int_equal(s->executor->stop_grace_ms, 5000);
}

static void
what_is_left_out_gets_its_default(void **state)
{
	Fairlead__V1__SessionSpec *s = parsed("session: web\nexecutor: { command: [\"true\"] }\n");

	(void)state;
	assert_string_equal(s->pool, "default");
	assert_int_equal(s->replicas, 1);
	assert_string_equal(s->restart->policy, "never");
	assert_int_equal(s->disconnect->lost_after_ms, 30000);
	assert_int_equal(s->accept_timeout_ms, 60000);
	assert_string_equal(s->executor->driver, "process");
	assert_int_equal(s->executor->stop_grace_ms, 10000);
	assert_non_null(s->executor->resources);
	assert_non_null(s->placement);
	s = parsed("session: web\nreplicas: 0\nexecutor: { command: [\"true\"] }\n");
	assert_int_equal(s->replicas, 0);
}

static void
json_takes_the_same_path(void **state)
{
	Fairlead__V1__SessionSpec *s = parsed("\n{\t\"session\": \"web\",\n\t\"executor\": {"
					      "\"command\": [\"\\ud83c\\udf0a\"], \"resources\": "
					      "{\"cpu\": 1.5, \"memory\": 1024}}}");

	(void)state;
	assert_string_equal(s->executor->command[0], "\xf0\x9f\x8c\x8a");
	assert_int_equal(s->executor->resources->cpu_millis, 1500);
	assert_int_equal(s->executor->resources->memory_bytes, 1024);
	assert_refused("{\t\"session\": \"web\",\n\t\"executor\": {\n\t\"comand\": []}}",
	    "executor.comand",
	    "web.yaml:3: executor.comand: unknown key; allowed: driver, command");
	assert_refused("{\"session\": \"web\",\n}", "", "web.yaml:2:");
}

static void
several_documents_are_several_sessions(void **state)
{
	static const char *const text = "---\nsession: a\nexecutor: { command: [x] }\n---\n---\n"
					"session: b\nexecutor: { command: [y] }\n";
	Fairlead__V1__SessionSpec **specs;
	struct err err;
	size_t n;

	(void)state;
	assert_int_equal(session_file_parse("-", text, strlen(text), arena, &specs, &n, &err), 0);
	assert_int_equal(n, 2);
	assert_string_equal(specs[0]->name, "a");
	assert_string_equal(specs[1]->name, "b");
}

static void
too_many_documents_and_none_are_refused(void **state)
{
	const char *text = "";

	(void)state;
	for (int i = 0; i < 65; i++)
		text = arena_printf(arena, "%s---\nsession: a\n", text);
	assert_refused(text, "", "more than 64 documents");
	assert_refused("", "", "holds no session");
	assert_refused("# nothing\n", "", "holds no session");
}

static void
mistakes_are_named_with_file_line_and_what_is_allowed(void **state)
{
	(void)state;
	assert_refused("session: web\nreplica: 3\n", "replica",
	    "web.yaml:2: replica: unknown key; allowed: session, pool, replicas, priority, "
	    "accept_timeout, restart, disconnect, placement, executor");
	assert_refused("session: web\nexecutor:\n  command: [x]\n  resources: { cpus: 1 }\n",
	    "executor.resources.cpus",
	    "web.yaml:4: executor.resources.cpus: unknown key; allowed: cpu, memory, disk, gpus, "
	    "slots");
	assert_refused("session: web\nexecutor:\n  command: x\n", "executor.command",
	    "web.yaml:3: executor.command: expected a list");
	assert_refused("session: web\nexecutor:\n  command: [x, [y]]\n", "executor.command[1]",
	    "web.yaml:3: executor.command[1]: expected text");
	assert_refused("session: web\nexecutor:\n  env: { A: }\n", "executor.env.A",
	    "web.yaml:3: executor.env.A: expected text");
	assert_refused(
	    "session: web\nexecutor: [x]\n", "executor", "web.yaml:2: executor: expected");
	assert_refused("session: web\nreplicas: many\nexecutor: {}\n", "replicas",
	    "web.yaml:2: replicas: expected a whole number");
	assert_refused("session: web\nreplicas: -1\nexecutor: { command: [x] }\n", "replicas",
	    "web.yaml:2: replicas: -1 is out of range; allowed: 0 to 4294967295");
	assert_refused("session: web\nreplicas: 100001\nexecutor: { command: [x] }\n", "replicas",
	    "web.yaml:2: replicas: 100001 is out of range; allowed: 0 to 100000 executors");
	assert_refused("session: web\nexecutor:\n  command: [x]\n  resources:\n    cpu: fast\n",
	    "executor.resources.cpu",
	    "web.yaml:5: executor.resources.cpu: \"fast\" is no number of "
	    "CPUs; allowed: 2, 0.5, 500m");
	assert_refused("session: web\nexecutor:\n  command: [x]\n  resources: { memory: 1Zi }\n",
	    "executor.resources.memory",
	    "web.yaml:4: executor.resources.memory: \"1Zi\" is no size");
	assert_refused("session: web\ndisconnect: { lost_after: 0s }\n", "disconnect.lost_after",
	    "web.yaml:2: disconnect.lost_after: \"0s\" is no duration");
	assert_refused("session: web\nexecutor: { limits: maybe }\n", "executor.limits",
	    "allowed: required, optional");
	assert_refused("session: WEB\nexecutor: { command: [x] }\n", "session",
	    "web.yaml:1: session: upper case 'W' at position 1");
	assert_refused(
	    "pool: default\nexecutor: { command: [x] }\n", "session", "session: is empty");
	assert_refused("session: web\n", "executor", "executor: is missing");
	assert_refused("- a\n", "", "web.yaml:1: expected a mapping");
}

static void
rules_of_the_spec_name_the_line_of_the_file(void **state)
{
	(void)state;
	assert_refused("session: web\nrestart:\n  policy: always\nexecutor: { command: [x] }\n",
	    "restart.policy",
	    "web.yaml:3: restart.policy: only never is supported by this version");
	assert_refused("session: web\nexecutor:\n  driver: oci\n", "executor.driver",
	    "web.yaml:3: executor.driver: \"oci\" is not supported by this version; allowed: "
	    "process, "
	    "fake");
	assert_refused("session: web\nexecutor: { command: [] }\n", "executor.command",
	    "web.yaml:2: executor.command: is empty");
	assert_refused("session: web\nexecutor:\n  command: [x]\n  working_dir: tmp\n",
	    "executor.working_dir", "web.yaml:4: executor.working_dir: \"tmp\" must begin with /");
	assert_refused("session: web\nplacement:\n  selector: a b\nexecutor: { command: [x] }\n",
	    "placement.selector", "web.yaml:3: placement.selector: selector: 'b' at position 3");
	assert_refused("session: web\nexecutor:\n  command: [x]\n  env: { \"A=B\": c }\n",
	    "executor.env", "web.yaml:4: executor.env: \"A=B\" is no name of a variable");
	assert_refused(
	    "session: web\ndisconnect: { lost_after: 1ms }\nexecutor: { command: [x] }\n",
	    "disconnect.lost_after", "allowed: 1000 to 2592000000 milliseconds");
}

static void
yaml_that_hides_something_is_refused(void **state)
{
	(void)state;
	assert_refused(
	    "session: web\nsession: web2\n", "session", "web.yaml:2: session: is there twice");
	assert_refused("session: &a web\npool: *a\n", "session", "anchors and tags");
	assert_refused("session: *a\n", "session", "aliases");
	assert_refused("session: !!str web\n", "session", "anchors and tags");
	assert_refused("? [a]\n: b\n", "", "a key must be text");
	assert_refused("session: \"a\\0b\"\n", "session", "NUL");
	assert_refused("session: \"web\n", "", "web.yaml:2: found");
	assert_refused("session: web\n\texecutor: 1\n", "", "web.yaml:2: found a tab");
	assert_refused("a: [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]\n", "", "deeper than 16");
}

static void
a_200_kib_environment_is_taken_whole_or_refused_with_the_limit_E15(void **state)
{
	size_t size = (size_t)200 * 1024;
	char *value = arena_alloc(arena, size + 1), *text;

	(void)state;
	memset(value, 'v', size - 1);
	text = arena_printf(
	    arena, "session: web\nexecutor:\n  command: [x]\n  env: { A: %s }\n", value);
	assert_int_equal(strlen(parsed(text)->executor->env[0]->value), size - 1);
	text = arena_printf(
	    arena, "session: web\nexecutor:\n  command: [x]\n  env: { A: %sv }\n", value);
	assert_refused(text, "executor.env", "204801 bytes; allowed: 204800 in all");
}

static void
an_equal_spec_is_equal_and_a_different_one_names_the_field_E7(void **state)
{
	static const struct {
		const char *from, *to, *field;
	} cases[] = {{"replicas: 3", "replicas: 4", "replicas"},
	    {"prod", "test", "executor.env.MODE"}, {"exit 7", "exit 8", "executor.command[2]"},
	    {"[sh, -c,", "[sh,", "executor.command"},
	    {"500m", "501m", "executor.resources.cpu_millis"},
	    {"limits: required", "limits: optional", "executor.limits_required"},
	    {"!edge", "edge", "placement.selector"}, {", NO: no", "", "executor.env.NO"},
	    {"pool: edge", "pool: core", "pool"}};
	Fairlead__V1__SessionSpec *whole = parsed(WHOLE);

	(void)state;
	assert_null(session_spec_difference(whole, parsed(WHOLE), arena));
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const char *at = strstr(WHOLE, cases[i].from);
		char *text = arena_printf(arena, "%.*s%s%s", (int)(at - WHOLE), WHOLE, cases[i].to,
		    at + strlen(cases[i].from));
		assert_string_equal(
		    session_spec_difference(whole, parsed(text), arena), cases[i].field);
	}
}

static void
the_order_of_the_environment_makes_no_difference_E7(void **state)
{
	Fairlead__V1__SessionSpec *a =
	    parsed("session: web\nexecutor: { command: [x], env: { A: 1, B: 2 } }\n");
	Fairlead__V1__SessionSpec *b =
	    parsed("session: web\nexecutor: { command: [x], env: { B: 2, A: 1 } }\n");
	Fairlead__V1__SessionSpec *c =
	    parsed("session: web\nexecutor: { command: [x], env: { B: 2, A: 1, C: 3 } }\n");

	(void)state;
	assert_null(session_spec_difference(a, b, arena));
	assert_string_equal(session_spec_difference(a, c, arena), "executor.env");
}

static void
checking_twice_changes_nothing(void **state)
{
	Fairlead__V1__SessionSpec *once = parsed(WHOLE), *twice = parsed(WHOLE);
	struct err err;

	(void)state;
	assert_int_equal(session_spec_check(twice, arena, &err), 0);
	assert_null(session_spec_difference(once, twice, arena));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(a_whole_file_becomes_a_spec_with_its_units),
	    TEST(what_is_left_out_gets_its_default),
	    TEST(json_takes_the_same_path),
	    TEST(several_documents_are_several_sessions),
	    TEST(too_many_documents_and_none_are_refused),
	    TEST(mistakes_are_named_with_file_line_and_what_is_allowed),
	    TEST(rules_of_the_spec_name_the_line_of_the_file),
	    TEST(yaml_that_hides_something_is_refused),
	    TEST(a_200_kib_environment_is_taken_whole_or_refused_with_the_limit_E15),
	    TEST(an_equal_spec_is_equal_and_a_different_one_names_the_field_E7),
	    TEST(the_order_of_the_environment_makes_no_difference_E7),
	    TEST(checking_twice_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
