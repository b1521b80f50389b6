/* session_spec: defaults, limits and rules of a SessionSpec, whoever wrote it. */
#include "session_file.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "codec_private.h"
#include "err.h"
#include "fairlead/v1/api.pb-c.h"
#include "name.h"
#include "session_placement.h"

enum bound {
#define BOUND(name, most, what) BOUND_##name = (most),
#include "session_limits.def"
};

static const struct limit {
	const char *field;
	int64_t least, most;
	const char *unit;
} limits[] = {
#define LIMIT(field, least, most, unit) {(field), (least), (most), (unit)},
#include "session_limits.def"
};

static int
no_memory(struct err *err)
{
	return err_set(err, ERR_LIMIT, "spec needs more memory than there is for it");
}

/* The message at *slot, made when there is none. */
static void *
ensure(void *slot, const ProtobufCMessageDescriptor *d, struct arena *arena)
{
	ProtobufCMessage **m = slot;

	if (!*m) {
		*m = arena_alloc(arena, d->sizeof_message);
		if (*m)
			protobuf_c_message_init(d, *m);
	}
	return *m;
}

static int
default_text(char **text, const char *value, struct arena *arena)
{
	if (!*text || !**text)
		*text = arena_strdup(arena, value);
	return *text ? 0 : -1;
}

static void
default_number(uint32_t *number, uint32_t value)
{
	if (*number == 0)
		*number = value;
}

static int
policies_defaults(Fairlead__V1__SessionSpec *s, struct arena *arena)
{
	Fairlead__V1__RestartPolicy *restart = s->restart;

	default_number(&s->disconnect->lost_after_ms, 30000);
	default_number(&s->disconnect->replace_after_ms, s->disconnect->lost_after_ms);
	if (default_text(&restart->policy, "never", arena) != 0 ||
	    default_text(&s->disconnect->keep, "original", arena) != 0)
		return -1;
	if (strcmp(restart->policy, "never") == 0)
		return 0; /* what is said about restarting nothing is refused, not completed */
	default_number(&restart->backoff_ms, 1000);
	default_number(
	    &restart->backoff_max_ms, restart->backoff_ms > 60000 ? restart->backoff_ms : 60000);
	default_number(&restart->reset_after_ms, 60000);
	return 0;
}

static int
fill_defaults(Fairlead__V1__SessionSpec *s, struct arena *arena)
{
	if (!ensure(&s->restart, &fairlead__v1__restart_policy__descriptor, arena) ||
	    !ensure(&s->placement, &fairlead__v1__placement_spec__descriptor, arena) ||
	    !ensure(&s->disconnect, &fairlead__v1__disconnect_policy__descriptor, arena) ||
	    !ensure(&s->executor->resources, &fairlead__v1__resources__descriptor, arena))
		return -1;
	if (default_text(&s->pool, "default", arena) != 0 ||
	    default_text(&s->executor->driver, "process", arena) != 0)
		return -1;
	if (s->replicas_set_case == FAIRLEAD__V1__SESSION_SPEC__REPLICAS_SET__NOT_SET) {
		s->replicas_set_case = FAIRLEAD__V1__SESSION_SPEC__REPLICAS_SET_REPLICAS;
		s->replicas = 1;
	}
	if (policies_defaults(s, arena) != 0)
		return -1;
	session_placement_defaults(s->placement);
	default_number(&s->max_unavailable, 1);
	if (s->accept_timeout_ms == 0)
		s->accept_timeout_ms = 60000;
	if (s->executor->stop_grace_ms == 0)
		s->executor->stop_grace_ms = 10000;
	return 0;
}

/* What a limit counts: the number, the bytes of a text, the entries of a list. */
static int64_t
measure(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	const void *at = codec_at(m, f);

	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return (int64_t)codec_count(m, f);
	if (f->type == PROTOBUF_C_TYPE_STRING)
		return *(char *const *)at ? (int64_t)strlen(*(char *const *)at) : 0;
	if (f->type == PROTOBUF_C_TYPE_INT32)
		return *(const int32_t *)at;
	if (codec_element_size(f) == 4)
		return *(const uint32_t *)at;
	/* Beyond 2^63 a number is too large for every limit. */
	uint64_t wide = *(const uint64_t *)at;
	return wide > INT64_MAX ? INT64_MAX : (int64_t)wide;
}

