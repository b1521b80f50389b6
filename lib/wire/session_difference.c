/* session_difference: the fields in which two specs differ, by descriptors. */
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "codec_private.h"
#include "err.h"
#include "fairlead/v1/api.pb-c.h"
#include "session_file.h"

struct walk {
	struct arena *arena;
	struct session_change *changes;
	size_t max, n; /* n counts those without room, too */
};

/* A field of both, and which element of it; CODEC_NO_INDEX: all of it. */
struct place {
	const ProtobufCMessage *a, *b;
	const ProtobufCFieldDescriptor *field;
	const struct codec_path *path;
};

static void message_walk(struct walk *w, const ProtobufCMessage *a, const ProtobufCMessage *b,
    const ProtobufCMessageDescriptor *d, const struct codec_path *up);

/* ---- what stood there ---- */

/* Long values are cut, between characters. */
static const char *
text_copy(struct walk *w, const char *text)
{
	size_t n = strlen(text);

	if (n <= SESSION_CHANGE_TEXT_BYTES)
		return arena_strdup(w->arena, text);
	n = SESSION_CHANGE_TEXT_BYTES;
	while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	return arena_printf(w->arena, "%.*s...", (int)n, text);
}

static const char *
json_text(struct walk *w, const json_t *json)
{
	char *text = json ? json_dumps(json, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
	const char *copy = text ? text_copy(w, text) : NULL;

	free(text);
	return copy ? copy : "";
}

static const char *
field_text(struct walk *w, const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, size_t i)
{
	struct err ignored = {0};
	const char *text;
	json_t *json;

	if (f->label != PROTOBUF_C_LABEL_REPEATED && (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) &&
	    codec_case(m, f) != f->id)
		return "";
	json = codec_json_write_field(m, f, &ignored);
	text = json_text(w, i == CODEC_NO_INDEX ? json : json_array_get(json, i));
	json_decref(json);
	return text;
}

static const char *
entry_text(struct walk *w, const char *value)
{
	json_t *json = value ? json_string(value) : NULL;
	const char *text = json_text(w, json);

	json_decref(json);
	return text;
}

/* ---- what differs ---- */

/* NULL: there is no room for it, but it counts. */
static struct session_change *
change_add(struct walk *w, const struct codec_path *path)
{
	char buffer[CODEC_PATH_BYTES];
	struct session_change *change = w->n < w->max ? &w->changes[w->n] : NULL;
	const char *field;

	w->n++;
	if (!change)
		return NULL;
	field = arena_strdup(w->arena, codec_path_text(path, buffer));
	/* Without memory it still is a difference. */
	*change = (struct session_change){.field = field ? field : "spec", .from = "", .to = ""};
	return change;
}

static void
place_differs(struct walk *w, const struct place *p)
{
	struct session_change *change = change_add(w, p->path);

	if (!change)
		return;
	change->from = field_text(w, p->a, p->field, p->path->index);
	change->to = field_text(w, p->b, p->field, p->path->index);
}

static bool
text_equal(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool
bytes_equal(const ProtobufCBinaryData *a, const ProtobufCBinaryData *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

static void
value_walk(struct walk *w, const struct place *p, const void *a, const void *b)
{
	const ProtobufCFieldDescriptor *f = p->field;
	bool same;

	if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
		message_walk(w, *(ProtobufCMessage *const *)a, *(ProtobufCMessage *const *)b,
		    f->descriptor, p->path);
		return;
	}
	if (f->type == PROTOBUF_C_TYPE_STRING)
		same = text_equal(*(char *const *)a, *(char *const *)b);
	else if (f->type == PROTOBUF_C_TYPE_BYTES)
		same = bytes_equal(a, b);
	else if (f->type == PROTOBUF_C_TYPE_BOOL)
		same = !*(const protobuf_c_boolean *)a == !*(const protobuf_c_boolean *)b;
	else
		same = memcmp(a, b, codec_element_size(f)) == 0;
	if (!same)
		place_differs(w, p);
}

/* The value of a key; NULL: it is not there.  Looks at i first: the same order is the usual case.
 */
static const char *
entry_find(Fairlead__V1__Entry *const *entries, size_t n, const char *key, size_t i)
{
	for (size_t j = 0; j < n; j++) {
		const Fairlead__V1__Entry *e = entries[(i + j) % n];
		if (strcmp(e->key, key) == 0)
			return e->value;
	}
	return NULL;
}

static void
entry_differs(struct walk *w, const struct codec_path *path, const char *from, const char *to)
{
	struct session_change *change = change_add(w, path);

	if (!change)
		return;
	change->from = entry_text(w, from);
	change->to = entry_text(w, to);
}

/* Maps are equal in any order. */
static void
map_walk(struct walk *w, const struct place *p)
{
	Fairlead__V1__Entry *const *a =
	    *(Fairlead__V1__Entry *const *const *)codec_at(p->a, p->field);
	Fairlead__V1__Entry *const *b =
	    *(Fairlead__V1__Entry *const *const *)codec_at(p->b, p->field);
	size_t n = codec_count(p->a, p->field), m = codec_count(p->b, p->field);

	for (size_t i = 0; i < n; i++) {
		struct codec_path path = {p->path, a[i]->key, CODEC_NO_INDEX};
		const char *to = entry_find(b, m, a[i]->key, i);
		if (!to || strcmp(to, a[i]->value) != 0)
			entry_differs(w, &path, a[i]->value, to);
	}
	for (size_t i = 0; i < m; i++) {
		struct codec_path path = {p->path, b[i]->key, CODEC_NO_INDEX};
		if (!entry_find(a, n, b[i]->key, i))
			entry_differs(w, &path, NULL, b[i]->value);
	}
}

/* Element by element, unless there are more or fewer: then the whole list. */
static void
list_walk(struct walk *w, const struct place *p)
{
	size_t n = codec_count(p->a, p->field);
	const char *left = *(const char *const *)codec_at(p->a, p->field);
	const char *right = *(const char *const *)codec_at(p->b, p->field);

	if (n != codec_count(p->b, p->field)) {
		place_differs(w, p);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct codec_path path = {p->path->up, p->path->name, i};
		struct place element = {p->a, p->b, p->field, &path};
		size_t at = i * codec_element_size(p->field);
		value_walk(w, &element, left + at, right + at);
	}
}

static void
field_walk(struct walk *w, const struct place *p)
{
	const ProtobufCFieldDescriptor *f = p->field;

	if (f->label == PROTOBUF_C_LABEL_REPEATED) {
		if (codec_is_map(f))
			map_walk(w, p);
		else
			list_walk(w, p);
		return;
	}
	if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
		bool one = codec_case(p->a, f) == f->id, two = codec_case(p->b, f) == f->id;
		if (one != two)
			place_differs(w, p);
		if (!one || !two)
			return;
	}
	value_walk(w, p, codec_at(p->a, f), codec_at(p->b, f));
}

/* An absent message is equal to one in which nothing is set. */
static void
message_walk(struct walk *w, const ProtobufCMessage *a, const ProtobufCMessage *b,
    const ProtobufCMessageDescriptor *d, const struct codec_path *up)
{
	ProtobufCMessage *empty;

	if (!a && !b)
		return;
	if (!a || !b) {
		empty = arena_alloc(w->arena, d->sizeof_message);
		if (!empty) {
			(void)change_add(w, up);
			return;
		}
		protobuf_c_message_init(d, empty);
		a = a ? a : empty;
		b = b ? b : empty;
	}
	for (unsigned i = 0; i < d->n_fields; i++) {
		struct codec_path path = {up, d->fields[i].name, CODEC_NO_INDEX};
		struct place place = {a, b, &d->fields[i], &path};
		field_walk(w, &place);
	}
}

/* "replace: true" is what an unsaid replace means. */
static void
replace_walk(struct walk *w, const Fairlead__V1__SessionSpec *a, const Fairlead__V1__SessionSpec *b)
{
	struct codec_path up = {NULL, "disconnect", CODEC_NO_INDEX};
	struct codec_path path = {&up, "replace", CODEC_NO_INDEX};
	struct session_change *change;

	if (session_spec_replaces(a) == session_spec_replaces(b))
		return;
	change = change_add(w, &path);
	if (!change)
		return;
	change->from = session_spec_replaces(a) ? "true" : "false";
	change->to = session_spec_replaces(b) ? "true" : "false";
}

size_t
session_spec_changes(const struct Fairlead__V1__SessionSpec *a,
    const struct Fairlead__V1__SessionSpec *b, struct arena *arena, struct session_change *ret,
    size_t max)
{
	struct walk w = {.arena = arena, .changes = ret, .max = max};
	Fairlead__V1__DisconnectPolicy said = *b->disconnect;
	Fairlead__V1__SessionSpec same = *b;

	replace_walk(&w, a, b);
	said.replace_set_case = a->disconnect->replace_set_case;
	said.replace = a->disconnect->replace;
	same.disconnect = &said;
	message_walk(&w, &a->base, &same.base, &fairlead__v1__session_spec__descriptor, NULL);
	return w.n;
}

const char *
session_spec_difference(const struct Fairlead__V1__SessionSpec *a,
    const struct Fairlead__V1__SessionSpec *b, struct arena *arena)
{
	struct session_change first;

	return session_spec_changes(a, b, arena, &first, 1) > 0 ? first.field : NULL;
}

int
session_spec_rolls(const struct Fairlead__V1__SessionSpec *a,
    const struct Fairlead__V1__SessionSpec *b, struct arena *arena, bool *ret, struct err *err)
{
	const Fairlead__V1__ExecutorSpec *was = session_spec_executor(a, arena);
	const Fairlead__V1__ExecutorSpec *is = session_spec_executor(b, arena);
	struct walk w = {.arena = arena};

	if (!was || !is)
		return err_set(err, ERR_LIMIT, "no room for two specs");
	message_walk(&w, &was->base, &is->base, &fairlead__v1__executor_spec__descriptor, NULL);
	message_walk(&w, &a->placement->base, &b->placement->base,
	    &fairlead__v1__placement_spec__descriptor, NULL);
	*ret = w.n > 0 || a->accept_timeout_ms != b->accept_timeout_ms;
	return 0;
}
