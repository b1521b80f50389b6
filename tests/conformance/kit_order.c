/* kit_order: what the control plane orders, and every way it reaches the agent. */
#include "kit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "courier.h"

static struct kit_order *
add(struct kit *k)
{
	struct kit_order *o = &k->orders[k->order_count];

	assert_true(k->order_count < KIT_ORDERS_MAX);
	k->order_count++;
	memset(o, 0, sizeof(*o));
	return o;
}

struct kit_order *
kit_order(struct kit *k, const char *script)
{
	struct kit_order *o = add(k);

	o->id = id_new();
	o->generation = KIT_TERM + 1;
	o->host_seq = ++k->host_seq;
	o->desired = RUN;
	o->driver = k->options->driver;
	o->grace_ms = 10000;
	o->newest = true;
	snprintf(o->script, sizeof(o->script), "%s", script);
	return o;
}

struct kit_order *
kit_next(struct kit *k, const struct kit_order *of, Fairlead__V1__Desired desired)
{
	struct kit_order *o = add(k);

	*o = *of;
	for (size_t i = 0; i < k->order_count; i++)
		if (id_equal(&k->orders[i].id, &of->id))
			k->orders[i].newest = false;
	o->newest = true;
	o->generation++;
	o->host_seq = ++k->host_seq;
	o->desired = desired;
	return o;
}

/* ---- messages ---- */

/* sh -c 'echo $$ >>"$1"; ...' kit FILE: what it did is in FILE, one line per run. */
static void
fill_command(struct kit *k, const struct kit_order *o, Fairlead__V1__ExecutorSpec *spec)
{
	char path[KIT_PATH_BYTES];

	spec->n_command = 5;
	spec->command = arena_calloc(k->arena, spec->n_command, sizeof(char *));
	spec->command[0] = arena_strdup(k->arena, "/bin/sh");
	spec->command[1] = arena_strdup(k->arena, "-c");
	spec->command[2] = arena_printf(k->arena, "echo $$ >>\"$1\"; %s", o->script);
	spec->command[3] = arena_strdup(k->arena, "kit");
	spec->command[4] = arena_strdup(k->arena, kit_file(k, &o->id, "", path));
}

static Fairlead__V1__ExecutorSpec *
spec_of(struct kit *k, const struct kit_order *o)
{
	Fairlead__V1__ExecutorSpec *spec = arena_alloc(k->arena, sizeof(*spec));

	fairlead__v1__executor_spec__init(spec);
	spec->driver = arena_strdup(k->arena, o->driver);
	spec->stop_grace_ms = o->grace_ms;
	spec->stop_on_host_after_ms = o->stop_on_host_after_ms;
	spec->resources = arena_alloc(k->arena, sizeof(*spec->resources));
	fairlead__v1__resources__init(spec->resources);
	spec->resources->slots = o->slots ? o->slots : 1;
	if (o->restart) {
		spec->restart = arena_alloc(k->arena, sizeof(*spec->restart));
		fairlead__v1__restart_policy__init(spec->restart);
		spec->restart->policy = arena_strdup(k->arena, o->restart);
		spec->restart->backoff_ms = 100;
		spec->restart->backoff_max_ms = 200;
	}
	fill_command(k, o, spec);
	return spec;
}

Fairlead__V1__CommandItem *
kit_item(struct kit *k, const struct kit_order *o)
{
	Fairlead__V1__CommandItem *item = arena_alloc(k->arena, sizeof(*item));

	fairlead__v1__command_item__init(item);
	item->executor_id = wire_bytes_of_id(&o->id, k->arena);
	item->generation = o->generation;
	item->desired = o->desired;
	item->host_seq = o->host_seq;
	item->deadline_us = o->deadline_us;
	item->stop_grace_ms = o->grace_ms;
	item->name = arena_strdup(k->arena, "kit/0");
	item->attempt = 1;
	if (o->desired == RUN)
		item->spec = spec_of(k, o);
	return item;
}

