#include "pg_host_row.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "err.h"

static const char *
json_text(const json_t *object, const char *key, struct arena *a)
{
	const char *text = json_string_value(json_object_get(object, key));

	return arena_strdup(a, text ? text : "");
}

static int
labels_read(const char *text, struct arena *a, struct store_host *ret, struct err *err)
{
	json_t *json = json_loads(text, 0, NULL), *value;
	const char *key;
	size_t n = 0;

	ret->labels = arena_calloc(a, json_object_size(json) + 1, sizeof(*ret->labels));
	json_object_foreach(json, key, value)
	{
		if (!ret->labels)
			break;
		ret->labels[n].key = arena_strdup(a, key);
		ret->labels[n].value = arena_strdup(a, json_string_value(value));
		n++;
	}
	json_decref(json);
	ret->label_count = n;
	return ret->labels ? 0 : pg_no_room(err);
}

static int
drivers_read(const char *text, struct arena *a, struct store_host *ret, struct err *err)
{
	json_t *json = json_loads(text, 0, NULL), *value;
	size_t i;

	ret->drivers = arena_calloc(a, json_array_size(json) + 1, sizeof(*ret->drivers));
	json_array_foreach(json, i, value)
	{
		if (!ret->drivers)
			break;
		ret->drivers[i] = (struct store_driver){.name = json_text(value, "name", a),
		    .detail = json_text(value, "detail", a),
		    .usable = json_is_true(json_object_get(value, "usable")),
		    .enforces_cpu = json_is_true(json_object_get(value, "enforces_cpu")),
		    .enforces_memory = json_is_true(json_object_get(value, "enforces_memory"))};
	}
	ret->driver_count = json_array_size(json);
	json_decref(json);
	return ret->drivers ? 0 : pg_no_room(err);
}

static struct resources
resources_read(const PGresult *r, int row, int column)
{
	return (struct resources){.cpu_millis = pg_int(r, row, column),
	    .memory_bytes = pg_int(r, row, column + 1),
	    .disk_bytes = pg_int(r, row, column + 2),
	    .gpus = pg_int(r, row, column + 3),
	    .slots = pg_int(r, row, column + 4)};
}

int
pg_host_row(const PGresult *r, int row, struct arena *a, struct store_host *ret, struct err *err)
{
	const struct resources nothing = {0};
	enum resource_dimension ignored;

	*ret = (struct store_host){.host_id = pg_text(r, row, 0, a),
	    .pool = pg_text(r, row, 1, a),
	    .boot_id = pg_text(r, row, 2, a),
	    .agent_version = pg_text(r, row, 3, a),
	    .arch = pg_text(r, row, 4, a),
	    .kernel = pg_text(r, row, 5, a),
	    .server = pg_text(r, row, 6, a),
	    .state = (enum host_state)pg_int(r, row, 7),
	    .epoch = (uint64_t)pg_int(r, row, 8),
	    .host_seq = (uint64_t)pg_int(r, row, 9),
	    .contiguous_seq = (uint64_t)pg_int(r, row, 10),
	    .protocol_revision = (uint32_t)pg_int(r, row, 11),
	    .capacity = resources_read(r, row, 14),
	    .used = resources_read(r, row, 19),
	    .cordoned_us = pg_time(r, row, 24),
	    .cordoned = !PQgetisnull(r, row, 24),
	    .cordoned_by = pg_text(r, row, 25, a),
	    .cordon_reason = pg_text(r, row, 26, a),
	    .first_seen_us = pg_time(r, row, 27),
	    .last_hello_us = pg_time(r, row, 28),
	    .last_heartbeat_us = pg_time(r, row, 29),
	    .rtt_us = pg_int(r, row, 30),
	    .suspect_since_us = pg_time(r, row, 31),
	    .executors = (uint32_t)pg_int(r, row, 32),
	    .suspect_reason = pg_text(r, row, 33, a),
	    .verdict_held = pg_bool(r, row, 34),
	    .lost_confirmed_by = pg_text(r, row, 35, a),
	    .draining_us = pg_time(r, row, 36),
	    .drain_deadline_us = pg_time(r, row, 37),
	    .drained_by = pg_text(r, row, 38, a),
	    .capabilities = pg_text(r, row, 39, a),
	    .unknown = (uint32_t)pg_int(r, row, 40)};
	ret->overcommitted = !resources_fit(&ret->capacity, &ret->used, &nothing, &ignored);
	if (!ret->host_id || !ret->pool || !ret->server || !ret->capabilities)
		return pg_no_room(err);
	if (labels_read(PQgetvalue(r, row, 12), a, ret, err) != 0)
		return -1;
	return drivers_read(PQgetvalue(r, row, 13), a, ret, err);
}

int
pg_host_rows(
    const PGresult *r, struct arena *a, struct store_host **ret, size_t *ret_n, struct err *err)
{
	size_t n = (size_t)PQntuples(r);
	struct store_host *rows = arena_calloc(a, n + 1, sizeof(*rows));

	if (!rows)
		return pg_no_room(err);
	for (size_t i = 0; i < n; i++) {
		if (pg_host_row(r, (int)i, a, &rows[i], err) != 0)
			return -1;
	}
	*ret = rows;
	*ret_n = n;
	return 0;
}

static const char *
json_dump(json_t *json, struct arena *a)
{
	char *text = json_dumps(json, JSON_COMPACT);
	const char *copy = text ? arena_strdup(a, text) : NULL;

	free(text);
	json_decref(json);
	return copy;
}

const char *
pg_labels_json(const struct label *labels, size_t n, struct arena *a)
{
	json_t *json = json_object();

	for (size_t i = 0; i < n; i++)
		json_object_set_new(json, labels[i].key, json_string(labels[i].value));
	return json_dump(json, a);
}

const char *
pg_drivers_json(const struct store_driver *drivers, size_t n, struct arena *a)
{
	json_t *json = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(
		    json, json_pack("{s:s, s:s, s:b, s:b, s:b}", "name", drivers[i].name, "detail",
			      drivers[i].detail, "usable", (int)drivers[i].usable, "enforces_cpu",
			      (int)drivers[i].enforces_cpu, "enforces_memory",
			      (int)drivers[i].enforces_memory));
	return json_dump(json, a);
}
