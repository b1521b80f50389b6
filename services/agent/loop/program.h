/* program: what fairlead-agent and fairlead-fleet share as programs: questions answered on standard
 * output instead of starting, the log, and errors before there is a log. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include "compiler.h"
#include "options.h"

struct crash_row;
struct err;

#define PROGRAM_EXIT_USAGE 2

struct program {
	const char *name;    /* "fairlead-agent" */
	const char *service; /* "agent": in every log line */
	const char *prefix;  /* "FAIRLEAD_AGENT" */
	const char *summary;
	const struct option_row *options; /* log_level and log_format among them */
	const struct crash_row *crash_points;
};

/* Answers --help, --version, --print-config, --print-config-markdown, --list-crash-points, or
 * starts run with the loaded options and returns its exit code.  A wrong option exits 2. */
int program_main(const struct program *program, int argc, char **argv,
    int (*run)(const struct options *options, const char *program_path));
/* A plain line on standard error; returns the kind's exit code. */
int program_refuse(const char *name, const struct err *err);

/* The rows of log_level and log_format, for the option table. */
#define PROGRAM_LOG_OPTIONS                                                                        \
	{"log_level", OPTION_STRING, "info", 0, 0, 0, "debug, info, warn or error"},               \
	    {"log_format", OPTION_STRING, "auto", 0, 0, 0,                                         \
		"logfmt, json, or auto: logfmt on a terminal, JSON lines otherwise"}

#endif
