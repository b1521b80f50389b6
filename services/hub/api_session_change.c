/* api_session_change: session.update, scale, undo, resume: what a declared session shall be from
 * now on.  The hub writes the wish; the pool's scheduler makes it so. */
#include <string.h>

#include "api.h"
#include "api_spec.h"
#include "arena.h"
#include "convert.h"
#include "crash.h"
#include "err.h"
#include "hub.h"
#include "name.h"
#include "session_file.h"
#include "store.h"

#define REPLICAS_MAX 100000
#define CHANGES_MAX 256 /* of an answer */

/* Writes `new` in the place of what the session declares at `revision`, if that has not changed
 * meanwhile.  rolls: with another template. */
static int
session_change(struct api *api, const struct store_session_new *new, uint64_t revision, bool rolls,
    struct store_session *ret, struct err *err)
{
	crash_point("hub.session_update.before_commit");
	if (store_session_update(api->store, new, revision, rolls, api->arena, ret, err) != 0)
		return -1;
	crash_point("hub.session_update.after_commit");
	hub_nudge(api->hub, ret->pool);
	return 0;
}

/* An OPEN session at the revision the user believes (E13). */
static int
session_open(struct api *api, const char *name, uint64_t revision, struct store_session *ret,
    struct err *err)
{
	if (name_check(name, "name", err) != 0 ||
	    store_session_get(api->store, name, api->arena, ret, err) != 0)
		return -1;
	if (ret->state != SESSION_OPEN)
		return err_set(
		    err, ERR_CONFLICT, "session %s is %s", name, session_state_text(ret->state));
	if (revision != 0 && revision != ret->revision)
		return err_field(err, ERR_CONFLICT, "revision",
		    "session %s is at revision %llu, not %llu", name,
		    (unsigned long long)ret->revision, (unsigned long long)revision);
	return 0;
}

/* What differs, field by field. */
static int
changes_tell(struct api *api, const Fairlead__V1__SessionSpec *declared,
    const Fairlead__V1__SessionSpec *wanted, Fairlead__V1__SessionUpdateAnswer *ret,
    struct err *err)
{
	struct session_change *changes = arena_calloc(api->arena, CHANGES_MAX, sizeof(*changes));
	size_t n;

	ret->changes = arena_calloc(api->arena, CHANGES_MAX, sizeof(*ret->changes));
	if (!changes || !ret->changes)
		return err_set(err, ERR_LIMIT, "no room for the differences");
	n = session_spec_changes(declared, wanted, api->arena, changes, CHANGES_MAX);
	ret->changes_more = (uint32_t)(n > CHANGES_MAX ? n - CHANGES_MAX : 0);
	for (; ret->n_changes < n - ret->changes_more; ret->n_changes++) {
		const struct session_change *from = &changes[ret->n_changes];
		Fairlead__V1__SessionChange *to = arena_alloc(api->arena, sizeof(*to));

		if (!to)
			return err_set(err, ERR_LIMIT, "no room for the differences");
		fairlead__v1__session_change__init(to);
		to->field = (char *)(uintptr_t)from->field;
		to->from = (char *)(uintptr_t)from->from;
		to->to = (char *)(uintptr_t)from->to;
		ret->changes[ret->n_changes] = to;
	}
	if (n > 0)
		ret->changed = ret->changes[0]->field;
	return 0;
}

static uint32_t
least(uint64_t a, uint64_t b)
{
	return (uint32_t)(a < b ? a : b);
}

/* Whom it touches: who lives now and does not end already. */
static void
touched_tell(
    const struct store_session *row, uint32_t replicas, Fairlead__V1__SessionUpdateAnswer *ret)
{
	uint64_t living = 0;

	for (int s = EXECUTOR_QUEUED; s < EXECUTOR_STOPPING; s++)
		living += row->counters[s];
	ret->replaced = ret->rolls ? least(living, least(row->replicas, replicas)) : 0;
	ret->started = replicas > row->replicas ? replicas - row->replicas : 0;
	ret->stopped = replicas < row->replicas ? least(living, row->replicas - replicas) : 0;
}

int
handle_session_update(
    struct api *api, const ProtobufCMessage *request, ProtobufCMessage *answer, struct err *err)
{
	const Fairlead__V1__SessionUpdateRequest *q =
	    (const Fairlead__V1__SessionUpdateRequest *)request;
	Fairlead__V1__SessionUpdateAnswer *ret = (Fairlead__V1__SessionUpdateAnswer *)answer;
	Fairlead__V1__SessionSpec *declared;
	struct store_session_new new;
	struct store_session row;
	bool rolls = false;

