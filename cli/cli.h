/* cli: what the commands of `fairlead` share.
 *
 * A command talks only to the API over the bus (but for `admin` and `dev`).  It returns an exit
 * code: 0 ok, 1 failed, 2 usage, 3 not found, 4 conflict, 5 denied, 6 unavailable, 7 limit, 124
 * timed out. */
#ifndef CLI_H
#define CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <protobuf-c/protobuf-c.h>

#include "compiler.h"
#include "err.h"

struct arena;
struct args;
struct argp_option;
struct bus;

enum cli_output { CLI_TABLE, CLI_JSON, CLI_YAML, CLI_NAME };

#define CLI_EXIT_FAILED 1
#define CLI_EXIT_USAGE 2
#define CLI_EXIT_TIMEOUT 124

struct cli {
	struct arena *arena;
	struct bus *bus; /* connected by the first call */
	const char *servers, *user, *password, *creds, *ca, *prefix;
	enum cli_output output;
	unsigned documents; /* printed so far: YAML puts "---" between them */
	int timeout_ms;     /* of one call, and of --wait */
	char who[65];       /* "user@host": header Fl-Who */
	/* Set by `completion`: args_parse tells it what the command takes, and parses nothing. */
	void (*describe)(void *arg, const struct args *args, const struct argp_option *options);
	void *describe_arg;
};

/* One row per command. */
struct cli_command {
	const char *noun; /* "session", or "" for a command of one word */
	const char *verb;
	const char *usage; /* "NAME [--now]" */
	const char *help;
	int (*run)(struct cli *c, int argc, char **argv);
};
extern const struct cli_command cli_commands[];
extern const size_t cli_command_count;

/* Prints "fairlead: <text>", field and hint to stderr; returns the kind's exit code. */
int cli_fail(const struct err *e);

/* Calls fl.api.v1.<noun>.<verb>. */
MUST_USE int cli_call(struct cli *c, const char *noun, const char *verb,
    const ProtobufCMessage *request, const ProtobufCMessageDescriptor *answer,
    ProtobufCMessage **ret, struct err *err);

/* The whole of a command that asks for one thing: calls, prints the answer in the form that -o asks
 * for, or this line; the exit code. */
int cli_ask(struct cli *c, const char *noun, const char *verb, const ProtobufCMessage *request,
    const ProtobufCMessageDescriptor *answer, const char *format, ...) PRINTF(6, 7);

/* "yaml" -> CLI_YAML; -1: there is no such form. */
MUST_USE int cli_output_find(const char *name, enum cli_output *ret);
/* The API's answer as it is, in the form that -o asks for (not CLI_TABLE); the exit code.
 * CLI_NAME: session name, SESSION/INDEX, host id, a command's name, a letter's place or an event's
 * cursor, one per line. */
int cli_print(struct cli *c, const ProtobufCMessage *m);

/* A bus connected within the timeout, for commands that need more than calls. */
MUST_USE int cli_connect(struct cli *c, struct err *err);

int cmd_run(struct cli *c, int argc, char **argv);
int cmd_apply(struct cli *c, int argc, char **argv);
int cmd_diff(struct cli *c, int argc, char **argv);
int cmd_session_ls(struct cli *c, int argc, char **argv);
int cmd_session_show(struct cli *c, int argc, char **argv);
int cmd_session_create(struct cli *c, int argc, char **argv);
int cmd_session_close(struct cli *c, int argc, char **argv);
int cmd_session_wait(struct cli *c, int argc, char **argv);
int cmd_session_why(struct cli *c, int argc, char **argv);
int cmd_executor_ls(struct cli *c, int argc, char **argv);
int cmd_executor_show(struct cli *c, int argc, char **argv);
int cmd_executor_stop(struct cli *c, int argc, char **argv);
int cmd_executor_logs(struct cli *c, int argc, char **argv);
int cmd_host_ls(struct cli *c, int argc, char **argv);
int cmd_host_show(struct cli *c, int argc, char **argv);
int cmd_host_rm(struct cli *c, int argc, char **argv);
int cmd_session_scale(struct cli *c, int argc, char **argv);
int cmd_session_undo(struct cli *c, int argc, char **argv);
int cmd_session_resume(struct cli *c, int argc, char **argv);
int cmd_host_drain(struct cli *c, int argc, char **argv);
int cmd_host_undrain(struct cli *c, int argc, char **argv);
int cmd_host_stop_unknown(struct cli *c, int argc, char **argv);
int cmd_host_lost(struct cli *c, int argc, char **argv);
int cmd_host_cordon(struct cli *c, int argc, char **argv);
int cmd_host_uncordon(struct cli *c, int argc, char **argv);
int cmd_command_ls(struct cli *c, int argc, char **argv);
int cmd_command_show(struct cli *c, int argc, char **argv);
int cmd_command_replay(struct cli *c, int argc, char **argv);
int cmd_command_drop(struct cli *c, int argc, char **argv);
int cmd_events(struct cli *c, int argc, char **argv);
int cmd_status(struct cli *c, int argc, char **argv);
int cmd_decode(struct cli *c, int argc, char **argv);
int cmd_doctor(struct cli *c, int argc, char **argv);
int cmd_dev(struct cli *c, int argc, char **argv);
int cmd_admin_migrate(struct cli *c, int argc, char **argv);
int cmd_admin_bus_init(struct cli *c, int argc, char **argv);
int cmd_admin_check_config(struct cli *c, int argc, char **argv);
int cmd_admin_verify(struct cli *c, int argc, char **argv);
int cmd_admin_backup(struct cli *c, int argc, char **argv);
int cmd_admin_restore(struct cli *c, int argc, char **argv);
int cmd_completion(struct cli *c, int argc, char **argv);
int cmd_version(struct cli *c, int argc, char **argv);

#endif
