/* name: what a host, pool, session may be called (A3), and "session/index" names of executors.
 * Pure. */
#ifndef NAME_H
#define NAME_H

#include <stdint.h>

#include "compiler.h"
#include "id.h"

struct err;

#define NAME_BYTES_MAX 63
#define EXECUTOR_NAME_BYTES 96

/* A DNS label: 1..63 of a-z 0-9 -, not - at either end.  ERR_INVALID, field as given, with the
 * rule. */
MUST_USE int name_check(const char *text, const char *field, struct err *err);

enum executor_name_kind { EXECUTOR_NAME_ID, EXECUTOR_NAME_INDEX };
/* "web/0" (attempt 0: the newest), "web/0#2", or 32 hex digits. */
struct executor_name {
	enum executor_name_kind kind;
	struct id id;
	char session[NAME_BYTES_MAX + 1];
	uint32_t index, attempt;
};
MUST_USE int executor_name_parse(const char *text, struct executor_name *ret, struct err *err);
/* "web/0", or "web/0#2" when attempt > 1.  Returns buffer. */
char *executor_name_format(
    const char *session, uint32_t index, uint32_t attempt, char buffer[EXECUTOR_NAME_BYTES]);

#define COMMAND_NAME_BYTES 128
/* A command is an executor and a generation: "web/0#1@2"; without "@2" (generation 0) the newest.
 * What stands before "@" is any name of an executor. */
struct command_name {
	struct executor_name executor;
	uint64_t generation;
};
MUST_USE int command_name_parse(const char *text, struct command_name *ret, struct err *err);
/* "web/0#1@2": always with the attempt.  Returns buffer. */
char *command_name_format(const char *session, uint32_t index, uint32_t attempt,
    uint64_t generation, char buffer[COMMAND_NAME_BYTES]);

#endif
