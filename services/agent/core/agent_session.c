/* agent_session: who is who (K1-K3), what the answer brings (K4, K6), liveness (K11, K24). */
#include "agent_bounds.h"
#include "agent_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "codec.h"
#include "err.h"
#include "mutant.h"

#define HELLO_SPACING_US SECOND_US
#define INTERVAL_LEAST_MS 500u
#define INTERVAL_MOST_MS 60000u

void
session_cp_now(struct agent *a, int64_t cp_now_us)
{
	if (cp_now_us > 0)
		a->cp_offset_us = cp_now_us - agent_now(a);
}

void
session_boot_known(struct agent *a)
{
	if (!a->booted)
		return;
	snprintf(a->meta.boot_id, sizeof(a->meta.boot_id), "%s", a->config.boot_id);
	a->meta_dirty = a->scan = true;
	a->booted = false;
}

static bool
is_nonce(const ProtobufCBinaryData *data, const struct id *nonce)
{
	return !id_is_zero(nonce) && data->len == ID_BYTES &&
	       memcmp(data->data, nonce->bytes, ID_BYTES) == 0;
}

static void
ask_hello_at(struct agent *a, int64_t at_us)
{
	a->want_hello = true;
	if (at_us < a->hello_at_us)
		a->hello_at_us = at_us;
}

void
session_start(struct agent *a)
{
	a->revision = AGENT_PROTOCOL_REVISION;
	ask_hello_at(a, agent_now(a));
}

void
session_connected(struct agent *a)
{
	int64_t now = agent_now(a);

	a->connected = true;
	a->stream_seq = 0;
	a->scan = true;
	a->unanswered = 0;
	if (a->want_hello)
		a->hello_at_us = now;
	if (!a->answered)
		return;
	a->heartbeat_at_us = now;
	a->want_sync = true; /* commands may have passed while nobody listened */
}

void
session_disconnected(struct agent *a)
{
	a->connected = false;
	sync_cancel(a);
}

/* K2: answers with another epoch, or from a hub that thinks us LOST. */
void
session_hello_required(struct agent *a)
{
	int64_t now = agent_now(a);

	if (a->want_hello || a->leaving)
		return;
	agent_note(a, false, "hello.required", NULL, "the control plane asks for a hello");
	sync_cancel(a);
	a->hello_at_us = NEVER;
	ask_hello_at(a,
	    a->hello_sent_us + HELLO_SPACING_US > now ? a->hello_sent_us + HELLO_SPACING_US : now);
}

void
session_heartbeat_answer(struct agent *a, const Fairlead__V1__HeartbeatAnswer *m)
{
	size_t known = 0;

	while (
	    known < HEARTBEATS_REMEMBERED && !is_nonce(&m->nonce_id, &a->heartbeats[known].nonce))
		known++;
	if (known == HEARTBEATS_REMEMBERED) {
		a->stats.refused_messages++;
		return;
	}
	a->stats.heartbeat_answers++;
	a->unanswered = 0;
	if (m->verdict == FAIRLEAD__V1__HEARTBEAT_VERDICT__HEARTBEAT_HELLO_REQUIRED) {
		session_hello_required(a);
		return;
	}
	if (m->verdict != FAIRLEAD__V1__HEARTBEAT_VERDICT__HEARTBEAT_OK || m->epoch != a->epoch)
		return;
	session_cp_now(a, m->cp_now_us);
	contact_heard(
	    a, MUTANT(contact_from_receipt) ? agent_now(a) : a->heartbeats[known].sent_us);
	backoff_stable(&a->hello_backoff, agent_now(a));
	sync_target(a, m->host_seq);
}

static void
interval_from_answer(struct agent *a, uint32_t ms)
{
	if (ms == 0)
		return;
	ms = ms < INTERVAL_LEAST_MS ? INTERVAL_LEAST_MS : ms;
	ms = ms > INTERVAL_MOST_MS ? INTERVAL_MOST_MS : ms;
	a->interval_us = (int64_t)ms * MS_US;
}

/* K6, K19: what the control plane does not know it does not count, while it is being stopped
 * either. */
static void
leave_absent_out(struct agent *a, const Fairlead__V1__HelloAnswer *m)
{
	for (size_t i = 0; i < m->n_absent; i++) {
		struct entry *e = NULL;
		struct err ignored;
		struct id id;

		if (wire_id(&m->absent[i]->executor_id, "absent.executor_id", &id, &ignored) == 0)
			e = table_find(a, &id);
		if (e && e->r.accepted_generation == m->absent[i]->generation)
			e->unknown = true;
	}
}

