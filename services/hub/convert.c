#include "convert.h"

#include <string.h>

#include "arena.h"
#include "codec.h"
#include "err.h"

/* protobuf-c's generated structs have no const; nobody writes through these pointers. */
static char *
text(const char *t)
{
	return (char *)(uintptr_t)(t ? t : "");
}

static int
no_room(struct err *err)
{
	return err_set(
	    err, ERR_LIMIT, "the answer is larger than this hub can hold: ask for a page");
}

#define NEW(arena, type, init, ret)                                                                \
	do {                                                                                       \
		*(ret) = arena_alloc((arena), sizeof(type));                                       \
		if (*(ret))                                                                        \
			init(*(ret));                                                              \
	} while (0)

void
convert_counters(const uint64_t n[100], Fairlead__V1__Counters *ret)
{
	ret->queued = (uint32_t)n[EXECUTOR_QUEUED];
	ret->placed = (uint32_t)n[EXECUTOR_PLACED];
	ret->accepted = (uint32_t)n[EXECUTOR_ACCEPTED];
	ret->pulling = (uint32_t)n[EXECUTOR_PULLING];
	ret->starting = (uint32_t)n[EXECUTOR_STARTING];
	ret->running = (uint32_t)n[EXECUTOR_RUNNING];
	ret->backoff = (uint32_t)n[EXECUTOR_BACKOFF];
	ret->stopping = (uint32_t)n[EXECUTOR_STOPPING];
	ret->succeeded = n[EXECUTOR_SUCCEEDED];
	ret->failed = n[EXECUTOR_FAILED];
	ret->stopped = n[EXECUTOR_STOPPED];
	ret->rejected = n[EXECUTOR_REJECTED];
	ret->lost = n[EXECUTOR_LOST];
	ret->expired = n[EXECUTOR_EXPIRED];
	ret->cancelled = n[EXECUTOR_CANCELLED];
}

static int
convert_spec(const void *body, size_t size, struct arena *a, Fairlead__V1__ExecutorSpec **ret,
    struct err *err)
{
	ProtobufCMessage *m;

	if (wire_decode(&fairlead__v1__executor_spec__descriptor, WIRE_PROTOBUF, body, size, a, &m,
		err) != 0)
		return err_wrap(err, "stored executor spec");
	*ret = (Fairlead__V1__ExecutorSpec *)m;
	return 0;
}

int
convert_session(
    const struct store_session *row, struct arena *a, Fairlead__V1__Session **ret, struct err *err)
{
	Fairlead__V1__Session *m;
	ProtobufCMessage *spec;

	NEW(a, Fairlead__V1__Session, fairlead__v1__session__init, &m);
	if (!m)
		return no_room(err);
	m->counters = arena_alloc(a, sizeof(*m->counters));
	if (!m->counters)
		return no_room(err);
	fairlead__v1__counters__init(m->counters);
	convert_counters(row->counters, m->counters);
	m->session_id = wire_bytes_of_id(&row->session_id, a);
	m->name = text(row->name);
	m->pool = text(row->pool);
	m->state = (Fairlead__V1__SessionState)row->state;
	m->revision = row->revision;
	m->created_us = row->created_us;
	m->closed_us = row->closed_us;
	m->created_by = text(row->who);
	m->template_revision = row->template_revision;
	m->rolling = row->rolling;
	m->rollout_paused = text(row->rollout_paused);
	if (wire_decode(&fairlead__v1__session_spec__descriptor, WIRE_JSON, row->spec_json,
		strlen(row->spec_json), a, &spec, err) != 0)
		return err_wrap(err, "stored spec of session %s", row->name);
	m->spec = (Fairlead__V1__SessionSpec *)spec;
	*ret = m;
	return 0;
}

int
convert_why(const struct store_why *rows, size_t n, struct arena *a, Fairlead__V1__WhyReason ***ret,
    struct err *err)
{
	Fairlead__V1__WhyReason **list = arena_calloc(a, n + 1, sizeof(*list));

	if (!list)
		return no_room(err);
	for (size_t i = 0; i < n; i++) {
		NEW(a, Fairlead__V1__WhyReason, fairlead__v1__why_reason__init, &list[i]);
		if (!list[i])
			return no_room(err);
		list[i]->reason = text(rows[i].reason);
		list[i]->hosts = rows[i].hosts;
	}
	*ret = list;
	return 0;
}

