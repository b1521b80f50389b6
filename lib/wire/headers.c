#include "headers.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "arena.h"
#include "codec_private.h"
#include "err.h"
#include "fairlead/v1/api.pb-c.h"
#include "fairlead/v1/common.pb-c.h"
#include "fairlead/v1/host.pb-c.h"
#include "id.h"
#include "state.h"

#define SUMMARY_BYTES 200
#define KIND_BYTES 64

/* One line that grows.  What does not fit is left out; what a header must not hold becomes '?'. */
struct line {
	char text[SUMMARY_BYTES];
	size_t used;
};

static void line_add(struct line *l, const char *format, ...) PRINTF(2, 3);

static void
line_add(struct line *l, const char *format, ...)
{
	size_t room = sizeof(l->text) - l->used;
	va_list args;

	va_start(args, format);
	int n = vsnprintf(l->text + l->used, room, format, args);
	va_end(args);
	if (n > 0)
		l->used += (size_t)n < room ? (size_t)n : room - 1;
}

/* Control characters would end the header; a character cut in half would end as garbage. */
static void
line_clean(struct line *l)
{
	for (size_t i = 0; i < l->used;) {
		size_t n = codec_utf8_length((const unsigned char *)l->text + i, l->used - i);
		if (n == 0 || (unsigned char)l->text[i] < ' ' || l->text[i] == 0x7f)
			l->text[i] = '?';
		i += n ? n : 1;
	}
}

/* "web/0", or the id where the sender knew no name. */
static void
line_add_executor(struct line *l, const char *name, const ProtobufCBinaryData *id)
{
	char hex[ID_HEX_BYTES];
	struct err ignored;
	struct id parsed;

	if (name && *name)
		line_add(l, "%.96s", name);
	else if (wire_id(id, "id", &parsed, &ignored) == 0)
		line_add(l, "%s", id_to_hex(&parsed, hex));
	else
		line_add(l, "?");
}

/* What a person would call the order: "absent" is the record's end, said to a host. */
static const char *
order_text(enum desired_state desired)
{
	return desired == DESIRED_ABSENT ? "forget" : desired_state_text(desired);
}

static void
add_items(struct line *l, Fairlead__V1__CommandItem *const *items, size_t n)
{
	if (n == 0) {
		line_add(l, "nothing");
		return;
	}
	line_add(l, "%s ", order_text((enum desired_state)items[0]->desired));
	line_add_executor(l, items[0]->name, &items[0]->executor_id);
	if (n > 1)
		line_add(l, " +%zu", n - 1);
}

static void
sum_command(struct line *l, const ProtobufCMessage *message)
{
	const Fairlead__V1__Command *m = (const Fairlead__V1__Command *)message;

	add_items(l, m->items, m->n_items);
}

/* Which run of it, and how it ended: "failed, exit 7". */
static void
add_state(struct line *l, const Fairlead__V1__ExecutorReport *e)
{
	line_add(l, " %s", executor_state_text((enum executor_state)e->state));
	if (e->incarnation > 1)
		line_add(l, ", run %u", e->incarnation);
	if (!executor_state_ended((enum executor_state)e->state))
		return;
	if (e->oom)
		line_add(l, ", out of memory");
	else if (e->signal > 0)
		line_add(l, ", signal %d", e->signal);
	else if (e->exit_code > 0)
		line_add(l, ", exit %d", e->exit_code);
	else if (e->reason && *e->reason)
		line_add(l, ", %.60s", e->reason);
}

static void
sum_report(struct line *l, const ProtobufCMessage *message)
{
	const Fairlead__V1__Report *m = (const Fairlead__V1__Report *)message;
	const Fairlead__V1__ExecutorReport *e = m->n_executors ? m->executors[0] : NULL;

	line_add(l, "report ");
	if (!e) {
		line_add(l, "nothing");
		return;
	}
	line_add_executor(l, e->name, &e->executor_id);
	if (e->state)
		add_state(l, e);
	if (e->gone_generation)
		line_add(l, "%s", e->state ? ", gone" : " gone");
	if (m->n_executors > 1)
		line_add(l, " +%zu", m->n_executors - 1);
}

static void
sum_hello(struct line *l, const ProtobufCMessage *message)
{
	const Fairlead__V1__Hello *m = (const Fairlead__V1__Hello *)message;

	line_add(l, "hello %.63s start %llu", m->host_id, (unsigned long long)m->start_no);
}

