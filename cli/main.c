/* main: one row per command; environment, dispatch, exit code. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena.h"
#include "bus.h"
#include "cli.h"
#include "log.h"
#include "subjects.h"

#define CLI_ARENA_BYTES_MAX (512u * 1024 * 1024)
#define CLI_TIMEOUT_MS 60000

const struct cli_command cli_commands[] = {
    {"", "run", "[OPTIONS] -- COMMAND [ARG...]", "one-off session: run, follow, exit as it does",
	cmd_run},
    {"", "apply", "-f FILE", "declare the sessions of a file", cmd_apply},
    {"", "diff", "-f FILE", "what apply would change; exit code 0 nothing, 1 something, 2 trouble",
	cmd_diff},
    {"", "status", "", "the cell in one screen", cmd_status},
    {"", "events", "[-f] [--since WHEN] [--cursor CURSOR] [--session SESSION] [--host HOST]",
	"what happened, in order; -f goes on", cmd_events},
    {"", "decode", "[--type TYPE] [--subject SUBJECT]", "a message body on stdin, as JSON",
	cmd_decode},
    {"", "dev", "[OPTIONS]", "a whole cell on this machine, until Ctrl-C", cmd_dev},
    {"", "doctor", "[-- AGENT-OPTION...]", "which hop between this host's agent and a hub fails",
	cmd_doctor},
    {"", "completion", "bash|zsh|fish", "a script that completes commands, options and names",
	cmd_completion},
    {"", "version", "", "the version of this program", cmd_version},
    {"session", "ls", "", "sessions", cmd_session_ls},
    {"session", "show", "SESSION", "one session, its executors and why they wait",
	cmd_session_show},
    {"session", "create", "NAME [OPTIONS] -- COMMAND [ARG...]", "declare a session",
	cmd_session_create},
    {"session", "scale", "SESSION REPLICAS", "how many executors", cmd_session_scale},
    {"session", "undo", "SESSION", "back to the template before the last one", cmd_session_undo},
    {"session", "resume", "SESSION", "a paused rollout goes on", cmd_session_resume},
    {"session", "close", "SESSION [--now]", "stop all its executors", cmd_session_close},
    {"session", "wait", "SESSION [--for running|ended|closed]", "wait for a session",
	cmd_session_wait},
    {"session", "why", "SESSION", "why its executors wait", cmd_session_why},
    {"executor", "ls", "[--session SESSION] [--host HOST]", "executors", cmd_executor_ls},
    {"executor", "show", "SESSION/INDEX", "one executor and its timeline", cmd_executor_show},
    {"executor", "stop", "SESSION/INDEX [--now]", "stop one executor", cmd_executor_stop},
    {"executor", "logs", "SESSION/INDEX", "the last 64 KiB of its output", cmd_executor_logs},
    {"host", "ls", "", "hosts", cmd_host_ls},
    {"host", "show", "HOST", "one host", cmd_host_show},
    {"host", "rm", "HOST [--confirm]", "retire a host", cmd_host_rm},
    {"host", "drain", "HOST [--deadline 10m] [--reason TEXT] [--dry-run] [--wait]",
	"move its executors elsewhere", cmd_host_drain},
    {"host", "undrain", "HOST", "end a drain; the cordon stays", cmd_host_undrain},
    {"host", "lost", "HOST --confirm", "it is certainly gone: replace its executors now",
	cmd_host_lost},
    {"host", "stop-unknown", "HOST --confirm",
	"stop what the cell does not know there: of a history that a restore undid",
	cmd_host_stop_unknown},
    {"host", "cordon", "HOST [--reason TEXT]", "no new placements on it", cmd_host_cordon},
    {"host", "uncordon", "HOST", "lift a cordon", cmd_host_uncordon},
    {"command", "ls", "[--session S] [--host H] [--executor E] [--state STATE] [--dead] [--all]",
	"what hosts are told and have not answered, and what expired or died", cmd_command_ls},
    {"command", "show", "SESSION/INDEX[#ATTEMPT][@GENERATION]", "one command and its history",
	cmd_command_show},
    {"command", "replay", "SESSION/INDEX[#ATTEMPT][@GENERATION] [--no-wait]",
	"say again what died, try again what expired", cmd_command_replay},
    {"command", "drop", "SESSION/INDEX[#ATTEMPT][@GENERATION]",
	"what expired or died waits for nobody any more", cmd_command_drop},
    {"admin", "migrate", "--database-url URL", "bring the schema up to date", cmd_admin_migrate},
    {"admin", "bus-init", "", "make the streams and consumers", cmd_admin_bus_init},
    {"admin", "check-config", "", "check database, schema and streams", cmd_admin_check_config},
    {"admin", "verify", "--database-url URL", "check every invariant from the rows",
	cmd_admin_verify},
    {"admin", "backup", "--to FILE", "write every row of the cell to a file", cmd_admin_backup},
    {"admin", "restore", "--from FILE --confirm", "put a backup in place, and begin a new term",
	cmd_admin_restore},
};
const size_t cli_command_count = COUNT_OF(cli_commands);

static void
usage(FILE *out)
{
	fprintf(out, "Usage: fairlead COMMAND [OPTIONS]\n\n");
	for (size_t i = 0; i < cli_command_count; i++) {
		const struct cli_command *c = &cli_commands[i];
		char words[64];

		snprintf(words, sizeof(words), "%s%s%s", c->noun, *c->noun ? " " : "", c->verb);
		fprintf(out, "  %-20s %s\n", words, c->help);
	}
	fprintf(out, "\nEvery command takes --help, -o table|json|yaml|name, --server URLS, "
		     "--timeout DURATION.\n"
		     "Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 conflict, 5 denied,\n"
		     "6 unavailable, 7 limit, 124 timed out; run exits as its workload does.\n");
}

/* The command, and how many words name it. */
static const struct cli_command *
command_find(int argc, char **argv, int *ret_words)
{
	for (size_t i = 0; i < cli_command_count; i++) {
		const struct cli_command *c = &cli_commands[i];

		if (!*c->noun && argc > 1 && strcmp(argv[1], c->verb) == 0) {
			*ret_words = 1;
			return c;
		}
		if (*c->noun && argc > 2 && strcmp(argv[1], c->noun) == 0 &&
		    strcmp(argv[2], c->verb) == 0) {
			*ret_words = 2;
			return c;
		}
	}
	return NULL;
}

