#include "api_spec.h"

#include <string.h>

#include "api.h"
#include "arena.h"
#include "codec.h"
#include "err.h"
#include "fleet_cache.h"
#include "plan.h"
#include "session_file.h"
#include "session_placement.h"
#include "store.h"

static const char *
key_of(const char *text)
{
	return *text ? text : NULL;
}

static int
shape_of_spec(
    const Fairlead__V1__SessionSpec *spec, struct arena *a, struct plan_shape *ret, struct err *err)
{
	const Fairlead__V1__ExecutorSpec *e = spec->executor;
	struct selector *selector;

	if (selector_parse(spec->placement->selector, a, &selector, err) != 0)
		return err_wrap(err, "placement.selector");
	*ret = (struct plan_shape){.selector = selector,
	    .driver = e->driver,
	    .needs = session_spec_needs(spec),
	    .limits_required = e->limits_required,
	    .spread_by = key_of(spec->placement->spread),
	    .spread_skew = spec->placement->max_skew,
	    .apart_by = key_of(spec->placement->anti_affinity),
	    .apart_max = spec->placement->max_per_value};
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

int
api_spec_possible(struct api *api, const Fairlead__V1__SessionSpec *spec, struct err *err)
{
	struct plan_shape shape;
	bool possible;
	size_t hosts;

	if (shape_of_spec(spec, api->arena, &shape, err) != 0 ||
	    fleet_cache_possible(
		api->fleet, api->store, spec->pool, &shape, &possible, &hosts, err) != 0)
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
	Fairlead__V1__ExecutorSpec *executor = session_spec_executor(spec, api->arena);
	char *json;
	void *body;

	if (!ids || !executor)
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
	    .selector = spec->placement->selector,
	    .needs = shape->needs,
	    .spread_by = shape->spread_by,
	    .apart_by = shape->apart_by,
	    .spread_skew = shape->spread_skew,
	    .apart_max = shape->apart_max,
	    .limits_required = spec->executor->limits_required,
	    .resources = shape->resources,
	    .stop_grace_ms = spec->executor->stop_grace_ms,
	    .lost_after_ms = spec->disconnect->lost_after_ms,
	    .replace_lost = session_spec_replaces(spec),
	    .replace_failed = strcmp(spec->restart->policy, "never") != 0,
	    .replace_after_ms = spec->disconnect->replace_after_ms,
	    .keep_replacement = strcmp(spec->disconnect->keep, "replacement") == 0,
	    .replacements_max = spec->restart->max,
	    .max_unavailable = spec->max_unavailable,
	    .accept_timeout_ms = spec->accept_timeout_ms,
	    .who = api->who,
	    .executor_ids = ids};
	if (wire_encode(&executor->base, WIRE_PROTOBUF, api->arena, &body, &ret->executor_body_size,
		err) != 0)
		return -1;
	ret->executor_body = body;
	return 0;
}

int
api_spec_prepare(struct api *api, Fairlead__V1__SessionSpec *spec, struct store_session_new *ret,
    struct err *err)
{
	struct plan_shape shape;

	if (!spec)
		return err_field(err, ERR_INVALID, "spec", "a session needs a spec");
	if (session_spec_check(spec, api->arena, err) != 0 ||
	    shape_of_spec(spec, api->arena, &shape, err) != 0)
		return -1;
	return new_from_spec(api, spec, &shape, ret, err);
}

int
api_spec_stored(struct api *api, const char *name, const char *json,
    Fairlead__V1__SessionSpec **ret, struct err *err)
{
	ProtobufCMessage *m;

	if (wire_decode(&fairlead__v1__session_spec__descriptor, WIRE_JSON, json, strlen(json),
		api->arena, &m, err) != 0)
		return err_wrap(err, "stored spec of session %s", name);
	/* An older hub may have stored it: what has a default since then gets it. */
	*ret = (Fairlead__V1__SessionSpec *)m;
	if (session_spec_check(*ret, api->arena, err) != 0)
		return err_wrap(err, "stored spec of session %s", name);
	return 0;
}

int
api_spec_warn(const Fairlead__V1__SessionSpec *spec, struct arena *a, char ***ret, size_t *ret_n,
    struct err *err)
{
	const char *warning = session_spec_warning(spec, a);

	*ret_n = 0;
	if (!warning)
		return 0;
	*ret = arena_alloc(a, sizeof(**ret));
	if (!*ret)
		return err_set(err, ERR_LIMIT, "the answer is larger than this hub can hold");
	(*ret)[0] = (char *)(uintptr_t)warning;
	*ret_n = 1;
	return 0;
}
