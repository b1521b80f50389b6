#include "dead_letter_read.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "bus.h"
#include "bus_advisory.h"
#include "codec.h"
#include "err.h"
#include "headers.h"
#include "hub_bounds.h"
#include "name.h"
#include "streams.h"
#include "subjects.h"

struct reader {
	struct bus *bus;
	const struct dead_letter_query *q;
	struct arena *arena;
	struct arena *scratch; /* for one body */
	const struct bus_msg *m;
	Fairlead__V1__DeadLetter *row;
	bool failed; /* no memory */
};

static char *
text(struct reader *r, const char *t)
{
	char *copy = t ? arena_strdup(r->arena, t) : NULL;

	r->failed |= t && !copy;
	return copy ? copy : (char *)(uintptr_t)protobuf_c_empty_string;
}

/* ---- the message it is about ---- */

static bool
subject_known(struct reader *r, struct subject_match *ret)
{
	struct err ignored = {0};

	return subject_parse(r->q->prefix, r->row->subject, ret, &ignored) == 0;
}

/* What the type in the headers names, or else what belongs on its subject. */
static const ProtobufCMessageDescriptor *
type_of(struct reader *r, const char *content_type)
{
	const ProtobufCMessageDescriptor *d =
	    content_type ? wire_descriptor_of(content_type) : NULL;
	struct subject_match match;

	if (d || !subject_known(r, &match))
		return d;
	return wire_descriptor_find(subject_row(match.subject)->message);
}

static void
body_summary(struct reader *r, const ProtobufCMessage *body, enum wire_encoding encoding)
{
	struct wire_headers headers = {0};

	wire_headers_of(&headers, body, encoding, NULL, NULL, r->scratch);
	for (size_t i = 0; i < headers.count; i++) {
		if (strcmp(headers.rows[i].name, HEADER_SUMMARY) == 0)
			r->row->payload = text(r, headers.rows[i].value);
	}
}

/* Many are here because nobody can read them: that is an answer too. */
static void
body_read(struct reader *r, const struct bus_msg *m, bool cut)
{
	const char *content_type = bus_msg_header(m, HEADER_CONTENT_TYPE);
	const ProtobufCMessageDescriptor *d = type_of(r, content_type);
	enum wire_encoding encoding =
	    wire_encoding_of(content_type, bus_msg_data(m), bus_msg_size(m));
	ProtobufCMessage *body = NULL;
	struct err why = {0};

	arena_reset(r->scratch);
	if (!d) {
		r->row->payload = text(r, "of no known type");
		return;
	}
	r->row->type = text(r, d->name);
	if (cut)
		r->row->payload = text(r, "only its beginning is kept");
	else if (wire_decode(
		     d, encoding, bus_msg_data(m), bus_msg_size(m), r->scratch, &body, &why) == 0)
		body_summary(r, body, encoding);
	else if (why.kind == ERR_LIMIT)
		r->row->payload = text(r, "too large to look into");
	else
		r->row->payload = text(r, "not readable as its type");
}

/* ---- the two kinds of letters ---- */

static void
sender_set(struct reader *r)
{
	struct subject_match match;
	struct err ignored = {0};

	if (subject_known(r, &match) && match.token_count > 0 &&
	    name_check(match.tokens[0], "host", &ignored) == 0)
		r->row->host = text(r, match.tokens[0]);
}

/* fl.dead.<reason>.<host>, as dead_letter_put writes it. */
static void
letter_read(struct reader *r, const struct subject_match *match)
{
	const char *cut = bus_msg_header(r->m, "Fl-Cut-From");

	r->row->reason = text(r, match->tokens[0]);
	r->row->text = text(r, bus_msg_header(r->m, "Fl-Reason"));
	r->row->subject = text(r, bus_msg_header(r->m, "Fl-Subject"));
	sender_set(r);
	r->row->body_size = cut ? strtoull(cut, NULL, 10) : bus_msg_size(r->m);
	body_read(r, r->m, cut != NULL);
}

/* The message an advisory names is in its stream until that removes it. */
static int
advisory_about(struct reader *r, const struct bus_advisory *found, struct err *err)
{
	CLEANUP(bus_msg_free) struct bus_msg *m = NULL;

	if (!*found->stream || found->stream_seq == 0)
		return 0;
	if (bus_stream_message(r->bus, found->stream, found->stream_seq, &m, err) != 0) {
		if (err->kind != ERR_NOT_FOUND)
			return -1;
		r->row->payload = text(r, "no longer in its stream");
		return 0;
	}
	r->row->subject = text(r, bus_msg_subject(m));
	sender_set(r);
	r->row->body_size = bus_msg_size(m);
	body_read(r, m, false);
	return 0;
}

