#include "declare.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "options.h"

enum {
	KEY_POOL = 0x2000,
	KEY_CPU,
	KEY_MEMORY,
	KEY_SELECTOR,
	KEY_SPREAD,
	KEY_APART,
	KEY_DRIVER,
	KEY_USER,
	KEY_DIR,
	KEY_FAKE,
	KEY_KEY,
	KEY_HOSTS,
	KEY_WAIT,
	KEY_DRY
};

#define ENV_MAX 1024

const struct argp_option declare_options[] = {
    {"name", 'n', "NAME", 0, "name of the session", 0},
    {"replicas", 'r', "N", 0, "how many executors", 0},
    {"env", 'e', "K=V", 0, "environment of the workload; may be repeated", 0},
    {"pool", KEY_POOL, "POOL", 0, "hosts of this pool", 0},
    {"selector", KEY_SELECTOR, "EXPR", 0, "hosts whose labels match", 0},
    {"spread", KEY_SPREAD, "LABEL", 0, "evenly over this label's values, or over hosts: host", 0},
    {"anti-affinity", KEY_APART, "LABEL", 0, "one per value of this label, or per host: host", 0},
    {"cpu", KEY_CPU, "500m", 0, "reserved processor time", 0},
    {"memory", KEY_MEMORY, "256Mi", 0, "reserved memory", 0},
    {"driver", KEY_DRIVER, "process", 0, "what runs it", 0},
    {"user", KEY_USER, "USER", 0, "user on the host", 0},
    {"dir", KEY_DIR, "PATH", 0, "working directory on the host", 0},
    {"fake-script", KEY_FAKE, "SCRIPT", 0, "what driver fake plays", 0},
    {"key", KEY_KEY, "KEY", 0, "idempotency key", 0},
    {"wait-for-hosts", KEY_HOSTS, NULL, 0, "also when no present host could ever fit it", 0},
    {"wait", KEY_WAIT, NULL, 0, "until all executors run", 0},
    {"dry-run", KEY_DRY, NULL, 0, "check only", 0},
    {0},
};

uint64_t
declare_most(const char *field)
{
	static const struct {
		const char *field;
		int64_t most;
	} limits[] = {
#define LIMIT(name, least, most, unit) {name, most},
#include "session_limits.def"
	};

	for (size_t i = 0; i < COUNT_OF(limits); i++) {
		if (strcmp(limits[i].field, field) == 0)
			return (uint64_t)limits[i].most;
	}
	assert(false && "a field of session_limits.def");
	return 0;
}

static error_t
take_env(struct declare_input *in, char *value)
{
	char *equals = strchr(value, '=');
	Fairlead__V1__Entry *e = arena_alloc(in->cli->arena, sizeof(*e));

	if (!equals || equals == value || !e || in->env_count == ENV_MAX) {
		fprintf(stderr, "fairlead: --env %s: at most %d of K=V\n", value, ENV_MAX);
		return EINVAL;
	}
	if (!in->env)
		in->env = arena_calloc(in->cli->arena, ENV_MAX, sizeof(Fairlead__V1__Entry *));
	if (!in->env)
		return ENOMEM;
	fairlead__v1__entry__init(e);
	e->key = arena_strndup(in->cli->arena, value, (size_t)(equals - value));
	e->value = equals + 1;
	in->env[in->env_count++] = e;
	return 0;
}