/* K6: of an older term; they run on, but nobody up there counts them. */
static void
note_unknown(struct agent *a, const Fairlead__V1__HelloAnswer *m)
{
	bool any = m->n_unknown > 0;

	for (struct entry *e = a->entries; e; e = e->hh.next) {
		any = any || e->unknown;
		e->unknown = false;
	}
	if (any)
		a->meta_dirty = true; /* the digest of heartbeats is of what was committed */
	for (size_t i = 0; i < m->n_unknown; i++) {
		struct entry *e = NULL;
		struct err ignored;
		struct id id;

		if (wire_id(&m->unknown[i]->executor_id, "unknown.executor_id", &id, &ignored) == 0)
			e = table_find(a, &id);
		if (!e || e->r.accepted_generation != m->unknown[i]->generation)
			continue; /* ordered anew while the answer was on its way */
		e->unknown = true;
		agent_note(
		    a, true, "executor.unknown", &id, "of an older term of the cell: it runs on");
	}
}

/* K4, K6: epoch, floor, ids the control plane does not know; then sync. */
static void
accepted(struct agent *a, const Fairlead__V1__HelloAnswer *m)
{
	char detail[96];

	a->epoch = m->epoch;
	a->ticket = 0;
	a->revision = AGENT_PROTOCOL_REVISION; /* who answers the next hello may be newer */
	a->answered = true;
	a->want_hello = false;
	a->hello_at_us = NEVER;
	a->unanswered = 0;
	a->scan = true;
	backoff_stable(&a->hello_backoff, agent_now(a));
	session_cp_now(a, m->cp_now_us);
	interval_from_answer(a, m->heartbeat_interval_ms);
	contact_heard(a, a->hello_sent_us);
	sync_raise(a, m->journal_floor);
	for (size_t i = 0; i < m->n_absent; i++) {
		struct err ignored;
		struct id id;

		if (wire_id(&m->absent[i]->executor_id, "absent.executor_id", &id, &ignored) == 0)
			take_absent(a, &id, m->absent[i]->generation, RECORD_SEQ_UNKNOWN, 0);
	}
	note_unknown(a, m);
	leave_absent_out(a, m);
	if (m->report_all)
		report_all(a);
	sync_cancel(a);
	a->want_sync = true;
	a->heartbeat_at_us = agent_now(a);
	snprintf(detail, sizeof(detail),
	    "epoch %" PRIu64 ", floor %" PRIu64 ", %zu unknown executors%s", m->epoch,
	    m->journal_floor, m->n_absent, m->report_all ? ", report all" : "");
	agent_note(a, false, "hello.accepted", NULL, detail);
}

/* A7: a control plane that is older than this agent names the revision it speaks. */
static void
rejected(struct agent *a, const Fairlead__V1__HelloAnswer *m)
{
	agent_note(a, true, "hello.rejected", NULL, m->reason);
	a->ticket = 0;
	if (m->protocol_revision == 0 || m->protocol_revision >= a->revision)
		return;
	a->revision = m->protocol_revision;
	a->hello_at_us = NEVER;
	ask_hello_at(a, agent_now(a));
}

/* Answers come, but later than the next hello goes: asked at that pace each would be late, for
 * ever, and the hubs busy with it.  The newest hello is given twice as long as this answer took. */
static void
hello_late(struct agent *a, const Fairlead__V1__HelloAnswer *m)
{
	size_t slot = m->hello_no % HELLOS_REMEMBERED;
	int64_t wait = 2 * (agent_now(a) - a->hellos[slot].sent_us);

	a->stats.late_answers++; /* on a busy day it is normal */
	if (!a->want_hello || !is_nonce(&m->nonce_id, &a->hellos[slot].nonce))
		return;
	if (wait > HELLO_PATIENCE_MS * MS_US)
		wait = HELLO_PATIENCE_MS * MS_US;
	if (a->hello_at_us < a->hello_sent_us + wait)
		a->hello_at_us = a->hello_sent_us + wait;
}

