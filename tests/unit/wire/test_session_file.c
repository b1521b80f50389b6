#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "err.h"
#include "fairlead/v1/api.pb-c.h"
#include "session_file.h"
#include "session_placement.h"

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
	assert_int_equal(s->disconnect->replace_after_ms, 30000);
	assert_int_equal(s->disconnect->stop_on_host_after_ms, 0);
	assert_string_equal(s->disconnect->keep, "original");
	assert_true(session_spec_replaces(s));
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
spread_and_anti_affinity_are_taken_with_their_defaults_P3(void **state)
{
	const Fairlead__V1__SessionSpec *s =
	    parsed("session: web\nplacement: { spread: zone, anti_affinity: host }\n"
		   "executor: { command: [x] }\n");
	const Fairlead__V1__SessionSpec *more =
	    parsed("session: web\nplacement: { spread: topology.example.com/rack, max_skew: 3, "
		   "anti_affinity: zone, max_per_value: 2 }\nexecutor: { command: [x] }\n");
	const Fairlead__V1__SessionSpec *none =
	    parsed("session: web\nexecutor: { command: [x] }\n");

	(void)state;
	assert_string_equal(s->placement->spread, "zone");
	assert_int_equal(s->placement->max_skew, 1);
	assert_string_equal(s->placement->anti_affinity, "host");
	assert_int_equal(s->placement->max_per_value, 1);
	assert_string_equal(more->placement->spread, "topology.example.com/rack");
	assert_int_equal(more->placement->max_skew, 3);
	assert_int_equal(more->placement->max_per_value, 2);
	assert_string_equal(none->placement->spread, "");
	assert_int_equal(none->placement->max_skew, 0);
	assert_string_equal(session_spec_difference(s, more, arena), "placement.spread");
}

static void
a_host_must_know_what_the_session_asks_of_it_P3(void **state)
{
	(void)state;
	assert_string_equal(
	    session_spec_needs(parsed("session: web\nexecutor: { command: [x] }\n")), "");
	assert_string_equal(session_spec_needs(parsed("session: web\nrestart: { policy: always }\n"
						      "executor: { command: [x] }\n")),
	    "restart");
	assert_string_equal(
	    session_spec_needs(parsed("session: web\ndisconnect: { stop_on_host_after: 5s }\n"
				      "executor: { command: [x] }\n")),
	    "stop_on_host_after");
	assert_string_equal(
	    session_spec_needs(parsed("session: web\nrestart: { policy: on-failure }\n"
				      "disconnect: { stop_on_host_after: 5s }\n"
				      "executor: { command: [x] }\n")),
	    "restart stop_on_host_after");
}

