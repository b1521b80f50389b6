/* host_hello: who is who (K1-K6).  The rules are the store's transaction; here a message is checked
 * and translated. */
#include <stdio.h>
#include <string.h>

#include "arena.h"
#include "codec.h"
#include "crash.h"
#include "err.h"
#include "host_verbs.h"
#include "hub.h"
#include "hub_metrics.h"
#include "log.h"
#include "name.h"
#include "store.h"

#include "fairlead/v1/host.pb-c.h"

#define PROTOCOL_REVISION_MIN 1
#define PROTOCOL_REVISION_MAX 2
#define PROTOCOL_REVISION_UNKNOWN 2 /* the first that hears of unknown records (K6) */
#define LABELS_MAX 64
#define LABEL_BYTES_MAX 128
#define TEXT_BYTES_MAX 256

static int
check_text(const char *field, const char *value, struct err *err)
{
	if (strlen(value) > TEXT_BYTES_MAX)
		return err_field(err, ERR_LIMIT, field, "at most %d bytes", TEXT_BYTES_MAX);
	return 0;
}

static int
check_labels(const Fairlead__V1__Hello *q, struct err *err)
{
	if (q->n_labels > LABELS_MAX)
		return err_field(err, ERR_LIMIT, "labels", "at most %d labels", LABELS_MAX);
	for (size_t i = 0; i < q->n_labels; i++) {
		if (!*q->labels[i]->key || strlen(q->labels[i]->key) > LABEL_BYTES_MAX ||
		    strlen(q->labels[i]->value) > LABEL_BYTES_MAX)
			return err_field(err, ERR_LIMIT, "labels",
			    "a label has 1..%d bytes of key and up to %d of value", LABEL_BYTES_MAX,
			    LABEL_BYTES_MAX);
	}
	return 0;
}

static bool
revision_spoken(uint32_t revision)
{
	return revision >= PROTOCOL_REVISION_MIN && revision <= PROTOCOL_REVISION_MAX;
}

static int
hello_check(const struct host_call *call, const Fairlead__V1__Hello *q, struct err *err)
{
	if (name_check(call->host_id, "host_id", err) != 0)
		return -1;
	/* Of another revision nothing else can be judged. */
	if (!revision_spoken(q->protocol_revision))
		return err_field(err, ERR_INVALID, "protocol_revision",
		    "the host speaks revision %u, this hub %d..%d", q->protocol_revision,
		    PROTOCOL_REVISION_MIN, PROTOCOL_REVISION_MAX);
	if (name_check(q->pool, "pool", err) != 0)
		return -1;
	if (strcmp(q->host_id, call->host_id) != 0)
		return err_field(err, ERR_DENIED, "host_id",
		    "the body names host %.64s, the subject %s", q->host_id, call->host_id);
	if (strcmp(q->encoding, "protobuf") != 0 && strcmp(q->encoding, "json") != 0)
		return err_field(err, ERR_INVALID, "encoding", "protobuf or json");
	if (q->n_records > STORE_HOST_RECORDS_MAX)
		return err_field(
		    err, ERR_LIMIT, "records", "at most %d records", STORE_HOST_RECORDS_MAX);
	if (q->n_drivers > STORE_HOST_DRIVERS_MAX)
		return err_field(
		    err, ERR_LIMIT, "drivers", "at most %d drivers", STORE_HOST_DRIVERS_MAX);
	if (!q->capacity)
		return err_field(err, ERR_INVALID, "capacity", "missing");
	if (check_text("boot_id", q->boot_id, err) != 0 ||
	    check_text("agent_version", q->agent_version, err) != 0 ||
	    check_text("arch", q->arch, err) != 0 || check_text("kernel", q->kernel, err) != 0)
		return -1;
	return check_labels(q, err);
}

static int
hello_lists(const struct host_call *call, const Fairlead__V1__Hello *q, struct store_hello *ret,
    struct err *err)
{
	struct label *labels = arena_calloc(call->arena, q->n_labels + 1, sizeof(*labels));
	struct store_driver *drivers =
	    arena_calloc(call->arena, q->n_drivers + 1, sizeof(*drivers));
	struct id *ids = arena_calloc(call->arena, q->n_records + 1, sizeof(*ids));
	uint64_t *generations = arena_calloc(call->arena, q->n_records + 1, sizeof(*generations));