/* Only the answer to the newest hello counts: it carries its number and its nonce (K2). */
void
session_hello_answer(struct agent *a, const Fairlead__V1__HelloAnswer *m)
{
	if (m->hello_no < a->meta.hello_no) {
		hello_late(a, m);
		return;
	}
	if (m->hello_no != a->meta.hello_no || !is_nonce(&m->nonce_id, &a->hello_nonce)) {
		a->stats.refused_messages++;
		return;
	}
	a->stats.hello_answers++;
	switch (m->verdict) {
	case FAIRLEAD__V1__HELLO_VERDICT__HELLO_ACCEPTED:
		a->hello_nonce = (struct id){0};
		accepted(a, m);
		break;
	case FAIRLEAD__V1__HELLO_VERDICT__HELLO_TICKET:
		a->hello_nonce = (struct id){0};
		a->ticket = m->ticket;
		a->hello_at_us = NEVER;
		ask_hello_at(a, agent_now(a));
		break;
	case FAIRLEAD__V1__HELLO_VERDICT__HELLO_STALE:
		agent_note(a, true, "hello.stale", NULL,
		    "a newer agent is this host: stopping executors and leaving for good");
		act_leave(a, LEAVING_VERDICT, 0);
		break;
	case FAIRLEAD__V1__HELLO_VERDICT__HELLO_RETIRED:
		agent_note(a, true, "hello.retired", NULL,
		    "this host was removed: stopping executors and leaving for good");
		act_leave(a, LEAVING_VERDICT, 0);
		break;
	case FAIRLEAD__V1__HELLO_VERDICT__HELLO_REJECTED:
		rejected(a, m);
		break;
	case FAIRLEAD__V1__HELLO_VERDICT__HELLO_VERDICT_UNSPECIFIED:
	case _FAIRLEAD__V1__HELLO_VERDICT_IS_INT_SIZE:
	default:
		a->stats.refused_messages++;
		break;
	}
}

/* 0.9 to 1.1 of the interval. */
static int64_t
jittered(struct agent *a)
{
	int64_t tenth = a->interval_us / 10;

	return a->interval_us - tenth + (int64_t)(agent_random(a) % (uint64_t)(2 * tenth + 1));
}

static void
heartbeat_due(struct agent *a, int64_t now)
{
	if (!a->answered || !a->connected || a->leaving || now < a->heartbeat_at_us)
		return;
	a->send_heartbeat = true;
	a->heartbeat_at_us = now + jittered(a);
	if (++a->unanswered <= UNANSWERED_MAX || a->want_hello)
		return;
	agent_note(a, true, "heartbeat.unanswered", NULL, "saying hello again");
	ask_hello_at(a, now);
	a->unanswered = 0;
}

void
session_due(struct agent *a)
{
	int64_t now = agent_now(a);

	heartbeat_due(a, now);
	if (!a->want_hello || !a->connected || a->leaving || now < a->hello_at_us)
		return;
	a->send_hello = true;
	a->meta.hello_no++;
	a->meta_dirty = true;
	a->hello_at_us =
	    now + SECOND_US / 2 + backoff_next_us(&a->hello_backoff, now, agent_random(a));
}

int64_t
session_deadline(const struct agent *a)
{
	int64_t at = NEVER;

	if (!a->connected || !a->started || a->leaving)
		return NEVER;
	if (a->want_hello)
		at = a->hello_at_us;
	if (a->answered && a->heartbeat_at_us < at)
		at = a->heartbeat_at_us;
	return at;
}

static Fairlead__V1__Digest *
digest_of(struct agent *a, const struct digest *digest)
{
	Fairlead__V1__Digest *m = effects_alloc(a->out, sizeof(*m));

	fairlead__v1__digest__init(m);
	m->count = digest->count;
	m->sum = digest->sum;
	return m;
}

static void
hello_capacity(struct agent *a, Fairlead__V1__Hello *m)
{
	const struct resources *r = &a->config.capacity;
	Fairlead__V1__Resources *c = effects_alloc(a->out, sizeof(*c));

	fairlead__v1__resources__init(c);
	c->cpu_millis = (uint32_t)r->cpu_millis;
	c->memory_bytes = (uint64_t)r->memory_bytes;
	c->disk_bytes = (uint64_t)r->disk_bytes;
	c->gpus = (uint32_t)r->gpus;
	c->slots = (uint32_t)r->slots;
	m->capacity = c;
}

static void
hello_labels(struct agent *a, Fairlead__V1__Hello *m)
{
	m->n_labels = a->config.label_count;
	m->labels = effects_alloc(a->out, m->n_labels * sizeof(*m->labels));
	for (size_t i = 0; i < m->n_labels; i++) {
		Fairlead__V1__Entry *e = effects_alloc(a->out, sizeof(*e));

		fairlead__v1__entry__init(e);
		e->key = effects_copy(a->out, a->config.labels[i].key);
		e->value = effects_copy(a->out, a->config.labels[i].value);
		m->labels[i] = e;
	}
}