int
convert_avoided(const struct store_avoided *rows, size_t n, struct arena *a,
    Fairlead__V1__AvoidedHost ***ret, size_t *ret_n, struct err *err)
{
	Fairlead__V1__AvoidedHost **list = arena_calloc(a, n + 1, sizeof(*list));

	if (!list)
		return no_room(err);
	for (size_t i = 0; i < n; i++) {
		NEW(a, Fairlead__V1__AvoidedHost, fairlead__v1__avoided_host__init, &list[i]);
		if (!list[i])
			return no_room(err);
		list[i]->host = text(rows[i].host_id);
		list[i]->ends = rows[i].ends;
		list[i]->weight = (uint32_t)rows[i].weight;
		list[i]->last_us = rows[i].last_us;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

static void
executor_times(const struct store_executor *row, Fairlead__V1__Executor *m)
{
	m->queued_us = row->queued_us;
	m->placed_us = row->placed_us;
	m->sent_us = row->sent_us;
	m->accepted_us = row->accepted_us;
	m->starting_us = row->starting_us;
	m->running_us = row->running_us;
	m->ended_us = row->ended_us;
	m->gone_us = row->gone_us;
	m->starting_after_us = row->starting_after_us;
	m->running_after_us = row->running_after_us;
	m->ended_after_us = row->ended_after_us;
}

int
convert_executor(const struct store_executor *row, bool with_spec, struct arena *a,
    Fairlead__V1__Executor **ret, struct err *err)
{
	Fairlead__V1__Executor *m;

	NEW(a, Fairlead__V1__Executor, fairlead__v1__executor__init, &m);
	if (!m)
		return no_room(err);
	m->executor_id = wire_bytes_of_id(&row->executor_id, a);
	m->session = text(row->session);
	m->index = row->index;
	m->attempt = row->attempt;
	m->host = text(row->host_id);
	m->state = (Fairlead__V1__ExecutorState)row->state;
	m->desired = (Fairlead__V1__Desired)row->desired;
	m->generation = row->generation;
	m->accepted_generation = row->accepted_generation;
	m->gone_generation = row->gone_generation;
	m->incarnation = row->incarnation;
	m->exit_code = row->exit_code;
	m->signal = row->signal;
	m->oom = row->oom;
	m->started = row->started;
	m->reason = text(row->reason);
	m->detail = text(row->detail);
	m->late_outcome = text(row->late_outcome);
	m->stopped_for = text(row->stopped_for);
	m->revision = row->revision;
	executor_times(row, m);
	m->n_why = row->why_count;
	if (convert_why(row->why, row->why_count, a, &m->why, err) != 0)
		return -1;
	if (with_spec && row->spec_body &&
	    convert_spec(row->spec_body, row->spec_size, a, &m->spec, err) != 0)
		return -1;
	*ret = m;
	return 0;
}

static Fairlead__V1__Resources *
resources(const struct resources *r, struct arena *a)
{
	Fairlead__V1__Resources *m;

	NEW(a, Fairlead__V1__Resources, fairlead__v1__resources__init, &m);
	if (!m)
		return NULL;
	m->cpu_millis = (uint32_t)r->cpu_millis;
	m->memory_bytes = (uint64_t)r->memory_bytes;
	m->disk_bytes = (uint64_t)r->disk_bytes;
	m->gpus = (uint32_t)r->gpus;
	m->slots = (uint32_t)r->slots;
	return m;
}

static int
host_labels(const struct store_host *row, struct arena *a, Fairlead__V1__Host *m, struct err *err)
{
	m->labels = arena_calloc(a, row->label_count + 1, sizeof(*m->labels));
	if (!m->labels)
		return no_room(err);
	for (size_t i = 0; i < row->label_count; i++) {
		NEW(a, Fairlead__V1__Entry, fairlead__v1__entry__init, &m->labels[i]);
		if (!m->labels[i])
			return no_room(err);
		m->labels[i]->key = text(row->labels[i].key);
		m->labels[i]->value = text(row->labels[i].value);
	}
	m->n_labels = row->label_count;
	return 0;
}

static int
host_capabilities(
    const struct store_host *row, struct arena *a, Fairlead__V1__Host *m, struct err *err)
{
	size_t room = strlen(row->capabilities) / 2 + 1;
	char *words = arena_strdup(a, row->capabilities), *rest = words;

	m->capabilities = arena_calloc(a, room, sizeof(*m->capabilities));
	if (!m->capabilities || !words)
		return no_room(err);
	for (char *word; (word = strtok_r(rest, " ", &rest));)
		m->capabilities[m->n_capabilities++] = word;
	return 0;
}

static int
host_drivers(const struct store_host *row, struct arena *a, Fairlead__V1__Host *m, struct err *err)
{
	m->drivers = arena_calloc(a, row->driver_count + 1, sizeof(*m->drivers));
	if (!m->drivers)
		return no_room(err);
	for (size_t i = 0; i < row->driver_count; i++) {
		Fairlead__V1__HostDriver *d;

		NEW(a, Fairlead__V1__HostDriver, fairlead__v1__host_driver__init, &d);
		if (!d)
			return no_room(err);
		d->name = text(row->drivers[i].name);
		d->detail = text(row->drivers[i].detail);
		d->usable = row->drivers[i].usable;
		d->enforces_cpu = row->drivers[i].enforces_cpu;
		d->enforces_memory = row->drivers[i].enforces_memory;
		m->drivers[i] = d;
	}
	m->n_drivers = row->driver_count;
	return 0;
}

/* A flag somebody set: who, why, since when. */
static int
flag_set(int64_t since_us, const char *author, const char *reason, struct arena *a,
    Fairlead__V1__Flag **ret, struct err *err)
{
	if (since_us == 0)
		return 0;
	NEW(a, Fairlead__V1__Flag, fairlead__v1__flag__init, ret);
	if (!*ret)
		return no_room(err);
	(*ret)->set = true;
	(*ret)->author = text(author);
	(*ret)->reason = text(reason);
	(*ret)->since_us = since_us;
	return 0;
}

static int
host_flags(const struct store_host *row, struct arena *a, Fairlead__V1__Host *m, struct err *err)
{
	m->drain_deadline_us = row->drain_deadline_us;
	if (flag_set(row->draining_us, row->drained_by, row->cordon_reason, a, &m->draining, err) !=
	    0)
		return -1;
	return flag_set(
	    row->cordoned_us, row->cordoned_by, row->cordon_reason, a, &m->cordoned, err);
}

int
convert_host(const struct store_host *row, int64_t now_us, int64_t heard_us, struct arena *a,
    Fairlead__V1__Host **ret, struct err *err)
{
	Fairlead__V1__Host *m;

	NEW(a, Fairlead__V1__Host, fairlead__v1__host__init, &m);
	if (!m)
		return no_room(err);
	m->host_id = text(row->host_id);
	m->pool = text(row->pool);
	m->state = (Fairlead__V1__HostState)row->state;
	m->epoch = row->epoch;
	m->boot_id = text(row->boot_id);
	m->agent_version = text(row->agent_version);
	m->protocol_revision = row->protocol_revision;
	m->arch = text(row->arch);
	m->kernel = text(row->kernel);
	m->capacity = resources(&row->capacity, a);
	m->used = resources(&row->used, a);
	if (!m->capacity || !m->used)
		return no_room(err);
	m->overcommitted = row->overcommitted;
	m->first_seen_us = row->first_seen_us;
	m->last_hello_us = row->last_hello_us;
	m->last_heartbeat_us =
	    heard_us > row->last_heartbeat_us ? heard_us : row->last_heartbeat_us;
	if (m->last_heartbeat_us > 0 && now_us > m->last_heartbeat_us)
		m->heartbeat_age_ms = (now_us - m->last_heartbeat_us) / 1000;
	m->executors = row->executors;
	m->unknown = row->unknown;
	m->host_seq = row->host_seq;
	m->contiguous_seq = row->contiguous_seq;
	m->rtt_us = row->rtt_us;
	m->server = text(row->server);
	m->suspect_since_us = row->suspect_since_us;
	m->suspect_reason = text(row->suspect_reason);
	m->verdict_held = row->verdict_held;
	m->lost_confirmed_by = text(row->lost_confirmed_by);
	if (host_labels(row, a, m, err) != 0 || host_drivers(row, a, m, err) != 0 ||
	    host_capabilities(row, a, m, err) != 0 || host_flags(row, a, m, err) != 0)
		return -1;
	*ret = m;
	return 0;
}

int
convert_unknown(const struct store_unknown *rows, size_t n, struct arena *a,
    Fairlead__V1__UnknownExecutor ***ret, struct err *err)
{
	Fairlead__V1__UnknownExecutor **list = arena_calloc(a, n + 1, sizeof(*list));

	if (!list)
		return no_room(err);
	for (size_t i = 0; i < n; i++) {
		NEW(a, Fairlead__V1__UnknownExecutor, fairlead__v1__unknown_executor__init,
		    &list[i]);
		if (!list[i])
			return no_room(err);
		list[i]->executor_id = wire_bytes_of_id(&rows[i].executor_id, a);
		list[i]->generation = rows[i].generation;
		list[i]->since_us = rows[i].since_us;
		list[i]->told_us = rows[i].told_us;
		list[i]->told_by = text(rows[i].told_by);
	}
	*ret = list;
	return 0;
}