static const char *
environment(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value && *value ? value : otherwise;
}

static void
who_am_i(char *buffer, size_t size)
{
	char host[65] = "";

	if (gethostname(host, sizeof(host) - 1) != 0)
		snprintf(host, sizeof(host), "unknown");
	snprintf(buffer, size, "%.30s@%.30s", environment("USER", "root"), host);
}

static int
command_run(const struct cli_command *command, int words, int argc, char **argv)
{
	static char name[64];
	struct cli c = {.timeout_ms = CLI_TIMEOUT_MS};
	int code;

	c.servers = environment("FAIRLEAD_NATS_SERVERS", "nats://127.0.0.1:4222");
	c.user = environment("FAIRLEAD_NATS_USER", NULL);
	c.password = environment("FAIRLEAD_NATS_PASSWORD", NULL);
	c.creds = environment("FAIRLEAD_NATS_CREDS", NULL);
	c.ca = environment("FAIRLEAD_NATS_CA", NULL);
	c.prefix = environment("FAIRLEAD_PREFIX", SUBJECT_PREFIX_DEFAULT);
	c.arena = arena_new(CLI_ARENA_BYTES_MAX);
	if (!c.arena)
		return CLI_EXIT_FAILED;
	who_am_i(c.who, sizeof(c.who));
	snprintf(name, sizeof(name), "fairlead %s%s%s", command->noun, *command->noun ? " " : "",
	    command->verb);
	argv[words] = name;
	code = command->run(&c, argc - words, argv + words);
	bus_free(c.bus);
	arena_free(c.arena);
	return code;
}

int
main(int argc, char **argv)
{
	const struct cli_command *command;
	int words = 0;

	signal(SIGPIPE, SIG_IGN);
	log_init(LOG_WARN_LEVEL, LOG_FORMAT_AUTO, "cli", "-");
	if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
		usage(argc < 2 ? stderr : stdout);
		return argc < 2 ? CLI_EXIT_USAGE : 0;
	}
	if (strcmp(argv[1], "--version") == 0)
		argv[1] += strlen("--");
	command = command_find(argc, argv, &words);
	if (!command) {
		fprintf(stderr, "fairlead: unknown command: %s%s%s\n", argv[1], argc > 2 ? " " : "",
		    argc > 2 ? argv[2] : "");
		fprintf(stderr, "  hint: `fairlead help` lists them\n");
		return CLI_EXIT_USAGE;
	}
	return command_run(command, words, argc, argv);
}