/* What a session may ask for that an older agent would not do. */
static void
hello_capabilities(struct agent *a, Fairlead__V1__Hello *m)
{
	static const char *const words[] = {"restart", "stop_on_host_after"};

	m->n_capabilities = COUNT_OF(words);
	m->capabilities = effects_alloc(a->out, sizeof(words));
	for (size_t i = 0; i < COUNT_OF(words); i++)
		m->capabilities[i] = effects_copy(a->out, words[i]);
}

static void
hello_drivers(struct agent *a, Fairlead__V1__Hello *m)
{
	m->n_drivers = a->config.driver_count;
	m->drivers = effects_alloc(a->out, m->n_drivers * sizeof(*m->drivers));
	for (size_t i = 0; i < m->n_drivers; i++) {
		const struct agent_driver *driver = &a->config.drivers[i];
		Fairlead__V1__DriverInfo *d = effects_alloc(a->out, sizeof(*d));

		fairlead__v1__driver_info__init(d);
		d->name = effects_copy(a->out, driver->name);
		d->usable = driver->probe.usable;
		d->detail = effects_copy(a->out, driver->probe.detail);
		d->enforces_cpu = driver->probe.enforces_cpu;
		d->enforces_memory = driver->probe.enforces_memory;
		m->drivers[i] = d;
	}
}

/* (executor, generation) of every record, tombstones included (K3). */
static void
hello_records(struct agent *a, Fairlead__V1__Hello *m)
{
	m->records = effects_alloc(a->out, HASH_COUNT(a->entries) * sizeof(*m->records));
	for (const struct entry *e = a->entries; e; e = e->hh.next) {
		Fairlead__V1__HelloRecord *r = effects_alloc(a->out, sizeof(*r));

		fairlead__v1__hello_record__init(r);
		r->executor_id = effects_id(a->out, &e->r.executor_id);
		r->generation = e->r.accepted_generation;
		m->records[m->n_records++] = r;
	}
}

void
session_emit_hello(struct agent *a)
{
	Fairlead__V1__Hello *m = effects_alloc(a->out, sizeof(*m));
	struct digest digest = table_digest(a);

	fairlead__v1__hello__init(m);
	a->send_hello = false;
	a->hello_sent_us = agent_now(a);
	a->hello_nonce = id_new();
	a->hellos[a->meta.hello_no % HELLOS_REMEMBERED].nonce = a->hello_nonce;
	a->hellos[a->meta.hello_no % HELLOS_REMEMBERED].sent_us = a->hello_sent_us;
	m->host_id = effects_copy(a->out, a->config.host_id);
	m->journal_id = effects_id(a->out, &a->meta.journal_id);
	m->start_no = a->meta.start_no;
	m->hello_no = a->meta.hello_no;
	m->instance_id = effects_id(a->out, &a->instance_id);
	m->boot_id = effects_copy(a->out, a->config.boot_id);
	m->agent_version = effects_copy(a->out, a->config.version);
	m->protocol_revision = a->revision;
	hello_capabilities(a, m);
	m->encoding = effects_copy(a->out, "protobuf");
	m->pool = effects_copy(a->out, a->config.pool);
	m->arch = effects_copy(a->out, a->config.arch);
	m->kernel = effects_copy(a->out, a->config.kernel);
	m->contiguous_seq = a->meta.contiguous_seq;
	m->digest = digest_of(a, &digest);
	m->ticket = a->ticket;
	m->nonce_id = effects_id(a->out, &a->hello_nonce);
	hello_capacity(a, m);
	hello_labels(a, m);
	hello_drivers(a, m);
	hello_records(a, m);
	effects_add(a->out, AGENT_SEND_HELLO)->u.hello = m;
	a->stats.hellos++;
}

void
session_emit_heartbeat(struct agent *a)
{
	Fairlead__V1__Heartbeat *m = effects_alloc(a->out, sizeof(*m));
	struct id nonce = id_new();
	size_t slot;

	fairlead__v1__heartbeat__init(m);
	a->send_heartbeat = false;
	slot = a->heartbeat_counter++ % HEARTBEATS_REMEMBERED;
	a->heartbeats[slot].nonce = nonce;
	a->heartbeats[slot].sent_us = agent_now(a);
	m->host_id = effects_copy(a->out, a->config.host_id);
	m->epoch = a->epoch;
	m->contiguous_seq = a->durable_contiguous_seq;
	m->digest = digest_of(a, &a->durable_digest);
	m->nonce_id = effects_id(a->out, &nonce);
	m->counter = a->heartbeat_counter;
	m->journal_id = effects_id(a->out, &a->meta.journal_id);
	m->executors = HASH_COUNT(a->entries);
	effects_add(a->out, AGENT_SEND_HEARTBEAT)->u.heartbeat = m;
	a->stats.heartbeats++;
}
