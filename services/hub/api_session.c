/* api_session: session.create, list, get, close. */
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "arena.h"
#include "codec.h"
#include "convert.h"
#include "crash.h"
#include "err.h"
#include "fleet_cache.h"
#include "hub.h"
#include "name.h"
#include "page.h"
#include "plan.h"
#include "session_file.h"
#include "store.h"

static int
shape_of_spec(
    const Fairlead__V1__SessionSpec *spec, struct arena *a, struct plan_shape *ret, struct err *err)
{
	const Fairlead__V1__ExecutorSpec *e = spec->executor;
	struct selector *selector;

	if (selector_parse(spec->placement ? spec->placement->selector : "", a, &selector, err) !=
	    0)
		return err_wrap(err, "placement.selector");
	*ret = (struct plan_shape){
	    .selector = selector, .driver = e->driver, .limits_required = e->limits_required};
	if (e->resources)
		ret->resources = (struct resources){.cpu_millis = e->resources->cpu_millis,
		    .memory_bytes = (int64_t)e->resources->memory_bytes,
		    .disk_bytes = (int64_t)e->resources->disk_bytes,
		    .gpus = e->resources->gpus,
		    .slots = e->resources->slots};
	if (ret->resources.slots < 1)
		ret->resources.slots = 1;
	return 0;
}

/* E16: a spec that no present host could ever fit is refused, unless the user will wait for hosts.
 */
static int
check_possible(struct api *api, const Fairlead__V1__SessionSpec *spec,
    const struct plan_shape *shape, struct err *err)
{
	bool possible;
	size_t hosts;

	if (fleet_cache_possible(
		api->fleet, api->store, spec->pool, shape, &possible, &hosts, err) != 0)
		return -1;
	if (possible)
		return 0;
	if (hosts == 0)
		err_field(err, ERR_INVALID, "pool", "pool %s has no hosts", spec->pool);
	else
		err_field(err, ERR_INVALID, "executor",
		    "none of the %zu hosts of pool %s could ever fit it, even empty", hosts,
		    spec->pool);
	return err_hint(err, "declare it all the same with --wait-for-hosts (wait_for_hosts)");
}

static int
new_from_spec(struct api *api, const Fairlead__V1__SessionSpec *spec,
    const struct plan_shape *shape, struct store_session_new *ret, struct err *err)
{
	struct id *ids = arena_calloc(api->arena, spec->replicas + 1u, sizeof(*ids));
	char *json;
	void *body;

	if (!ids)
		return err_field(err, ERR_LIMIT, "replicas", "more than this hub can hold");
	for (uint32_t i = 0; i < spec->replicas; i++)
		ids[i] = id_new();
	if (wire_to_json(&spec->base, 0, api->arena, &json, err) != 0)
		return -1;
	*ret = (struct store_session_new){.session_id = id_new(),
	    .name = spec->name,
	    .pool = spec->pool,
	    .spec_json = json,
	    .replicas = spec->replicas,
	    .priority = spec->priority,
	    .driver = spec->executor->driver,
	    .selector = spec->placement ? spec->placement->selector : "",
	    .limits_required = spec->executor->limits_required,
	    .resources = shape->resources,
	    .stop_grace_ms = spec->executor->stop_grace_ms,
	    .lost_after_ms = spec->disconnect ? spec->disconnect->lost_after_ms : 0,
	    .accept_timeout_ms = spec->accept_timeout_ms,
	    .who = api->who,
	    .executor_ids = ids};
	if (wire_encode(&spec->executor->base, WIRE_PROTOBUF, api->arena, &body,
		&ret->executor_body_size, err) != 0)
		return -1;
	ret->executor_body = body;
	return 0;
}

/* The name is taken: fine when it is the same declaration (E7), a conflict naming the field if not.
 * A repeated idempotency key is answered with the session it made, whatever it says now (E8). */
static int
check_same(const Fairlead__V1__SessionSpec *wanted, const struct store_session *there, bool by_key,
    struct arena *a, struct err *err)
{
	const char *difference;
	ProtobufCMessage *m;

	if (by_key)
		return 0;
	if (wire_decode(&fairlead__v1__session_spec__descriptor, WIRE_JSON, there->spec_json,
		strlen(there->spec_json), a, &m, err) != 0)
		return err_wrap(err, "stored spec of session %s", there->name);
	difference = session_spec_difference((Fairlead__V1__SessionSpec *)m, wanted, a);
	if (!difference)
		return 0;
	err_field(err, ERR_CONFLICT, difference, "session %s exists and differs in %s", there->name,
	    difference);
	return err_hint(err, "close it first, or choose another name");
}