	if (!labels || !drivers || !ids || !generations)
		return err_set(err, ERR_LIMIT, "hello is larger than this hub can hold");
	for (size_t i = 0; i < q->n_labels; i++)
		labels[i] = (struct label){q->labels[i]->key, q->labels[i]->value};
	for (size_t i = 0; i < q->n_drivers; i++)
		drivers[i] = (struct store_driver){.name = q->drivers[i]->name,
		    .detail = q->drivers[i]->detail,
		    .usable = q->drivers[i]->usable,
		    .enforces_cpu = q->drivers[i]->enforces_cpu,
		    .enforces_memory = q->drivers[i]->enforces_memory};
	for (size_t i = 0; i < q->n_records; i++) {
		if (wire_id(&q->records[i]->executor_id, "records.executor_id", &ids[i], err) != 0)
			return -1;
		generations[i] = q->records[i]->generation;
	}
	ret->labels = labels;
	ret->label_count = q->n_labels;
	ret->drivers = drivers;
	ret->driver_count = q->n_drivers;
	ret->record_ids = ids;
	ret->record_generations = generations;
	ret->record_count = q->n_records;
	return 0;
}

static int
hello_from_wire(const struct host_call *call, const Fairlead__V1__Hello *q, struct store_hello *ret,
    struct err *err)
{
	char *capabilities = arena_strdup(call->arena, "");

	for (size_t i = 0; i < q->n_capabilities && capabilities; i++)
		capabilities = arena_printf(
		    call->arena, "%s%s%.64s", capabilities, i ? " " : "", q->capabilities[i]);
	if (!capabilities)
		return err_field(err, ERR_LIMIT, "capabilities", "too many");
	*ret = (struct store_hello){.host_id = call->host_id,
	    .pool = q->pool,
	    .start_no = q->start_no,
	    .hello_no = q->hello_no,
	    .ticket = q->ticket,
	    .boot_id = q->boot_id,
	    .agent_version = q->agent_version,
	    .encoding = q->encoding,
	    .arch = q->arch,
	    .kernel = q->kernel,
	    .protocol_revision = q->protocol_revision,
	    .capabilities = capabilities,
	    .capacity = {.cpu_millis = q->capacity->cpu_millis,
		.memory_bytes = (int64_t)q->capacity->memory_bytes,
		.disk_bytes = (int64_t)q->capacity->disk_bytes,
		.gpus = q->capacity->gpus,
		.slots = q->capacity->slots},
	    .contiguous_seq = q->contiguous_seq,
	    .digest_count = q->digest ? q->digest->count : 0,
	    .digest_sum = q->digest ? q->digest->sum : 0};
	if (wire_id(&q->journal_id, "journal_id", &ret->journal_id, err) != 0 ||
	    wire_id(&q->instance_id, "instance_id", &ret->instance_id, err) != 0)
		return -1;
	return hello_lists(call, q, ret, err);
}

/* By enum store_hello_verdict. */
static const struct {
	Fairlead__V1__HelloVerdict wire;
	const char *text;
} verdicts[] = {
    [STORE_HELLO_ACCEPTED] = {FAIRLEAD__V1__HELLO_VERDICT__HELLO_ACCEPTED, "accepted"},
    [STORE_HELLO_TICKET] = {FAIRLEAD__V1__HELLO_VERDICT__HELLO_TICKET, "ticket"},
    [STORE_HELLO_STALE] = {FAIRLEAD__V1__HELLO_VERDICT__HELLO_STALE, "stale"},
    [STORE_HELLO_RETIRED] = {FAIRLEAD__V1__HELLO_VERDICT__HELLO_RETIRED, "retired"},
    [STORE_HELLO_REJECTED] = {FAIRLEAD__V1__HELLO_VERDICT__HELLO_REJECTED, "rejected"},
};

static int
answer_absent(const struct store_hello_answer *a, struct arena *arena,
    Fairlead__V1__HelloAnswer *ret, struct err *err)
{
	ret->absent = arena_calloc(arena, a->absent_count + 1, sizeof(*ret->absent));
	if (!ret->absent)
		return err_set(err, ERR_LIMIT, "hello answer is larger than this hub can hold");
	for (size_t i = 0; i < a->absent_count; i++) {
		Fairlead__V1__AbsentItem *item = arena_alloc(arena, sizeof(*item));

		if (!item)
			return err_set(
			    err, ERR_LIMIT, "hello answer is larger than this hub can hold");
		fairlead__v1__absent_item__init(item);
		item->executor_id = wire_bytes_of_id(&a->absent[i].executor_id, arena);
		item->generation = a->absent[i].generation;
		ret->absent[i] = item;
	}
	ret->n_absent = a->absent_count;
	return 0;
}

