/* pg_params: binary parameters and arrays. */
#include <arpa/inet.h>
#include <endian.h>
#include <string.h>

#include "arena.h"
#include "err.h"
#include "pg.h"

#define OID_BOOL 16
#define OID_BYTEA 17
#define OID_INT8 20
#define OID_INT2 21
#define OID_INT4 23
#define OID_TEXT 25
#define OID_TIMESTAMPTZ 1184
#define OID_UUID 2950
#define OID_JSONB 3802

#define ARRAY_HEADER_BYTES 20
#define US_1970_TO_2000 INT64_C(946684800000000)

/* By enum pg_type. */
static const struct {
	Oid element, array;
} types[] = {
    [PG_UUID] = {OID_UUID, 2951},
    [PG_TEXT] = {OID_TEXT, 1009},
    [PG_INT2] = {OID_INT2, 1005},
    [PG_INT4] = {OID_INT4, 1007},
    [PG_INT8] = {OID_INT8, 1016},
    [PG_BOOL] = {OID_BOOL, 1000},
    [PG_JSONB] = {OID_JSONB, 3807},
};

int
pg_no_room(struct err *err)
{
	return err_set(err, ERR_LIMIT, "no memory for a statement or its answer");
}

void
pg_params_init(struct pg_params *p, struct arena *a)
{
	memset(p, 0, sizeof(*p));
	p->arena = a;
}

static void
param_add(struct pg_params *p, Oid type, const void *data, size_t size)
{
	if (p->count == PG_PARAMS_MAX) {
		p->failed = true;
		return;
	}
	p->types[p->count] = type;
	p->values[p->count] = data;
	p->lengths[p->count] = (int)size;
	p->formats[p->count] = 1;
	p->count++;
}

/* A copy, because the caller's value is on its stack. */
static void
param_add_copy(struct pg_params *p, Oid type, const void *data, size_t size)
{
	void *copy = arena_memdup(p->arena, data, size);

	p->failed = p->failed || !copy;
	param_add(p, type, copy, size);
}

void
pg_add_uuid(struct pg_params *p, const struct id *id)
{
	if (id)
		param_add_copy(p, OID_UUID, id->bytes, ID_BYTES);
	else
		param_add(p, OID_UUID, NULL, 0);
}

void
pg_add_text(struct pg_params *p, const char *text)
{
	param_add(p, OID_TEXT, text, text ? strlen(text) : 0);
}

void
pg_add_bytea(struct pg_params *p, const void *data, size_t size)
{
	param_add(p, OID_BYTEA, data ? data : "", size);
}

void
pg_add_int8(struct pg_params *p, int64_t v)
{
	uint64_t wire = htobe64((uint64_t)v);

	param_add_copy(p, OID_INT8, &wire, sizeof(wire));
}

void
pg_add_int4(struct pg_params *p, int32_t v)
{
	uint32_t wire = htonl((uint32_t)v);

	param_add_copy(p, OID_INT4, &wire, sizeof(wire));
}

void
pg_add_bool(struct pg_params *p, bool v)
{
	uint8_t wire = v ? 1 : 0;

	param_add_copy(p, OID_BOOL, &wire, sizeof(wire));
}

void
pg_add_time(struct pg_params *p, int64_t us)
{
	uint64_t wire = htobe64((uint64_t)(us - US_1970_TO_2000));

	if (us)
		param_add_copy(p, OID_TIMESTAMPTZ, &wire, sizeof(wire));
	else
		param_add(p, OID_TIMESTAMPTZ, NULL, 0);
}

/* jsonb on the wire is a version byte and text. */
void
pg_add_jsonb(struct pg_params *p, const char *json)
{
	size_t n = strlen(json);
	char *wire = arena_alloc(p->arena, n + 1);

	p->failed = p->failed || !wire;
	if (wire) {
		wire[0] = 1;
		// NOLINTNEXTLINE(bugprone-not-null-terminated-result): the length goes with it
		memcpy(wire + 1, json, n);
	}
	param_add(p, OID_JSONB, wire, n + 1);
}

/* ---- arrays ---- */

void
pg_array_begin(struct pg_array *a, struct pg_params *p, enum pg_type type, size_t expected)
{
	memset(a, 0, sizeof(*a));
	a->params = p;
	a->element = types[type].element;
	a->array = types[type].array;
	a->room = ARRAY_HEADER_BYTES + expected * 24 + 64;
	a->data = arena_alloc(p->arena, a->room);
	a->size = ARRAY_HEADER_BYTES;
	p->failed = p->failed || !a->data;
}

static void
array_put(struct pg_array *a, const void *data, size_t n)
{
	uint32_t length = htonl((uint32_t)n);

	if (a->data && a->size + sizeof(length) + n > a->room) {
		size_t room = (a->room + n) * 2;
		uint8_t *larger = arena_alloc(a->params->arena, room);

		if (larger)
			memcpy(larger, a->data, a->size);
		a->data = larger;
		a->room = room;
	}
	if (!a->data) {
		a->params->failed = true;
		return;
	}
	memcpy(a->data + a->size, &length, sizeof(length));
	if (n > 0)
		memcpy(a->data + a->size + sizeof(length), data, n);
	a->size += sizeof(length) + n;
	a->count++;
}

void
pg_put_uuid(struct pg_array *a, const struct id *id)
{
	array_put(a, id->bytes, ID_BYTES);
}

void
pg_put_text(struct pg_array *a, const char *text)
{
	array_put(a, text, strlen(text));
}

void
pg_put_int(struct pg_array *a, int64_t v)
{
	uint64_t w8 = htobe64((uint64_t)v);
	uint32_t w4 = htonl((uint32_t)v);
	uint16_t w2 = htons((uint16_t)v);

	if (a->element == OID_INT8)
		array_put(a, &w8, sizeof(w8));
	else if (a->element == OID_INT4)
		array_put(a, &w4, sizeof(w4));
	else
		array_put(a, &w2, sizeof(w2));
}

void
pg_put_bool(struct pg_array *a, bool v)
{
	uint8_t wire = v ? 1 : 0;

	array_put(a, &wire, sizeof(wire));
}

void
pg_array_end(struct pg_array *a)
{
	/* dimensions, has nulls, element type, length, lower bound */
	uint32_t header[5] = {
	    htonl(a->count > 0 ? 1 : 0), 0, htonl(a->element), htonl(a->count), htonl(1)};
	size_t n = a->count > 0 ? sizeof(header) : 12;

	if (!a->data)
		return;
	memcpy(a->data, header, n);
	param_add(a->params, a->array, a->data, a->count > 0 ? a->size : n);
}

void
pg_add_ids(struct pg_params *p, const struct id *ids, size_t n)
{
	struct pg_array array;

	pg_array_begin(&array, p, PG_UUID, n);
	for (size_t i = 0; i < n; i++)
		pg_put_uuid(&array, &ids[i]);
	pg_array_end(&array);
}