int
handle_session_create(
    struct api *api, const ProtobufCMessage *request, ProtobufCMessage *answer, struct err *err)
{
	const Fairlead__V1__SessionCreateRequest *q =
	    (const Fairlead__V1__SessionCreateRequest *)request;
	Fairlead__V1__SessionCreateAnswer *ret = (Fairlead__V1__SessionCreateAnswer *)answer;
	struct store_session_new new;
	struct store_session row;
	struct plan_shape shape;
	bool existed;

	if (!q->spec)
		return err_field(err, ERR_INVALID, "spec", "a session needs a spec");
	if (strlen(q->key) > 128)
		return err_field(err, ERR_LIMIT, "key", "an idempotency key has at most 128 bytes");
	if (session_spec_check(q->spec, api->arena, err) != 0 ||
	    shape_of_spec(q->spec, api->arena, &shape, err) != 0)
		return -1;
	if (!q->wait_for_hosts && check_possible(api, q->spec, &shape, err) != 0)
		return -1;
	if (q->dry_run)
		return 0;
	if (new_from_spec(api, q->spec, &shape, &new, err) != 0)
		return -1;
	new.key = *q->key ? q->key : NULL;
	crash_point("hub.session_create.before_commit");
	if (store_session_create(api->store, &new, api->arena, &row, &existed, err) != 0)
		return -1;
	crash_point("hub.session_create.after_commit");
	if (existed && check_same(q->spec, &row, new.key != NULL, api->arena, err) != 0)
		return -1;
	if (!existed)
		hub_nudge(api->hub, row.pool);
	ret->existed = existed;
	return convert_session(&row, api->arena, &ret->session, err);
}

int
handle_session_list(
    struct api *api, const ProtobufCMessage *request, ProtobufCMessage *answer, struct err *err)
{
	const Fairlead__V1__SessionListRequest *q =
	    (const Fairlead__V1__SessionListRequest *)request;
	Fairlead__V1__SessionListAnswer *ret = (Fairlead__V1__SessionListAnswer *)answer;
	struct store_session *rows;
	uint32_t limit = 0;
	size_t n;

	if (page_limit(q->limit, &limit, err) != 0 ||
	    store_session_list(api->store, *q->pool ? q->pool : NULL, q->all, q->after, limit,
		api->arena, &rows, &n, err) != 0)
		return -1;
	ret->sessions = arena_calloc(api->arena, n + 1, sizeof(*ret->sessions));
	if (!ret->sessions)
		return err_set(err, ERR_LIMIT, "the page is larger than this hub can hold");
	for (size_t i = 0; i < n; i++) {
		if (convert_session(&rows[i], api->arena, &ret->sessions[i], err) != 0)
			return -1;
	}
	ret->n_sessions = n;
	if (n == limit)
		ret->next = ret->sessions[n - 1]->name;
	return 0;
}

int
handle_session_get(
    struct api *api, const ProtobufCMessage *request, ProtobufCMessage *answer, struct err *err)
{
	const Fairlead__V1__SessionGetRequest *q = (const Fairlead__V1__SessionGetRequest *)request;
	Fairlead__V1__SessionGetAnswer *ret = (Fairlead__V1__SessionGetAnswer *)answer;
	struct store_session row;
	struct store_why *why;
	size_t n;

	if (name_check(q->name, "name", err) != 0 ||
	    store_session_get(api->store, q->name, api->arena, &row, err) != 0 ||
	    store_session_why(api->store, q->name, api->arena, &why, &n, err) != 0 ||
	    convert_why(why, n, api->arena, &ret->why, err) != 0)
		return -1;
	ret->n_why = n;
	return convert_session(&row, api->arena, &ret->session, err);
}

int
handle_session_close(
    struct api *api, const ProtobufCMessage *request, ProtobufCMessage *answer, struct err *err)
{
	const Fairlead__V1__SessionCloseRequest *q =
	    (const Fairlead__V1__SessionCloseRequest *)request;
	Fairlead__V1__SessionCloseAnswer *ret = (Fairlead__V1__SessionCloseAnswer *)answer;
	struct store_session row;

	if (name_check(q->name, "name", err) != 0)
		return -1;
	if (q->dry_run) {
		if (store_session_get(api->store, q->name, api->arena, &row, err) != 0)
			return -1;
	} else {
		if (store_session_close(api->store, q->name, q->revision, q->now, api->who,
			api->arena, &row, err) != 0)
			return -1;
		crash_point("hub.session_close.after_commit");
		hub_nudge(api->hub, row.pool);
	}
	for (int s = EXECUTOR_QUEUED; s < EXECUTOR_SUCCEEDED; s++)
		ret->stopping += (uint32_t)row.counters[s];
	return convert_session(&row, api->arena, &ret->session, err);
}
