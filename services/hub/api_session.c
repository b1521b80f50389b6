/* api_session: session.create, list, get, close. */
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "api_spec.h"
#include "arena.h"
#include "convert.h"
#include "crash.h"
#include "err.h"
#include "hub.h"
#include "name.h"
#include "page.h"
#include "session_file.h"
#include "store.h"

#define AVOIDED_MAX 100 /* hosts shown of those a session avoids */

/* The name is taken: fine when it is the same declaration (E7), a conflict naming the field if not.
 * A repeated idempotency key is answered with the session it made, whatever it says now (E8); a new
 * key on a taken name is no repetition. */
static int
check_same(struct api *api, const Fairlead__V1__SessionSpec *wanted,
    const struct store_session *there, struct err *err)
{
	const char *difference;
	Fairlead__V1__SessionSpec *declared;

	if (there->by_key)
		return 0;
	if (api_spec_stored(api, there->name, there->spec_json, &declared, err) != 0)
		return -1;
	difference = session_spec_difference(declared, wanted, api->arena);
	if (!difference)
		return 0;
	err_field(err, ERR_CONFLICT, difference, "session %s exists and differs in %s", there->name,
	    difference);
	return err_hint(err, "change it with apply -f (session.update), or choose another name");
}

/* E16: what no present host could ever fit is refused, unless the user will wait for hosts.  Hosts
 * that have left since do not change what was declared: that is answered as before (E7, E8). */
static int
create_possible(struct api *api, const Fairlead__V1__SessionSpec *spec, const char *key,
    struct store_session *ret, bool *ret_existed, struct err *err)
{
	struct err impossible;

	if (api_spec_possible(api, spec, err) == 0)
		return 0;
	if (err->kind != ERR_INVALID)
		return -1;
	impossible = *err;
	err_clear(err);
	if (store_session_declared(
		api->store, spec->name, key, api->arena, ret, ret_existed, err) != 0)
		return -1;
	if (*ret_existed)
		return 0;
	*err = impossible;
	return -1;
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
	bool existed = false;

	if (strlen(q->key) > 128)
		return err_field(err, ERR_LIMIT, "key", "an idempotency key has at most 128 bytes");
	if (api_spec_prepare(api, q->spec, &new, err) != 0 ||
	    api_spec_warn(q->spec, api->arena, &ret->warnings, &ret->n_warnings, err) != 0)
		return -1;
	new.key = *q->key ? q->key : NULL;
	if (!q->wait_for_hosts && create_possible(api, q->spec, new.key, &row, &existed, err) != 0)
		return -1;
	if (q->dry_run)
		return 0;
	crash_point("hub.session_create.before_commit");
	if (!existed &&
	    store_session_create(api->store, &new, api->arena, &row, &existed, err) != 0)
		return -1;
	crash_point("hub.session_create.after_commit");
	if (existed && check_same(api, q->spec, &row, err) != 0)
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

static int
session_avoided(struct api *api, const struct store_session *row,
    Fairlead__V1__SessionGetAnswer *ret, struct err *err)
{
	struct store_avoided *rows;
	size_t n;

	if (store_avoided_load(api->store, &row->session_id, 1, api->arena, &rows, &n, err) != 0)
		return -1;
	return convert_avoided(rows, n < AVOIDED_MAX ? n : AVOIDED_MAX, api->arena, &ret->avoided,
	    &ret->n_avoided, err);
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
	if (session_avoided(api, &row, ret, err) != 0)
		return -1;
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