static int
advisory_read(struct reader *r, const struct bus_advisory *found, struct err *err)
{
	r->row->reason = text(r, found->reason);
	r->row->stream = text(r, found->stream);
	r->row->consumer = text(r, found->consumer);
	r->row->stream_seq = found->stream_seq;
	r->row->deliveries = found->deliveries;
	if (*found->text)
		r->row->text = text(r, found->text);
	else if (!*found->stream)
		r->row->text = text(r, "an advisory that is not readable");
	else
		r->row->text = arena_printf(r->arena,
		    "consumer %s of %s gave up message %" PRIu64 " after %" PRIu64 " deliveries",
		    found->consumer, found->stream, found->stream_seq, found->deliveries);
	r->failed |= !r->row->text;
	return r->failed ? 0 : advisory_about(r, found, err);
}

static int
row_read(struct reader *r, uint64_t seq, struct err *err)
{
	struct subject_match match;
	struct bus_advisory found;
	struct err ignored = {0};

	r->row = arena_alloc(r->arena, sizeof(*r->row));
	if (!r->row)
		return err_set(err, ERR_LIMIT, "the page is larger than this hub can hold");
	fairlead__v1__dead_letter__init(r->row);
	r->row->seq = seq;
	r->row->at_us = bus_msg_stored_us(r->m);
	if (bus_advisory_read(r->m, &found)) {
		if (advisory_read(r, &found, err) != 0)
			return -1;
	} else if (subject_parse(r->q->prefix, bus_msg_subject(r->m), &match, &ignored) == 0 &&
		   match.subject == SUBJECT_DEAD) {
		letter_read(r, &match);
	} else {
		r->row->text = text(r, "nothing that a hub puts here");
		r->row->subject = text(r, bus_msg_subject(r->m));
	}
	if (r->failed)
		return err_set(err, ERR_LIMIT, "the page is larger than this hub can hold");
	return 0;
}

/* ---- a page ---- */

static bool
row_wanted(const struct reader *r)
{
	return (!r->q->host || strcmp(r->q->host, r->row->host) == 0) &&
	       (!r->q->reason || strcmp(r->q->reason, r->row->reason) == 0);
}

/* 1: it is older than what is asked for, and so is all before it. */
static int
look(struct reader *r, uint64_t seq, struct dead_letter_page *ret, struct err *err)
{
	CLEANUP(bus_msg_free) struct bus_msg *m = NULL;

	if (bus_stream_message(r->bus, STREAM_DEAD, seq, &m, err) != 0)
		return err->kind == ERR_NOT_FOUND ? 0 : -1; /* aged out, or pushed out */
	if (bus_msg_stored_us(m) < r->q->since_us)
		return 1;
	r->m = m;
	if (row_read(r, seq, err) != 0)
		return -1;
	if (row_wanted(r))
		ret->rows[ret->n++] = r->row;
	return 0;
}

int
dead_letter_list(struct bus *b, const struct dead_letter_query *q, struct arena *a,
    struct dead_letter_page *ret, struct err *err)
{
	CLEANUP(arena_free) struct arena *scratch = arena_new(LETTER_ARENA_BYTES_MAX);
	struct reader r = {.bus = b, .q = q, .arena = a, .scratch = scratch};
	struct bus_stream_state info;
	uint64_t seq, looked = 0;
	int found = 0;

	if (bus_stream_state(b, STREAM_DEAD, &info, err) != 0)
		return -1;
	*ret = (struct dead_letter_page){.rows = arena_calloc(a, q->limit + 1, sizeof(*ret->rows))};
	if (!scratch || !ret->rows)
		return err_set(err, ERR_LIMIT, "the page is larger than this hub can hold");
	seq = q->before > 0 && q->before <= info.last_seq ? q->before - 1 : info.last_seq;
	if (info.messages == 0)
		return 0;
	for (; seq >= info.first_seq && seq > 0 && ret->n < q->limit; seq--) {
		if (looked++ == LETTERS_LOOKED_AT)
			break;
		found = look(&r, seq, ret, err);
		if (found != 0)
			break;
	}
	if (found < 0)
		return -1;
	if (found == 0 && seq >= info.first_seq && seq > 0)
		ret->next = seq + 1;
	return 0;
}
