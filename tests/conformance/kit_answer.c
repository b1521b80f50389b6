/* kit_answer: what the control plane says when it is asked. */
#include "kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "courier.h"

static int64_t
cp_now_us(const struct kit *k)
{
	return clock_real_us(clock_system()) + k->cp_offset_us;
}

static void
respond(struct kit *k, const struct bus_msg *m, const ProtobufCMessage *answer)
{
	struct err err;

	if (courier_respond(k->bus, m, answer, k->encoding, k->arena, &err) < 0)
		fail_msg("cannot answer %s: %s", bus_msg_subject(m), err.text);
}

/* Keeps the question; it and its message live until the next of its kind. */
static void
take(struct kit *k, struct kit_question *q, const struct bus_msg *m,
    const ProtobufCMessageDescriptor *d)
{
	struct err err;

	arena_reset(q->arena);
	if (q->msg)
		bus_msg_free(q->msg);
	q->msg = bus_msg_copy(m);
	assert_non_null(q->msg);
	q->m.any = NULL;
	q->count++;
	if (courier_decode(q->msg, d, q->arena, &q->m.any, &err) < 0) {
		kit_print_log(k);
		fail_msg(
		    "%s does not decode as %s: %s", bus_msg_subject(m), d->short_name, err.text);
	}
}

static struct id
id_of(const ProtobufCBinaryData *data)
{
	struct id id = {0};

	if (data->len == ID_BYTES)
		memcpy(id.bytes, data->data, ID_BYTES);
	return id;
}

/* ---- hello ---- */

static Fairlead__V1__AbsentItem **
absent_items(struct kit *k, Fairlead__V1__HelloAnswer *a)
{
	Fairlead__V1__AbsentItem *item = arena_alloc(k->arena, sizeof(*item));
	Fairlead__V1__AbsentItem **items = arena_calloc(k->arena, 1, sizeof(*items));

	fairlead__v1__absent_item__init(item);
	item->executor_id = wire_bytes_of_id(&k->absent->id, k->arena);
	item->generation = k->absent->generation;
	items[0] = item;
	a->n_absent = 1;
	return items;
}

static Fairlead__V1__HelloRecord **
unknown_records(struct kit *k, Fairlead__V1__HelloAnswer *a)
{
	Fairlead__V1__HelloRecord *record = arena_alloc(k->arena, sizeof(*record));
	Fairlead__V1__HelloRecord **records = arena_calloc(k->arena, 1, sizeof(*records));

	fairlead__v1__hello_record__init(record);
	record->executor_id = wire_bytes_of_id(&k->unknown->id, k->arena);
	record->generation = k->unknown->generation;
	records[0] = record;
	a->n_unknown = 1;
	return records;
}

void
kit_answer_hello(struct kit *k, const Fairlead__V1__Hello *q, const struct bus_msg *m,
    Fairlead__V1__HelloVerdict verdict)
{
	Fairlead__V1__HelloAnswer a = FAIRLEAD__V1__HELLO_ANSWER__INIT;

	a.verdict = verdict;
	a.hello_no = q->hello_no;
	a.nonce_id = q->nonce_id;
	a.cp_now_us = cp_now_us(k);
	a.ticket = k->ticket;
	a.protocol_revision = k->options->revision < q->protocol_revision ? k->options->revision
									  : q->protocol_revision;
	if (verdict == FAIRLEAD__V1__HELLO_VERDICT__HELLO_REJECTED)
		a.reason = (char *)(uintptr_t)"the conformance kit says no";
	if (verdict == FAIRLEAD__V1__HELLO_VERDICT__HELLO_ACCEPTED) {
		a.epoch = k->epoch;
		a.journal_floor = k->floor;
		a.heartbeat_interval_ms = KIT_HEARTBEAT_MS;
		a.report_all = k->report_all;
		if (k->absent)
			a.absent = absent_items(k, &a);
		if (k->unknown && a.protocol_revision >= 2)
			a.unknown = unknown_records(k, &a);
		k->accepted++;
	}
	respond(k, m, &a.base);
}

/* A new start is a new epoch (K1); a revision that is not spoken here is refused with ours (A7). */
static void
on_hello(struct kit *k, const struct bus_msg *m)
{
	const Fairlead__V1__Hello *q;
	struct id journal_id;

	take(k, &k->hello, m, &fairlead__v1__hello__descriptor);
	q = k->hello.m.hello;
	k->encoding = strcmp(q->encoding, "json") == 0 ? WIRE_JSON : WIRE_PROTOBUF;
	k->hello_required = false;
	if (k->hello.count == 1)
		k->newest_said = q->protocol_revision;
	journal_id = id_of(&q->journal_id);
	if (q->start_no != k->start_no || !id_equal(&journal_id, &k->journal_id))
		k->epoch++;
	k->start_no = q->start_no;
	k->journal_id = journal_id;
	k->instance_id = id_of(&q->instance_id);
	if (k->mute_hello)
		return;
	kit_answer_hello(k, q, m,
	    q->protocol_revision > k->options->revision
		? FAIRLEAD__V1__HELLO_VERDICT__HELLO_REJECTED
		: k->verdict);
}