static int
check_limit(const Fairlead__V1__SessionSpec *s, const struct limit *limit, struct err *err)
{
	const ProtobufCMessage *m = &s->base;
	const ProtobufCFieldDescriptor *f = NULL;
	const char *rest = limit->field;
	char step[64];

	while (*rest) {
		size_t length = strcspn(rest, ".");
		if (f)
			m = codec_nested(m, f);
		memcpy(step, rest, length);
		step[length] = '\0';
		f = protobuf_c_message_descriptor_get_field_by_name(m->descriptor, step);
		rest += length + (rest[length] == '.');
	}
	assert(f); /* every row names a field */
	int64_t value = measure(m, f);
	if (value >= limit->least && value <= limit->most)
		return 0;
	return err_field(err, value > limit->most ? ERR_LIMIT : ERR_INVALID, limit->field,
	    "%s: %lld is out of range; allowed: %lld to %lld%s%s", limit->field, (long long)value,
	    (long long)limit->least, (long long)limit->most, *limit->unit ? " " : "", limit->unit);
}

static int
check_command(const Fairlead__V1__ExecutorSpec *e, struct err *err)
{
	if (strcmp(e->driver, "process") == 0 && e->n_command == 0)
		return err_field(err, ERR_INVALID, "executor.command",
		    "executor.command: is empty; driver process runs a command");
	if (e->n_command > 0 && !*e->command[0])
		return err_field(err, ERR_INVALID, "executor.command",
		    "executor.command: the first word is empty; it names the program");
	for (size_t i = 0; i < e->n_command; i++)
		if (strlen(e->command[i]) > BOUND_COMMAND_WORD_BYTES)
			return err_field(err, ERR_LIMIT, "executor.command",
			    "executor.command[%zu]: %zu bytes; allowed: %d in one word", i,
			    strlen(e->command[i]), BOUND_COMMAND_WORD_BYTES);
	return 0;
}

static int
compare_keys(const void *a, const void *b)
{
	return strcmp(
	    (*(Fairlead__V1__Entry *const *)a)->key, (*(Fairlead__V1__Entry *const *)b)->key);
}

static int
check_env(const Fairlead__V1__ExecutorSpec *e, struct arena *arena, struct err *err)
{
	Fairlead__V1__Entry **sorted = arena_calloc(arena, e->n_env, sizeof(*sorted));
	size_t bytes = 0;

	if (!sorted)
		return no_memory(err);
	for (size_t i = 0; i < e->n_env; i++) {
		sorted[i] = e->env[i];
		bytes += strlen(e->env[i]->key) + strlen(e->env[i]->value);
		if (!*e->env[i]->key || strchr(e->env[i]->key, '='))
			return err_field(err, ERR_INVALID, "executor.env",
			    "executor.env: \"%.60s\" is no name of a variable: not empty, no =",
			    e->env[i]->key);
	}
	if (bytes > BOUND_ENV_BYTES)
		return err_field(err, ERR_LIMIT, "executor.env",
		    "executor.env: %zu bytes; allowed: %d in all, names and values", bytes,
		    BOUND_ENV_BYTES);
	if (e->n_env > 1)
		qsort(sorted, e->n_env, sizeof(*sorted), compare_keys);
	for (size_t i = 1; i < e->n_env; i++)
		if (strcmp(sorted[i - 1]->key, sorted[i]->key) == 0)
			return err_field(err, ERR_INVALID, "executor.env",
			    "executor.env: %.60s is there twice", sorted[i]->key);
	return 0;
}

static int
check_restart(const Fairlead__V1__RestartPolicy *r, struct err *err)
{
	bool never = strcmp(r->policy, "never") == 0;

	if (!never && strcmp(r->policy, "on-failure") != 0 && strcmp(r->policy, "always") != 0)
		return err_field(err, ERR_INVALID, "restart.policy",
		    "restart.policy: \"%.40s\" is unknown; allowed: never, on-failure, always",
		    r->policy);
	if (never && (r->max || r->backoff_ms || r->backoff_max_ms || r->reset_after_ms))
		return err_field(err, ERR_INVALID, "restart.policy",
		    "restart.policy: never restarts nothing, so max, backoff, backoff_max and "
		    "reset_after say nothing");
	if (!never && r->backoff_ms < BOUND_BACKOFF_LEAST_MS)
		return err_field(err, ERR_INVALID, "restart.backoff_ms",
		    "restart.backoff_ms: %u is out of range; allowed: at least %d milliseconds",
		    r->backoff_ms, BOUND_BACKOFF_LEAST_MS);
	if (r->backoff_max_ms < r->backoff_ms)
		return err_field(err, ERR_INVALID, "restart.backoff_max_ms",
		    "restart.backoff_max_ms: %u is less than backoff, %u milliseconds",
		    r->backoff_max_ms, r->backoff_ms);
	return 0;
}

