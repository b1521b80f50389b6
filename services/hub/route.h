/* route: one row per endpoint of the API.  The rows make the micro service, the dispatch and the
 * table in docs/protocol.md. */
#ifndef ROUTE_H
#define ROUTE_H

#include <stddef.h>
#include <protobuf-c/protobuf-c.h>

#include "compiler.h"

struct api;
struct err;

/* Fills *answer (initialised); strings may live in api->arena. 0, or -1 with *err: then the answer
 * is not looked at. */
typedef int route_handler(
    struct api *api, const ProtobufCMessage *request, ProtobufCMessage *answer, struct err *err);

struct route {
	const char *noun, *verb;
	const ProtobufCMessageDescriptor *request, *answer;
	route_handler *handle;
	const char *help;
};
extern const struct route hub_routes[];
extern const size_t hub_route_count;

route_handler handle_session_create, handle_session_list, handle_session_get, handle_session_close;
route_handler handle_executor_list, handle_executor_get, handle_executor_stop, handle_executor_logs;
route_handler handle_host_stop_unknown;
route_handler handle_host_list, handle_host_get, handle_host_rm, handle_host_lost,
    handle_host_drain, handle_host_undrain, handle_session_update, handle_session_scale,
    handle_session_undo, handle_session_resume, handle_host_cordon, handle_host_uncordon;
route_handler handle_command_list, handle_command_get, handle_command_replay, handle_command_drop;
route_handler handle_letter_list;
route_handler handle_event_list, handle_cell_status;

#endif
