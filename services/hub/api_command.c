/* api_command: command.list, get, replay, drop. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "arena.h"
#include "convert.h"
#include "crash.h"
#include "err.h"
#include "hub.h"
#include "name.h"
#include "page.h"
#include "store.h"

#define STATES_DEAD (1u << COMMAND_EXPIRED | 1u << COMMAND_DEAD)

static int
executor_of(struct api *api, const struct executor_name *name, struct id *ret, struct err *err)
{
	struct store_executor row;

	if (name->kind == EXECUTOR_NAME_ID) {
		*ret = name->id;
		return 0;
	}
	if (store_executor_find(
		api->store, name->session, name->index, name->attempt, api->arena, &row, err) != 0)
		return -1;
	*ret = row.executor_id;
	return 0;
}

/* ---- list ---- */

/* "32 hex digits@generation", as the page before said it. */
static int
after_parse(const char *text, struct store_command_query *q, struct err *err)
{
	struct command_name name;

	if (!*text)
		return 0;
	if (command_name_parse(text, &name, err) != 0)
		return err_wrap(err, "after");
	if (name.executor.kind != EXECUTOR_NAME_ID)
		return err_field(err, ERR_INVALID, "after", "is not what a page ended with");
	q->after = name.executor.id;
	q->after_generation = name.generation;
	return 0;
}

static int
query_of(struct api *api, const Fairlead__V1__CommandListRequest *q,
    struct store_command_query *ret, struct err *err)
{
	struct executor_name executor;

	*ret = (struct store_command_query){.session = *q->session ? q->session : NULL,
	    .host_id = *q->host ? q->host : NULL,
	    .states = STORE_COMMAND_STATES_ALL,
	    .open = q->dead || (!q->all && !q->state)};
	if (q->dead)
		ret->states = STATES_DEAD;
	else if (q->state)
		ret->states = 1u << (unsigned)q->state;
	if (*q->session && name_check(q->session, "session", err) != 0)
		return -1;
	if (*q->host && name_check(q->host, "host", err) != 0)
		return -1;
	if (*q->executor && (executor_name_parse(q->executor, &executor, err) != 0 ||
				executor_of(api, &executor, &ret->executor_id, err) != 0))
		return -1;
	if (after_parse(q->after, ret, err) != 0)
		return -1;
	return page_limit(q->limit, &ret->limit, err);
}

int
handle_command_list(
    struct api *api, const ProtobufCMessage *request, ProtobufCMessage *answer, struct err *err)
{
	Fairlead__V1__CommandListAnswer *ret = (Fairlead__V1__CommandListAnswer *)answer;
	struct store_command_query query;
	struct store_command *rows;
	char hex[ID_HEX_BYTES];
	size_t n;

	if (query_of(api, (const Fairlead__V1__CommandListRequest *)request, &query, err) != 0 ||
	    store_command_list(api->store, &query, api->arena, &rows, &n, err) != 0)
		return -1;
	ret->commands = arena_calloc(api->arena, n + 1, sizeof(*ret->commands));
	if (!ret->commands)
		return err_set(err, ERR_LIMIT, "the page is larger than this hub can hold");
	for (size_t i = 0; i < n; i++) {
		if (convert_command(&rows[i], api->arena, &ret->commands[i], err) != 0)
			return -1;
	}
	ret->n_commands = n;
	if (n < query.limit)
		return 0;
	ret->next = arena_printf(api->arena, "%s@%" PRIu64,
	    id_to_hex(&rows[n - 1].executor_id, hex), rows[n - 1].generation);
	return ret->next ? 0 : err_set(err, ERR_LIMIT, "the page is larger than this hub can hold");
}

/* ---- one ---- */

/* Without a generation: the one that waits for somebody, if one does, else the newest. */
static int
waiting_find(struct api *api, const struct id *executor_id, uint64_t *ret, struct err *err)
{
	const struct store_command_query query = {
	    .executor_id = *executor_id, .states = STATES_DEAD, .open = true, .limit = 1};
	struct store_command *rows;
	size_t n;

	if (store_command_list(api->store, &query, api->arena, &rows, &n, err) != 0)
		return -1;
	*ret = n > 0 ? rows[0].generation : 0;
	return 0;
}

static int
command_named(struct api *api, const char *text, bool waiting, struct id *ret_id,
    uint64_t *ret_generation, struct err *err)
{
	struct command_name name;

	if (command_name_parse(text, &name, err) != 0 ||
	    executor_of(api, &name.executor, ret_id, err) != 0)
		return -1;
	*ret_generation = name.generation;
	if (name.generation > 0 || !waiting)
		return 0;
	return waiting_find(api, ret_id, ret_generation, err);
}

int
handle_command_get(
    struct api *api, const ProtobufCMessage *request, ProtobufCMessage *answer, struct err *err)
{
	const Fairlead__V1__CommandGetRequest *q = (const Fairlead__V1__CommandGetRequest *)request;
	Fairlead__V1__CommandGetAnswer *ret = (Fairlead__V1__CommandGetAnswer *)answer;
	struct store_command row;
	uint64_t generation;
	struct id id;

	if (command_named(api, q->name, false, &id, &generation, err) != 0 ||
	    store_command_get(api->store, &id, generation, api->arena, &row, err) != 0 ||
	    convert_history(&row, api->arena, &ret->history, &ret->n_history, err) != 0)
		return -1;
	return convert_command(&row, api->arena, &ret->command, err);
}

int
handle_command_replay(
    struct api *api, const ProtobufCMessage *request, ProtobufCMessage *answer, struct err *err)
{
	const Fairlead__V1__CommandReplayRequest *q =
	    (const Fairlead__V1__CommandReplayRequest *)request;
	Fairlead__V1__CommandReplayAnswer *ret = (Fairlead__V1__CommandReplayAnswer *)answer;
	struct store_session session;
	struct store_command row;
	uint64_t generation;
	struct id id;

	if (command_named(api, q->name, true, &id, &generation, err) != 0 ||
	    store_command_replay(api->store, &id, generation, api->who, api->arena, &row, err) != 0)
		return -1;
	crash_point("hub.command_replay.after_commit");
	ret->already = row.successor > 0 || *row.settled;
	if (store_session_get(api->store, row.session, api->arena, &session, err) != 0)
		return -1;
	hub_nudge(api->hub, session.pool);
	return convert_command(&row, api->arena, &ret->command, err);
}

int
handle_command_drop(
    struct api *api, const ProtobufCMessage *request, ProtobufCMessage *answer, struct err *err)
{
	const Fairlead__V1__CommandDropRequest *q =
	    (const Fairlead__V1__CommandDropRequest *)request;
	Fairlead__V1__CommandDropAnswer *ret = (Fairlead__V1__CommandDropAnswer *)answer;
	struct store_command row;
	uint64_t generation;
	struct id id;

	if (command_named(api, q->name, true, &id, &generation, err) != 0 ||
	    store_command_drop(api->store, &id, generation, api->who, api->arena, &row, err) != 0)
		return -1;
	crash_point("hub.command_drop.after_commit");
	return convert_command(&row, api->arena, &ret->command, err);
}
