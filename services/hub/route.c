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
    ROUTE("session", "update", session_update_request, session_update_answer, handle_session_update,
	"another spec; a changed template rolls"),
    ROUTE("session", "scale", session_scale_request, session_scale_answer, handle_session_scale,
	"how many executors"),
    ROUTE("session", "undo", session_undo_request, session_undo_answer, handle_session_undo,
	"the template before the last one"),
    ROUTE("session", "resume", session_resume_request, session_resume_answer, handle_session_resume,
	"a paused rollout goes on"),
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
    ROUTE("host", "drain", host_drain_request, host_drain_answer, handle_host_drain,
	"move its executors elsewhere, within disruption budgets until the deadline"),
    ROUTE("host", "undrain", host_undrain_request, host_undrain_answer, handle_host_undrain,
	"end a drain; the cordon stays"),
    ROUTE("host", "lost", host_lost_request, host_lost_answer, handle_host_lost,
	"a suspect host is gone for certain: replace its executors now"),
    ROUTE("host", "stop_unknown", host_stop_unknown_request, host_stop_unknown_answer,
	handle_host_stop_unknown,
	"stop what an older term began there and a restored backup forgot"),
    ROUTE("command", "list", command_list_request, command_list_answer, handle_command_list,
	"what hosts are told, by stage; what is on its way or waits for somebody, or all, paged"),
    ROUTE("command", "get", command_get_request, command_get_answer, handle_command_get,
	"one command with its history"),
    ROUTE("command", "replay", command_replay_request, command_replay_answer, handle_command_replay,
	"what died is said again, what expired gets another attempt; refused while it may run"),
    ROUTE("command", "drop", command_drop_request, command_drop_answer, handle_command_drop,
	"what expired or died waits for nobody any more"),
    ROUTE("letter", "list", letter_list_request, letter_list_answer, handle_letter_list,
	"dead letters of FL_DEAD, the bus's own included, newest first, paged"),
    ROUTE("event", "list", event_list_request, event_list_answer, handle_event_list,
	"events after a cursor"),
    ROUTE("cell", "status", cell_status_request, cell_status_answer, handle_cell_status,
	"the cell in one answer"),
};
const size_t hub_route_count = COUNT_OF(hub_routes);