/* "HELLO_ACCEPTED" -> "accepted": the word behind the enum's prefix. */
static void
add_verdict(struct line *l, const ProtobufCEnumDescriptor *d, int value, size_t prefix)
{
	const ProtobufCEnumValue *row = protobuf_c_enum_descriptor_get_value(d, value);
	const char *name = row && strlen(row->name) > prefix ? row->name + prefix : "unknown";

	for (; *name; name++)
		line_add(l, "%c", *name >= 'A' && *name <= 'Z' ? *name - 'A' + 'a' : *name);
}

static void
sum_hello_answer(struct line *l, const ProtobufCMessage *message)
{
	const Fairlead__V1__HelloAnswer *m = (const Fairlead__V1__HelloAnswer *)message;

	line_add(l, "hello ");
	add_verdict(l, &fairlead__v1__hello_verdict__descriptor, (int)m->verdict, strlen("HELLO_"));
	if (m->epoch)
		line_add(l, " epoch %llu", (unsigned long long)m->epoch);
	if (m->reason && *m->reason)
		line_add(l, ": %.100s", m->reason);
}

static void
sum_sync_request(struct line *l, const ProtobufCMessage *message)
{
	const Fairlead__V1__SyncRequest *m = (const Fairlead__V1__SyncRequest *)message;

	line_add(l, "sync %.63s above %llu", m->host_id, (unsigned long long)m->contiguous_seq);
}

static void
sum_sync_answer(struct line *l, const ProtobufCMessage *message)
{
	const Fairlead__V1__SyncAnswer *m = (const Fairlead__V1__SyncAnswer *)message;

	line_add(l, "sync ");
	add_verdict(l, &fairlead__v1__sync_verdict__descriptor, (int)m->verdict, strlen("SYNC_"));
	line_add(l, " of %zu as of %llu%s", m->n_items, (unsigned long long)m->as_of_seq,
	    m->last ? " last" : "");
}

static void
sum_heartbeat(struct line *l, const ProtobufCMessage *message)
{
	const Fairlead__V1__Heartbeat *m = (const Fairlead__V1__Heartbeat *)message;

	line_add(l, "heartbeat %.63s seq %llu", m->host_id, (unsigned long long)m->contiguous_seq);
}

static void
sum_heartbeat_answer(struct line *l, const ProtobufCMessage *message)
{
	const Fairlead__V1__HeartbeatAnswer *m = (const Fairlead__V1__HeartbeatAnswer *)message;

	line_add(l, "heartbeat ");
	add_verdict(
	    l, &fairlead__v1__heartbeat_verdict__descriptor, (int)m->verdict, strlen("HEARTBEAT_"));
	line_add(l, " seq %llu", (unsigned long long)m->host_seq);
}

static void
sum_log_tail(struct line *l, const ProtobufCMessage *message)
{
	const Fairlead__V1__LogTailRequest *m = (const Fairlead__V1__LogTailRequest *)message;

	line_add(l, "logs ");
	line_add_executor(l, m->name, &m->executor_id);
}

static void
sum_log_tail_answer(struct line *l, const ProtobufCMessage *message)
{
	const Fairlead__V1__LogTailAnswer *m = (const Fairlead__V1__LogTailAnswer *)message;

	if (m->error)
		line_add(l, "logs refused: %.100s", m->error->message);
	else
		line_add(
		    l, "logs %zu of %llu bytes", m->data.len, (unsigned long long)m->total_bytes);
}

/* "executor.failed web/0 on h1: exit 7" */
static void
sum_event(struct line *l, const ProtobufCMessage *message)
{
	const Fairlead__V1__Event *m = (const Fairlead__V1__Event *)message;
	const char *about = *m->executor ? m->executor : m->session;

	line_add(l, "%.40s%s%.96s", m->kind, *about ? " " : "", about);
	if (*m->host)
		line_add(l, "%s%.63s", *about ? " on " : " ", m->host);
	if (*m->text)
		line_add(l, ": %.100s", m->text);
}

static void
sum_error(struct line *l, const ProtobufCMessage *message)
{
	const Fairlead__V1__Error *m = (const Fairlead__V1__Error *)message;

	line_add(l, "%.20s: %.150s", m->kind, m->message);
}

/* One row per message that travels between hosts and the control plane, and for events.  The API's
 * messages need none: their kind is their name ("session.create") and their summary what they name.
 */