static int
check_disconnect(const Fairlead__V1__DisconnectPolicy *d, struct err *err)
{
	if (strcmp(d->keep, "original") != 0 && strcmp(d->keep, "replacement") != 0)
		return err_field(err, ERR_INVALID, "disconnect.keep",
		    "disconnect.keep: \"%.40s\" is unknown; allowed: original, replacement",
		    d->keep);
	if (d->stop_on_host_after_ms && d->stop_on_host_after_ms < BOUND_SILENCE_LEAST_MS)
		return err_field(err, ERR_INVALID, "disconnect.stop_on_host_after_ms",
		    "disconnect.stop_on_host_after_ms: %u is out of range; allowed: at least %d "
		    "milliseconds",
		    d->stop_on_host_after_ms, BOUND_SILENCE_LEAST_MS);
	return 0;
}

static int
check_rules(const Fairlead__V1__SessionSpec *s, struct arena *arena, struct err *err)
{
	const Fairlead__V1__ExecutorSpec *e = s->executor;

	if (name_check(s->name, "name", err) != 0 || name_check(s->pool, "pool", err) != 0)
		return -1;
	if (check_restart(s->restart, err) != 0 || check_disconnect(s->disconnect, err) != 0)
		return -1;
	if (e->restart || e->stop_on_host_after_ms)
		return err_field(err, ERR_INVALID, e->restart ? "executor.restart" : "executor",
		    "executor: restart and disconnect are said for the session, not here");
	if (strcmp(e->driver, "process") != 0 && strcmp(e->driver, "fake") != 0)
		return err_field(err, ERR_INVALID, "executor.driver",
		    "executor.driver: \"%.40s\" is not supported by this version; allowed: "
		    "process, fake",
		    e->driver);
	if (*e->working_dir && e->working_dir[0] != '/')
		return err_field(err, ERR_INVALID, "executor.working_dir",
		    "executor.working_dir: \"%.60s\" must begin with /", e->working_dir);
	if (session_placement_check(s->placement, arena, err) != 0 || check_command(e, err) != 0)
		return -1;
	return check_env(e, arena, err);
}

int
session_spec_check(Fairlead__V1__SessionSpec *spec, struct arena *arena, struct err *err)
{
	size_t size;

	if (!spec->executor)
		return err_field(
		    err, ERR_INVALID, "executor", "executor: is missing; it says what to run");
	if (fill_defaults(spec, arena) != 0)
		return no_memory(err);
	for (size_t i = 0; i < COUNT_OF(limits); i++)
		if (check_limit(spec, &limits[i], err) != 0)
			return -1;
	if (check_rules(spec, arena, err) != 0)
		return -1;
	size = protobuf_c_message_get_packed_size(&spec->base);
	if (size > BOUND_SPEC_BYTES)
		return err_field(err, ERR_LIMIT, "executor",
		    "executor: the spec has %zu bytes; allowed: %d in all", size, BOUND_SPEC_BYTES);
	return 0;
}

bool
session_spec_replaces(const Fairlead__V1__SessionSpec *checked)
{
	const Fairlead__V1__DisconnectPolicy *d = checked->disconnect;

	return d->replace_set_case == FAIRLEAD__V1__DISCONNECT_POLICY__REPLACE_SET__NOT_SET ||
	       d->replace;
}

const char *
session_spec_warning(const Fairlead__V1__SessionSpec *checked, struct arena *arena)
{
	const Fairlead__V1__DisconnectPolicy *d = checked->disconnect;
	uint32_t grace_ms = checked->executor->stop_grace_ms;
	bool early = d->replace_after_ms < d->lost_after_ms;
	uint32_t after_ms = early ? d->replace_after_ms : d->lost_after_ms;
	bool said = early || d->stop_on_host_after_ms ||
		    d->replace_set_case != FAIRLEAD__V1__DISCONNECT_POLICY__REPLACE_SET__NOT_SET;

	/* Of what nobody chose nobody is warned: every session would be. */
	if (!said || !session_spec_replaces(checked))
		return NULL;
	if (!d->stop_on_host_after_ms)
		return "a host that is cut off runs an executor on while its replacement runs "
		       "elsewhere; disconnect.stop_on_host_after ends it";
	if ((uint64_t)d->stop_on_host_after_ms + grace_ms < after_ms)
		return NULL;
	return arena_printf(arena,
	    "an executor and its replacement may run at the same time: "
	    "disconnect.stop_on_host_after (%u ms) + executor.stop_grace (%u ms) is not less "
	    "than disconnect.%s (%u ms)",
	    d->stop_on_host_after_ms, grace_ms, early ? "replace_after" : "lost_after", after_ms);
}

Fairlead__V1__ExecutorSpec *
session_spec_executor(const Fairlead__V1__SessionSpec *checked, struct arena *arena)
{
	Fairlead__V1__ExecutorSpec *e = arena_alloc(arena, sizeof(*e));

	if (!e)
		return NULL;
	*e = *checked->executor;
	if (strcmp(checked->restart->policy, "never") != 0)
		e->restart = checked->restart;
	e->stop_on_host_after_ms = checked->disconnect->stop_on_host_after_ms;
	return e;
}