static int
answer_unknown(const struct store_hello_answer *a, struct arena *arena,
    Fairlead__V1__HelloAnswer *ret, struct err *err)
{
	ret->unknown = arena_calloc(arena, a->unknown_count + 1, sizeof(*ret->unknown));
	for (size_t i = 0; ret->unknown && i < a->unknown_count; i++) {
		Fairlead__V1__HelloRecord *item = arena_alloc(arena, sizeof(*item));

		if (!item)
			break;
		fairlead__v1__hello_record__init(item);
		item->executor_id = wire_bytes_of_id(&a->unknown[i].executor_id, arena);
		item->generation = a->unknown[i].generation;
		ret->unknown[ret->n_unknown++] = item;
	}
	if (ret->n_unknown < a->unknown_count)
		return err_set(err, ERR_LIMIT, "hello answer is larger than this hub can hold");
	return 0;
}

/* NULL with *err set. */
static Fairlead__V1__HelloAnswer *
answer_new(const struct host_call *call, const Fairlead__V1__Hello *q, struct err *err)
{
	Fairlead__V1__HelloAnswer *m = arena_alloc(call->arena, sizeof(*m));
	Fairlead__V1__Signature *signature = arena_alloc(call->arena, sizeof(*signature));

	if (!m || !signature) {
		err_set(err, ERR_LIMIT, "hello answer is larger than this hub can hold");
		return NULL;
	}
	fairlead__v1__hello_answer__init(m);
	fairlead__v1__signature__init(signature);
	m->signature = signature;
	m->hello_no = q->hello_no;
	m->nonce_id = q->nonce_id;
	m->protocol_revision =
	    revision_spoken(q->protocol_revision) ? q->protocol_revision : PROTOCOL_REVISION_MAX;
	m->heartbeat_interval_ms = call->hub->settings.heartbeat_interval_ms;
	return m;
}

static void
hello_said(
    const struct host_call *call, const struct store_hello *h, const struct store_hello_answer *a)
{
	hub_metrics_hello(call->hub->metrics, verdicts[a->verdict].text);
	log_info("host.hello", LOG_STR("host", h->host_id),
	    LOG_STR("verdict", verdicts[a->verdict].text), LOG_UINT("epoch", a->epoch),
	    LOG_UINT("hello_no", h->hello_no), LOG_UINT("records", h->record_count),
	    LOG_UINT("absent", a->absent_count), LOG_UINT("unknown", a->unknown_count),
	    LOG_STR("reason", a->reason ? a->reason : ""));
	if (a->verdict == STORE_HELLO_ACCEPTED)
		hub_nudge(call->hub, h->pool);
}

/* What is wrong with the question itself is said in the answer: the agent shows it and tries again.
 */
static int
answer_rejected(const struct host_call *call, const struct err *why, Fairlead__V1__HelloAnswer *m,
    struct err *err)
{
	m->verdict = FAIRLEAD__V1__HELLO_VERDICT__HELLO_REJECTED;
	m->reason = *why->field ? arena_printf(call->arena, "%s: %s", why->field, why->text)
				: arena_strdup(call->arena, why->text);
	if (!m->reason)
		return err_set(err, ERR_LIMIT, "hello answer is larger than this hub can hold");
	hub_metrics_hello(call->hub->metrics, "rejected");
	log_warn("host.rejected", LOG_STR("host", call->host_id), LOG_ERR(why));
	return 0;
}

int
handle_hello(const struct host_call *call, const ProtobufCMessage *question,
    ProtobufCMessage **ret_answer, struct err *err)
{
	const Fairlead__V1__Hello *q = (const Fairlead__V1__Hello *)question;
	Fairlead__V1__HelloAnswer *m = answer_new(call, q, err);
	struct store_hello_answer a = {0};
	struct store_hello h = {0};
	struct err why = {0};

	if (!m)
		return -1;
	*ret_answer = &m->base;
	if (hello_check(call, q, &why) != 0 || hello_from_wire(call, q, &h, &why) != 0 ||
	    store_host_hello(call->store, &h, call->arena, &a, &why) != 0)
		return answer_rejected(call, &why, m, err);
	crash_point("hub.hello.after_commit");
	m->verdict = verdicts[a.verdict].wire;
	m->reason = (char *)(uintptr_t)(a.reason ? a.reason : "");
	m->epoch = a.epoch;
	m->ticket = a.ticket;
	m->journal_floor = a.journal_floor;
	m->report_all = a.report_all;
	m->cp_now_us = a.now_us;
	hello_said(call, &h, &a);
	if (q->protocol_revision >= PROTOCOL_REVISION_UNKNOWN &&
	    answer_unknown(&a, call->arena, m, err) != 0)
		return -1;
	return answer_absent(&a, call->arena, m, err);
}