	if (api_spec_prepare(api, q->spec, &new, err) != 0 ||
	    (!q->wait_for_hosts && api_spec_possible(api, q->spec, err) != 0) ||
	    session_open(api, q->spec->name, q->revision, &row, err) != 0 ||
	    api_spec_stored(api, row.name, row.spec_json, &declared, err) != 0 ||
	    api_spec_warn(q->spec, api->arena, &ret->warnings, &ret->n_warnings, err) != 0)
		return -1;
	if (strcmp(q->spec->pool, declared->pool) != 0)
		return err_field(err, ERR_INVALID, "pool",
		    "session %s is in pool %s and stays there", row.name, declared->pool);
	if (changes_tell(api, declared, q->spec, ret, err) != 0)
		return -1;
	if (ret->n_changes > 0) {
		if (session_spec_rolls(declared, q->spec, api->arena, &rolls, err) != 0)
			return -1;
		ret->rolls = rolls;
		touched_tell(&row, q->spec->replicas, ret);
		if (!q->dry_run && session_change(api, &new, row.revision, rolls, &row, err) != 0)
			return -1;
	}
	return convert_session(&row, api->arena, &ret->session, err);
}

/* The stored spec with another number in it. */
static int
change_stored(struct api *api, const struct store_session *row, const char *json, uint32_t replicas,
    Fairlead__V1__Session **ret, struct err *err)
{
	Fairlead__V1__SessionSpec *declared, *spec;
	struct store_session_new new;
	struct store_session changed;
	bool rolls = false;

	if (api_spec_stored(api, row->name, row->spec_json, &declared, err) != 0 ||
	    api_spec_stored(api, row->name, json, &spec, err) != 0)
		return -1;
	spec->replicas = replicas;
	if (api_spec_prepare(api, spec, &new, err) != 0 ||
	    session_spec_rolls(declared, spec, api->arena, &rolls, err) != 0 ||
	    session_change(api, &new, row->revision, rolls, &changed, err) != 0)
		return -1;
	return convert_session(&changed, api->arena, ret, err);
}

int
handle_session_scale(
    struct api *api, const ProtobufCMessage *request, ProtobufCMessage *answer, struct err *err)
{
	const Fairlead__V1__SessionScaleRequest *q =
	    (const Fairlead__V1__SessionScaleRequest *)request;
	Fairlead__V1__SessionScaleAnswer *ret = (Fairlead__V1__SessionScaleAnswer *)answer;
	struct store_session row;

	if (q->replicas > REPLICAS_MAX)
		return err_field(err, ERR_LIMIT, "replicas", "%u: at most %d executors",
		    q->replicas, REPLICAS_MAX);
	if (session_open(api, q->name, q->revision, &row, err) != 0)
		return -1;
	if (row.replicas == q->replicas)
		return convert_session(&row, api->arena, &ret->session, err);
	return change_stored(api, &row, row.spec_json, q->replicas, &ret->session, err);
}

int
handle_session_undo(
    struct api *api, const ProtobufCMessage *request, ProtobufCMessage *answer, struct err *err)
{
	const Fairlead__V1__SessionUndoRequest *q =
	    (const Fairlead__V1__SessionUndoRequest *)request;
	Fairlead__V1__SessionUndoAnswer *ret = (Fairlead__V1__SessionUndoAnswer *)answer;
	struct store_session row;

	if (session_open(api, q->name, 0, &row, err) != 0)
		return -1;
	if (!*row.previous_spec_json)
		return err_set(err, ERR_CONFLICT,
		    "session %s never had another template: nothing to undo", row.name);
	return change_stored(api, &row, row.previous_spec_json, row.replicas, &ret->session, err);
}

int
handle_session_resume(
    struct api *api, const ProtobufCMessage *request, ProtobufCMessage *answer, struct err *err)
{
	const Fairlead__V1__SessionResumeRequest *q =
	    (const Fairlead__V1__SessionResumeRequest *)request;
	Fairlead__V1__SessionResumeAnswer *ret = (Fairlead__V1__SessionResumeAnswer *)answer;
	struct store_session row;

	if (name_check(q->name, "name", err) != 0 ||
	    store_session_resume(api->store, q->name, api->who, api->arena, &row, err) != 0)
		return -1;
	hub_nudge(api->hub, row.pool);
	return convert_session(&row, api->arena, &ret->session, err);
}