/* ---- sync ---- */

static int
by_id(const void *a, const void *b)
{
	const struct kit_order *const *x = a, *const *y = b;

	return id_compare(&(*x)->id, &(*y)->id);
}

/* Newest per executor above what the host has, by executor id (K11). */
static size_t
missed(const struct kit *k, const Fairlead__V1__SyncRequest *q, const struct kit_order **ret)
{
	struct id after = id_of(&q->after_executor_id);
	size_t n = 0;

	for (size_t i = 0; i < k->order_count; i++) {
		const struct kit_order *o = &k->orders[i];

		if (o->newest && o->host_seq > q->contiguous_seq && id_compare(&o->id, &after) > 0)
			ret[n++] = o;
	}
	qsort(ret, n, sizeof(struct kit_order *), by_id);
	return n;
}

static void
on_sync(struct kit *k, const struct bus_msg *m)
{
	Fairlead__V1__SyncAnswer a = FAIRLEAD__V1__SYNC_ANSWER__INIT;
	const struct kit_order *orders[KIT_ORDERS_MAX];
	Fairlead__V1__CommandItem *items[KIT_ORDERS_MAX];
	const Fairlead__V1__SyncRequest *q;
	size_t n;

	take(k, &k->sync, m, &fairlead__v1__sync_request__descriptor);
	q = k->sync.m.sync;
	if (k->mute_sync)
		return;
	a.nonce_id = q->nonce_id;
	a.cp_now_us = cp_now_us(k);
	a.verdict = FAIRLEAD__V1__SYNC_VERDICT__SYNC_PAGE;
	a.as_of_seq = k->as_of ? k->as_of : k->host_seq;
	if (q->epoch != k->epoch || k->hello_required) {
		a.verdict = FAIRLEAD__V1__SYNC_VERDICT__SYNC_HELLO_REQUIRED;
		respond(k, m, &a.base);
		return;
	}
	n = missed(k, q, orders);
	a.n_items = n < k->page_items ? n : k->page_items;
	a.items = items;
	a.last = a.n_items == n;
	for (size_t i = 0; i < a.n_items; i++)
		items[i] = kit_item(k, orders[i]);
	respond(k, m, &a.base);
}

/* ---- heartbeat ---- */

static void
on_heartbeat(struct kit *k, const struct bus_msg *m)
{
	Fairlead__V1__HeartbeatAnswer a = FAIRLEAD__V1__HEARTBEAT_ANSWER__INIT;
	struct courier_message out = {.host = k->host, .message = &a.base};
	const Fairlead__V1__Heartbeat *q;
	char subject[KIT_TEXT_BYTES];
	struct id strange;
	struct err err;

	take(k, &k->heartbeat, m, &fairlead__v1__heartbeat__descriptor);
	q = k->heartbeat.m.heartbeat;
	if (k->mute_heartbeat)
		return;
	a.verdict = q->epoch != k->epoch || k->hello_required
			? FAIRLEAD__V1__HEARTBEAT_VERDICT__HEARTBEAT_HELLO_REQUIRED
			: FAIRLEAD__V1__HEARTBEAT_VERDICT__HEARTBEAT_OK;
	a.nonce_id = q->nonce_id;
	if (k->strange_heartbeat_nonce) {
		strange = id_new();
		a.nonce_id = wire_bytes_of_id(&strange, k->arena);
	}
	a.epoch = k->epoch;
	a.host_seq = k->host_seq;
	a.cp_now_us = cp_now_us(k);
	snprintf(subject, sizeof(subject), "fl.live.%s", k->host);
	out.subject = subject;
	out.encoding = k->encoding;
	if (courier_publish(k->bus, &out, k->arena, &err) < 0)
		fail_msg("cannot answer a heartbeat: %s", err.text);
}

/* ---- all ---- */

static bool
ends_in(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && strcmp(text + n - m, end) == 0;
}

void
kit_handle(struct kit *k, const struct bus_msg *m)
{
	const char *subject = bus_msg_subject(m);

	if (strncmp(subject, "fl.hb.", 6) == 0)
		on_heartbeat(k, m);
	else if (strncmp(subject, "fl.rpt.", 7) == 0)
		kit_report(k, m);
	else if (ends_in(subject, ".hello"))
		on_hello(k, m);
	else if (ends_in(subject, ".sync"))
		on_sync(k, m);
}