static void
mistakes_are_named_with_file_line_and_what_is_allowed(void **state)
{
	(void)state;
	assert_refused("session: web\nreplica: 3\n", "replica",
	    "web.yaml:2: replica: unknown key; allowed: session, pool, replicas, priority, "
	    "max_unavailable, "
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
	assert_refused("session: web\nrestart:\n  policy: often\nexecutor: { command: [x] }\n",
	    "restart.policy",
	    "web.yaml:3: restart.policy: \"often\" is unknown; allowed: never, on-failure, always");
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
	assert_refused("session: web\nplacement:\n  spread: a b\nexecutor: { command: [x] }\n",
	    "placement.spread",
	    "web.yaml:3: placement.spread: \"a b\" is no label key; allowed: letters, digits and "
	    "_ - . / :, or host for each host by itself");
	assert_refused("session: web\nplacement: { max_skew: 2 }\nexecutor: { command: [x] }\n",
	    "placement.max_skew",
	    "web.yaml:2: placement.max_skew: 2 says nothing without spread: a label key, or host");
	assert_refused(
	    "session: web\nplacement: { spread: zone, max_skew: 1001 }\nexecutor: { command: [x] "
	    "}\n",
	    "placement.max_skew", "1001 is out of range; allowed: 0 to 1000 executors");
	assert_refused(
	    "session: web\nplacement: { max_per_value: 2 }\nexecutor: { command: [x] }\n",
	    "placement.max_per_value", "2 says nothing without anti_affinity");
	assert_refused(
	    "session: web\nplacement: { anti_affinity: [host] }\nexecutor: { command: [x] }\n",
	    "placement.anti_affinity", "web.yaml:2: placement.anti_affinity: expected text");
	assert_refused("session: web\nplacement: { spred: zone }\nexecutor: { command: [x] }\n",
	    "placement.spred", "allowed: selector, spread, max_skew, anti_affinity, max_per_value");
	assert_refused("session: web\nexecutor:\n  command: [x]\n  env: { \"A=B\": c }\n",
	    "executor.env", "web.yaml:4: executor.env: \"A=B\" is no name of a variable");
	assert_refused(
	    "session: web\ndisconnect: { lost_after: 1ms }\nexecutor: { command: [x] }\n",
	    "disconnect.lost_after", "allowed: 1000 to 2073600000 milliseconds");
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
	assert_string_equal(session_spec_difference(a, c, arena), "executor.env.C");
}

static void
every_difference_is_told_with_what_stood_there_and_what_shall(void **state)
{
	Fairlead__V1__SessionSpec *a = parsed("session: web\nreplicas: 2\nexecutor: { command: [x, "
					      "y], env: { A: 1, B: 2 }, user: nobody }\n");
	Fairlead__V1__SessionSpec *b = parsed(
	    "session: web\nreplicas: 3\nexecutor: { command: [x, \"\\\"z\"], env: { C: 3, A: "
	    "4 } }\ndisconnect: { replace: false }\n");
	static const struct session_change want[] = {{"disconnect.replace", "true", "false"},
	    {"replicas", "2", "3"}, {"executor.command[1]", "\"y\"", "\"\\\"z\""},
	    {"executor.env.A", "\"1\"", "\"4\""}, {"executor.env.B", "\"2\"", ""},
	    {"executor.env.C", "", "\"3\""}, {"executor.user", "\"nobody\"", "\"\""}};
	struct session_change changes[16];

	(void)state;
	assert_int_equal(session_spec_changes(a, b, arena, changes, 16), COUNT_OF(want));
	for (size_t i = 0; i < COUNT_OF(want); i++) {
		bool found = false;
		for (size_t j = 0; j < COUNT_OF(want); j++)
			found = found || (strcmp(changes[j].field, want[i].field) == 0 &&
					     strcmp(changes[j].from, want[i].from) == 0 &&
					     strcmp(changes[j].to, want[i].to) == 0);
		if (!found)
			fail_msg("%s is not told as it should be", want[i].field);
	}
}

static void
only_what_an_executor_is_made_of_rolls_E11(void **state)
{
#define ROLLING "session: web\nexecutor: { command: [x], env: { AB: 1, C: 2 }, stop_grace: 1s }\n"
	static const struct {
		const char *text;
		bool rolls;
	} cases[] = {{ROLLING, false}, {ROLLING "replicas: 9\n", false},
	    {"session: web\nexecutor: { command: [x], env: { C: 2, AB: 1 }, stop_grace: 1s }\n",
		false},
	    {"session: web\nexecutor: { command: [x], env: { C: 2, AB: 2 }, stop_grace: 1s }\n",
		true},
	    {"session: web\nexecutor: { command: [x], env: { C: 2 }, stop_grace: 1s }\n", true},
	    {"session: web\nexecutor: { command: [y], env: { AB: 1, C: 2 }, stop_grace: 1s }\n",
		true},
	    {ROLLING "max_unavailable: 2\n", false},
	    {ROLLING "disconnect: { lost_after: 60s }\n", false},
	    {ROLLING "disconnect: { stop_on_host_after: 9s }\n", true},
	    {ROLLING "restart: { policy: always }\n", true},
	    {ROLLING "placement: { selector: a }\n", true},
	    {ROLLING "placement: { spread: zone }\n", true},
	    {ROLLING "placement: { anti_affinity: host }\n", true}};
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		bool rolls = !cases[i].rolls;

		assert_int_equal(
		    session_spec_rolls(parsed(ROLLING), parsed(cases[i].text), arena, &rolls, &err),
		    0);
		if (rolls != cases[i].rolls)
			fail_msg("%s: %s", cases[i].text, rolls ? "rolls" : "does not roll");
	}
}