static const struct row {
	const ProtobufCMessageDescriptor *descriptor;
	const char *kind;
	void (*summarize)(struct line *l, const ProtobufCMessage *m);
} rows[] = {
    {&fairlead__v1__command__descriptor, "command", sum_command},
    {&fairlead__v1__report__descriptor, "report", sum_report},
    {&fairlead__v1__hello__descriptor, "hello", sum_hello},
    {&fairlead__v1__hello_answer__descriptor, "hello.answer", sum_hello_answer},
    {&fairlead__v1__sync_request__descriptor, "sync", sum_sync_request},
    {&fairlead__v1__sync_answer__descriptor, "sync.answer", sum_sync_answer},
    {&fairlead__v1__heartbeat__descriptor, "heartbeat", sum_heartbeat},
    {&fairlead__v1__heartbeat_answer__descriptor, "heartbeat", sum_heartbeat_answer},
    {&fairlead__v1__log_tail_request__descriptor, "logs", sum_log_tail},
    {&fairlead__v1__log_tail_answer__descriptor, "logs.answer", sum_log_tail_answer},
    {&fairlead__v1__event__descriptor, "event", sum_event},
    {&fairlead__v1__error__descriptor, "error", sum_error},
};

/* "SessionCreateRequest" -> "session.create", "SessionCreateAnswer" -> "session.create.answer". */
static void
kind_of_name(const char *name, char kind[KIND_BYTES])
{
	size_t length = strlen(name), used = 0;

	if (length > 7 && strcmp(name + length - 7, "Request") == 0)
		length -= 7;
	for (size_t i = 0; i < length && used + 2 < KIND_BYTES; i++) {
		bool upper = name[i] >= 'A' && name[i] <= 'Z';
		if (upper && i > 0)
			kind[used++] = '.';
		kind[used++] = upper ? (char)(name[i] - 'A' + 'a') : name[i];
	}
	kind[used] = '\0';
}

/* The text of the first field that says whom a message is about, "" when there is none. */
static const char *
object_of(const ProtobufCMessage *m)
{
	static const char *const names[] = {"name", "host_id", "session"};

	for (size_t i = 0; i < COUNT_OF(names); i++) {
		const ProtobufCFieldDescriptor *f =
		    protobuf_c_message_descriptor_get_field_by_name(m->descriptor, names[i]);
		const void *at = f ? (const char *)m + f->offset : NULL;
		if (f && f->type == PROTOBUF_C_TYPE_STRING && *(char *const *)at)
			return *(char *const *)at;
		if (f && f->type == PROTOBUF_C_TYPE_MESSAGE && *(ProtobufCMessage *const *)at)
			return object_of(*(ProtobufCMessage *const *)at);
	}
	return "";
}

/* The spec of session.create carries the name. */
static const char *
object_of_request(const ProtobufCMessage *m)
{
	const ProtobufCFieldDescriptor *f =
	    protobuf_c_message_descriptor_get_field_by_name(m->descriptor, "spec");
	const char *text = object_of(m);
	const void *at = f ? (const char *)m + f->offset : NULL;

	if (!*text && f && f->type == PROTOBUF_C_TYPE_MESSAGE && *(ProtobufCMessage *const *)at)
		text = object_of(*(ProtobufCMessage *const *)at);
	return text;
}

static void
add(struct wire_headers *h, const char *name, const char *value)
{
	if (value && *value && h->count < HEADERS_MAX)
		h->rows[h->count++] = (struct wire_header){name, value};
}

void
wire_headers_of(struct wire_headers *h, const ProtobufCMessage *m, enum wire_encoding e,
    const char *host, const char *trace, struct arena *arena)
{
	const struct row *row = NULL;
	struct line line = {.used = 0};
	char kind[KIND_BYTES];

	for (size_t i = 0; !row && i < COUNT_OF(rows); i++)
		if (rows[i].descriptor == m->descriptor)
			row = &rows[i];
	if (row) {
		snprintf(kind, sizeof(kind), "%s", row->kind);
		row->summarize(&line, m);
	} else {
		const char *object = object_of_request(m);
		kind_of_name(m->descriptor->short_name, kind);
		line_add(&line, "%s%s%.100s", kind, *object ? " " : "", object);
	}
	line_clean(&line);
	h->count = 0;
	add(h, HEADER_CONTENT_TYPE, wire_content_type(m->descriptor, e, arena));
	add(h, HEADER_KIND, arena_strdup(arena, kind));
	add(h, HEADER_HOST, host);
	add(h, HEADER_SUMMARY, arena_strdup(arena, line.text));
	add(h, HEADER_TRACE, trace);
}