error_t
declare_take(int key, char *value, void *input)
{
	struct declare_input *in = input;
	const struct {
		int key;
		const char **to;
	} texts[] = {{'n', &in->name}, {KEY_POOL, &in->pool}, {KEY_SELECTOR, &in->selector},
	    {KEY_SPREAD, &in->spread}, {KEY_APART, &in->anti_affinity}, {KEY_CPU, &in->cpu},
	    {KEY_MEMORY, &in->memory}, {KEY_DRIVER, &in->driver}, {KEY_USER, &in->user},
	    {KEY_DIR, &in->working_dir}, {KEY_FAKE, &in->fake_script}, {KEY_KEY, &in->key}};

	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		if (texts[i].key == key) {
			*texts[i].to = value;
			return 0;
		}
	}
	switch (key) {
	case 'e':
		return take_env(in, value);
	case 'r':
		return args_number("--replicas", value, 0, declare_most("replicas"), &in->replicas);
	case KEY_HOSTS:
		in->wait_for_hosts = true;
		return 0;
	case KEY_WAIT:
		in->wait = true;
		return 0;
	case KEY_DRY:
		in->dry_run = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* "500m" or "2" -> thousandths. */
static int
cpu_parse(const char *text, uint32_t *ret, struct err *err)
{
	char *end;
	double value = strtod(text, &end);
	const uint64_t most = declare_most("executor.resources.cpu_millis");

	if (end != text && !*end)
		value *= 1000;
	else if (end == text || strcmp(end, "m") != 0)
		value = -1;
	if (!(value >= 0 && value <= (double)most)) /* what is no number fails both */
		return err_field(err, ERR_INVALID, "cpu",
		    "--cpu %s: allowed are 500m, 2, 0.5, up to %" PRIu64, text, most / 1000);
	*ret = (uint32_t)value;
	return 0;
}

static int
declare_resources(
    struct cli *c, const struct declare_input *in, Fairlead__V1__ExecutorSpec *e, struct err *err)
{
	Fairlead__V1__Resources *r;
	int64_t bytes;

	if (!in->cpu && !in->memory)
		return 0;
	r = arena_alloc(c->arena, sizeof(*r));
	if (!r)
		return err_set(err, ERR_LIMIT, "no room");
	fairlead__v1__resources__init(r);
	if (in->cpu && cpu_parse(in->cpu, &r->cpu_millis, err) != 0)
		return -1;
	if (in->memory) {
		if (options_parse_bytes(in->memory, &bytes, err) != 0)
			return err_wrap(err, "--memory");
		r->memory_bytes = (uint64_t)bytes;
	}
	e->resources = r;
	return 0;
}

#define SET(to, from)                                                                              \
	do {                                                                                       \
		if (from)                                                                          \
			(to) = (char *)(uintptr_t)(from);                                          \
	} while (0)

int
declare_spec(struct cli *c, const struct declare_input *in, char **words, size_t n,
    Fairlead__V1__SessionSpec **ret, struct err *err)
{
	Fairlead__V1__SessionSpec *s = arena_alloc(c->arena, sizeof(*s));
	Fairlead__V1__ExecutorSpec *e = arena_alloc(c->arena, sizeof(*e));
	Fairlead__V1__PlacementSpec *p = arena_alloc(c->arena, sizeof(*p));

	if (!s || !e || !p)
		return err_set(err, ERR_LIMIT, "no room");
	fairlead__v1__session_spec__init(s);
	fairlead__v1__executor_spec__init(e);
	fairlead__v1__placement_spec__init(p);
	s->executor = e;
	SET(s->name, in->name);
	SET(s->pool, in->pool);
	s->replicas_set_case = FAIRLEAD__V1__SESSION_SPEC__REPLICAS_SET_REPLICAS;
	s->replicas = (uint32_t)in->replicas;
	SET(p->selector, in->selector);
	SET(p->spread, in->spread);
	SET(p->anti_affinity, in->anti_affinity);
	s->placement = p;
	SET(e->driver, in->driver);
	SET(e->user, in->user);
	SET(e->working_dir, in->working_dir);
	SET(e->fake_script, in->fake_script);
	e->env = in->env;
	e->n_env = in->env_count;
	e->command = words;
	e->n_command = n;
	*ret = s;
	return declare_resources(c, in, e, err);
}

int
declare_create(struct cli *c, Fairlead__V1__SessionSpec *spec, const char *key, bool wait_for_hosts,
    bool dry_run, Fairlead__V1__SessionCreateAnswer **ret, struct err *err)
{
	Fairlead__V1__SessionCreateRequest q = FAIRLEAD__V1__SESSION_CREATE_REQUEST__INIT;
	ProtobufCMessage *m;

	q.spec = spec;
	q.key = (char *)(uintptr_t)(key ? key : "");
	q.wait_for_hosts = wait_for_hosts;
	q.dry_run = dry_run;
	if (cli_call(c, "session", "create", &q.base,
		&fairlead__v1__session_create_answer__descriptor, &m, err) != 0)
		return -1;
	*ret = (Fairlead__V1__SessionCreateAnswer *)m;
	return 0;
}

void
declare_say(
    const Fairlead__V1__SessionCreateAnswer *a, const Fairlead__V1__SessionSpec *spec, bool dry_run)
{
	if (dry_run)
		printf("session %s would be declared: nothing was done\n", spec->name);
	else if (a->existed)
		printf("session %s is as declared already\n", a->session->name);
	else
		printf("session %s declared: %u executor%s in pool %s\n", a->session->name,
		    a->session->spec->replicas, a->session->spec->replicas == 1 ? "" : "s",
		    a->session->pool);
	for (size_t i = 0; i < a->n_warnings; i++)
		fprintf(stderr, "fairlead: warning: %s\n", a->warnings[i]);
}