static void
more_differences_than_there_is_room_for_are_counted_and_long_values_cut(void **state)
{
	size_t size = 1000;
	char *value = arena_calloc(arena, 1, size + 1);
	Fairlead__V1__SessionSpec *a =
	    parsed("session: web\nexecutor: { command: [x], env: { A: 1, B: 2 } }\n");
	Fairlead__V1__SessionSpec *b;
	struct session_change changes[2] = {0};

	(void)state;
	for (size_t i = 0; i < size; i++)
		value[i] = "\xc3\xa4"[i % 2];
	b = parsed(arena_printf(
	    arena, "session: web\nexecutor: { command: [y, z], env: { A: %s, B: 3 } }\n", value));
	assert_int_equal(session_spec_changes(a, b, arena, changes, 1), 3);
	assert_null(changes[1].field);
	assert_string_equal(changes[0].from, "[\"x\"]");
	assert_int_equal(session_spec_changes(a, b, arena, changes, 2), 3);
	assert_string_equal(changes[1].field, "executor.env.A");
	/* A quote and 99 characters of two bytes: the hundredth would be cut in the middle. */
	assert_int_equal(strlen(changes[1].to), 1 + 2 * 99 + 3);
	assert_string_equal(changes[1].to + 1 + 2 * 98, "\xc3\xa4...");
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

#define DECLARED(lines) "session: web\nexecutor: { command: [x], stop_grace: 5s }\n" lines

static void
replacing_unsaid_is_replacing_and_no_difference_E7(void **state)
{
	Fairlead__V1__SessionSpec *unsaid = parsed(DECLARED(""));
	Fairlead__V1__SessionSpec *said = parsed(DECLARED("disconnect: { replace: true }\n"));
	Fairlead__V1__SessionSpec *not = parsed(DECLARED("disconnect: { replace: false }\n"));

	(void)state;
	assert_false(session_spec_replaces(not));
	assert_null(session_spec_difference(unsaid, said, arena));
	assert_null(session_spec_difference(said, unsaid, arena));
	assert_string_equal(session_spec_difference(unsaid, not, arena), "disconnect.replace");
	assert_string_equal(session_spec_difference(not, said, arena), "disconnect.replace");
}

static void
a_policy_for_silent_hosts_is_checked_by_name_K24(void **state)
{
	Fairlead__V1__SessionSpec *s;

	(void)state;
	assert_refused(DECLARED("disconnect: { keep: both }\n"), "disconnect.keep",
	    "\"both\" is unknown; allowed: original, replacement");
	assert_refused(DECLARED("disconnect: { replace_after: 999ms }\n"),
	    "disconnect.replace_after", "999 is out of range; allowed: 1000 to 2073600000");
	assert_refused(DECLARED("disconnect: { replace: perhaps }\n"), "disconnect.replace",
	    "allowed: true, false");
	s = parsed(
	    DECLARED("disconnect: { lost_after: 30s, replace_after: 5s, keep: replacement }\n"));
	assert_int_equal(s->disconnect->replace_after_ms, 5000);
	assert_string_equal(s->disconnect->keep, "replacement");
	parsed(DECLARED("disconnect: { lost_after: 30s, replace_after: 60s, keep: original }\n"));
}

static void
restarting_nothing_takes_no_numbers(void **state)
{
	(void)state;
	assert_refused(
	    DECLARED("restart: { max: 3 }\n"), "restart.policy", "never restarts nothing");
	assert_refused(DECLARED("restart: { policy: never, backoff: 1s }\n"), "restart.policy",
	    "never restarts nothing");
}

static void
a_restart_policy_is_completed_and_goes_down_to_the_host_E10(void **state)
{
	Fairlead__V1__SessionSpec *s = parsed(DECLARED("restart: { policy: on-failure }\n"));
	Fairlead__V1__ExecutorSpec *e = session_spec_executor(s, arena);

	(void)state;
	assert_int_equal(s->restart->max, 0);
	assert_int_equal(s->restart->backoff_ms, 1000);
	assert_int_equal(s->restart->backoff_max_ms, 60000);
	assert_int_equal(s->restart->reset_after_ms, 60000);
	assert_null(s->executor->restart);
	assert_string_equal(e->restart->policy, "on-failure");
	assert_int_equal(e->restart->reset_after_ms, 60000);
	assert_string_equal(e->command[0], "x");
	s = parsed(DECLARED("restart: { policy: always, max: 3, backoff: 2m, reset_after: 5m }\n"));
	assert_int_equal(s->restart->max, 3);
	assert_int_equal(s->restart->backoff_ms, 120000);
	assert_int_equal(s->restart->backoff_max_ms, 120000);
	assert_int_equal(s->restart->reset_after_ms, 300000);
	assert_null(session_spec_executor(parsed(DECLARED("")), arena)->restart);
}

static void
a_restart_policy_has_sound_pauses(void **state)
{
	(void)state;
	assert_refused(DECLARED("restart: { policy: always, backoff: 99ms }\n"), "restart.backoff",
	    "99 is out of range; allowed: at least 100 milliseconds");
	assert_refused(DECLARED("restart: { policy: always, backoff: 5s, backoff_max: 4s }\n"),
	    "restart.backoff_max", "4000 is less than backoff, 5000 milliseconds");
	parsed(DECLARED("restart: { policy: always, backoff: 100ms, backoff_max: 100ms }\n"));
}

static void
the_pauses_of_restarts_may_be_one_range_E10(void **state)
{
	Fairlead__V1__SessionSpec *s =
	    parsed(DECLARED("restart: { policy: always, backoff: 1s..5m }\n"));

	(void)state;
	assert_int_equal(s->restart->backoff_ms, 1000);
	assert_int_equal(s->restart->backoff_max_ms, 300000);
	assert_refused(DECLARED("restart: { policy: always, backoff: 1s.. }\n"), "restart.backoff",
	    "\"\" is no duration");
	assert_refused(DECLARED("restart: { policy: always, backoff: ..5m }\n"), "restart.backoff",
	    "\"\" is no duration");
	assert_refused(DECLARED("restart: { policy: always, backoff: 5m..1s }\n"),
	    "restart.backoff_max", "1000 is less than backoff, 300000 milliseconds");
	assert_refused(DECLARED("accept_timeout: 1s..2s\n"), "accept_timeout", "is no duration");
}

static const char *
warning_of(uint32_t stop_on_host_after_ms, int replace)
{
	Fairlead__V1__SessionSpec *s = parsed(DECLARED("disconnect: { lost_after: 30s }\n"));

	s->disconnect->stop_on_host_after_ms = stop_on_host_after_ms;
	if (replace >= 0) {
		s->disconnect->replace_set_case =
		    FAIRLEAD__V1__DISCONNECT_POLICY__REPLACE_SET_REPLACE;
		s->disconnect->replace = replace;
	}
	return session_spec_warning(s, arena);
}

static void
an_overlap_that_was_chosen_is_warned_about_K24(void **state)
{
	(void)state;
	assert_null(warning_of(0, -1)); /* nobody chose it */
	assert_non_null(strstr(warning_of(0, 1), "stop_on_host_after"));
	assert_non_null(strstr(warning_of(25000, -1), "disconnect.stop_on_host_after (25000 ms) + "
						      "executor.stop_grace (5000 ms) is not less"));
	assert_null(warning_of(24999, -1));
	assert_null(warning_of(24999, 1));
	assert_null(warning_of(25000, 0));
	assert_null(warning_of(0, 0));
}

static void
a_replacement_beside_its_original_is_warned_about_K24(void **state)
{
	Fairlead__V1__SessionSpec *s =
	    parsed(DECLARED("disconnect: { lost_after: 30s, replace_after: 10s }\n"));

	(void)state;
	assert_non_null(strstr(session_spec_warning(s, arena), "stop_on_host_after"));
	s->disconnect->stop_on_host_after_ms = 5000;
	assert_non_null(strstr(
	    session_spec_warning(s, arena), "not less than disconnect.replace_after (10000 ms)"));
	s->disconnect->stop_on_host_after_ms = 4999;
	assert_null(session_spec_warning(s, arena));
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
	    TEST(spread_and_anti_affinity_are_taken_with_their_defaults_P3),
	    TEST(a_host_must_know_what_the_session_asks_of_it_P3),
	    TEST(mistakes_are_named_with_file_line_and_what_is_allowed),
	    TEST(rules_of_the_spec_name_the_line_of_the_file),
	    TEST(yaml_that_hides_something_is_refused),
	    TEST(a_200_kib_environment_is_taken_whole_or_refused_with_the_limit_E15),
	    TEST(an_equal_spec_is_equal_and_a_different_one_names_the_field_E7),
	    TEST(the_order_of_the_environment_makes_no_difference_E7),
	    TEST(every_difference_is_told_with_what_stood_there_and_what_shall),
	    TEST(only_what_an_executor_is_made_of_rolls_E11),
	    TEST(more_differences_than_there_is_room_for_are_counted_and_long_values_cut),
	    TEST(checking_twice_changes_nothing),
	    TEST(replacing_unsaid_is_replacing_and_no_difference_E7),
	    TEST(a_policy_for_silent_hosts_is_checked_by_name_K24),
	    TEST(restarting_nothing_takes_no_numbers),
	    TEST(a_restart_policy_is_completed_and_goes_down_to_the_host_E10),
	    TEST(a_restart_policy_has_sound_pauses),
	    TEST(an_overlap_that_was_chosen_is_warned_about_K24),
	    TEST(the_pauses_of_restarts_may_be_one_range_E10),
	    TEST(a_replacement_beside_its_original_is_warned_about_K24),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
