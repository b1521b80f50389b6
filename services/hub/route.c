#include "route.h"

#include "fairlead/v1/api.pb-c.h"

#define ROUTE(noun_, verb_, request_, answer_, handler_, help_)                                    \
	{.noun = (noun_),                                                                          \
	    .verb = (verb_),                                                                       \
	    .request = &fairlead__v1__##request_##__descriptor,                                    \
	    .answer = &fairlead__v1__##answer_##__descriptor,                                      \
	    .handle = (handler_),                                                                  \
	    .help = (help_)}

const struct route hub_routes[] = {
    ROUTE("session", "create", session_create_request, session_create_answer, handle_session_create,
	"declare a session; idempotent by name and spec, or by key"),
    ROUTE("session", "list", session_list_request, session_list_answer, handle_session_list,
	"sessions by name, paged"),
    ROUTE("session", "get", session_get_request, session_get_answer, handle_session_get,
	"one session, its counters and why its executors wait"),
    ROUTE("session", "close", session_close_request, session_close_answer, handle_session_close,
	"stop all its executors, gracefully or now"),
    ROUTE("executor", "list", executor_list_request, executor_list_answer, handle_executor_list,
	"executors of a session, of a host, or all, paged"),
    ROUTE("executor", "get", executor_get_request, executor_get_answer, handle_executor_get,
	"one executor with its timeline"),
    ROUTE("executor", "stop", executor_stop_request, executor_stop_answer, handle_executor_stop,
	"stop one executor"),
    ROUTE("executor", "logs", executor_logs_request, executor_logs_answer, handle_executor_logs,
	"the last 64 KiB of its output, asked of its host"),
    ROUTE("host", "list", host_list_request, host_list_answer, handle_host_list,
	"hosts by id, paged"),
    ROUTE("host", "get", host_get_request, host_get_answer, handle_host_get, "one host"),
    ROUTE("host", "rm", host_rm_request, host_rm_answer, handle_host_rm,
	"retire a host; refused while it has executors, unless confirmed"),
    ROUTE("host", "cordon", host_cordon_request, host_cordon_answer, handle_host_cordon,
	"no new placements on a host"),
    ROUTE("host", "uncordon", host_uncordon_request, host_uncordon_answer, handle_host_uncordon,
	"lift a cordon"),
    ROUTE("event", "list", event_list_request, event_list_answer, handle_event_list,
	"events after a cursor"),
    ROUTE("cell", "status", cell_status_request, cell_status_answer, handle_cell_status,
	"the cell in one answer"),
};
const size_t hub_route_count = COUNT_OF(hub_routes);