static void
encode(struct kit *k, struct kit_order **orders, size_t n, const char *host_id,
    const struct id *journal_id, const char *subject, struct bus_out *ret)
{
	Fairlead__V1__Command m = FAIRLEAD__V1__COMMAND__INIT;
	struct courier_message out = {.subject = subject, .host = k->host, .message = &m.base};
	struct id message_id = id_new();
	char *hex = arena_alloc(k->arena, ID_HEX_BYTES);
	struct err err;

	m.message_id = wire_bytes_of_id(&message_id, k->arena);
	m.host_id = arena_strdup(k->arena, host_id ? host_id : k->host);
	m.journal_id = wire_bytes_of_id(journal_id ? journal_id : &k->journal_id, k->arena);
	m.cp_now_us = clock_real_us(clock_system()) + k->cp_offset_us;
	m.items = arena_calloc(k->arena, n, sizeof(*m.items));
	for (size_t i = 0; i < n; i++) {
		m.items[m.n_items++] = kit_item(k, orders[i]);
		if (orders[i]->host_seq > m.host_seq)
			m.host_seq = orders[i]->host_seq;
	}
	out.msg_id = id_to_hex(&message_id, hex);
	out.encoding = k->encoding;
	if (courier_encode(&out, k->arena, ret, &err) < 0)
		fail_msg("cannot encode a command: %s", err.text);
}

/* Keeps it for kit_replay. */
static void
remember(struct kit *k, const struct bus_out *out)
{
	struct kit_sent *s = &k->sent[k->sent_count++];
	char *data = arena_alloc(k->sent_arena, out->size);

	assert_true(k->sent_count <= KIT_ORDERS_MAX);
	memcpy(data, out->data, out->size);
	s->data = data;
	s->size = out->size;
	for (size_t i = 0; i < out->header_count; i++)
		if (strcmp(out->headers[i].name, "Content-Type") == 0)
			s->content_type = arena_strdup(k->sent_arena, out->headers[i].value);
}

static void
publish_stored(struct kit *k, const struct bus_out *out)
{
	struct bus_ack ack;
	struct err err;

	remember(k, out);

	if (bus_js_publish(k->bus, out, k->options->patience_ms, &ack, &err) < 0)
		fail_msg("cannot publish a command: %s", err.text);
}

static void
publish(struct kit *k, const struct bus_out *out)
{
	struct err err;

	if (bus_publish(k->bus, out, &err) < 0)
		fail_msg("cannot publish: %s", err.text);
}

void
kit_send(struct kit *k, struct kit_order **orders, size_t n)
{
	char subject[KIT_TEXT_BYTES];
	struct bus_out out;

	snprintf(subject, sizeof(subject), "fl.cmd.%s", k->host);
	encode(k, orders, n, NULL, NULL, subject, &out);
	publish_stored(k, &out);
}

void
kit_send_one(struct kit *k, struct kit_order *order)
{
	kit_send(k, &order, 1);
}

void
kit_send_as(
    struct kit *k, struct kit_order *order, const char *host_id, const struct id *journal_id)
{
	char subject[KIT_TEXT_BYTES];
	struct bus_out out;

	snprintf(subject, sizeof(subject), "fl.cmd.%s", k->host);
	encode(k, &order, 1, host_id, journal_id, subject, &out);
	publish_stored(k, &out);
}

void
kit_send_live(struct kit *k, struct kit_order *order, uint64_t seq, uint64_t last_seq)
{
	char subject[KIT_TEXT_BYTES], texts[2][24];
	struct bus_header headers[16];
	struct bus_out out;

	snprintf(subject, sizeof(subject), "fl.live.%s", k->host);
	snprintf(texts[0], sizeof(texts[0]), "%" PRIu64, seq);
	snprintf(texts[1], sizeof(texts[1]), "%" PRIu64, last_seq);
	encode(k, &order, 1, NULL, NULL, subject, &out);
	assert_true(out.header_count + 2 <= COUNT_OF(headers));
	memcpy(headers, out.headers, out.header_count * sizeof(headers[0]));
	headers[out.header_count++] = (struct bus_header){"Nats-Sequence", texts[0]};
	headers[out.header_count++] = (struct bus_header){"Nats-Last-Sequence", texts[1]};
	out.headers = headers;
	publish(k, &out);
}

void
kit_send_bytes(struct kit *k, const void *data, size_t size, const char *content_type)
{
	struct bus_header header = {"Content-Type", content_type};
	char subject[KIT_TEXT_BYTES];
	struct bus_out out = {.subject = subject,
	    .data = data,
	    .size = size,
	    .headers = &header,
	    .header_count = content_type ? 1 : 0};

	snprintf(subject, sizeof(subject), "fl.live.%s", k->host);
	publish(k, &out);
}

void
kit_replay(struct kit *k, bool newest_first)
{
	for (size_t i = 0, n = k->sent_count; i < n; i++) {
		const struct kit_sent *s = &k->sent[newest_first ? n - 1 - i : i];

		kit_send_bytes(k, s->data, s->size, s->content_type);
	}
}
