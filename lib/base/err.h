/* err: the one error object.  It lives on the caller's stack, so reporting cannot fail.
 *
 * kind decides behaviour (acknowledgement, exit code, log level, wire code); text is for people.
 * Functions that can fail return 0 or -1 and take a struct err * last. */
#ifndef ERR_H
#define ERR_H

#include <stddef.h>

#include "compiler.h"

enum err_kind {
	ERR_NONE,
	ERR_INVALID,     /* the input is wrong and will stay wrong */
	ERR_NOT_FOUND,   /* the named thing does not exist */
	ERR_CONFLICT,    /* somebody else was first: reread */
	ERR_DENIED,      /* not allowed, or fenced by a newer epoch */
	ERR_LIMIT,       /* a named bound was reached */
	ERR_UNAVAILABLE, /* a dependency is away: try again later */
	ERR_TIMEOUT,     /* the deadline passed; the outcome is unknown */
	ERR_INTERNAL,    /* a defect, or a system call that never fails */
};

#define ERR_TEXT_BYTES 240
#define ERR_FIELD_BYTES 64
#define ERR_HINT_BYTES 120

struct err {
	enum err_kind kind;
	char text[ERR_TEXT_BYTES];
	char field[ERR_FIELD_BYTES]; /* the input field at fault, "" when none */
	char hint[ERR_HINT_BYTES];   /* what would help, "" when none */
};

/* One row per kind: the name on the wire and in JSON, the CLI's exit code, and the
 * Nats-Service-Error-Code of a micro service reply. */
struct err_row {
	const char *name;
	int exit_code;
	int service_code;
};
const struct err_row *err_row(enum err_kind kind);
/* ERR_INTERNAL for a name that is not in the table. */
enum err_kind err_kind_from_name(const char *name);

/* Clears *e. */
void err_clear(struct err *e);

/* Sets kind and text, clears field and hint.  The text is one line: control characters of what it
 * quotes become spaces (C7).  Always returns -1: `return err_set(...)`. */
int err_set(struct err *e, enum err_kind kind, const char *format, ...) PRINTF(3, 4);

/* The same with the input field at fault ("resources.cpu"). */
int err_field(struct err *e, enum err_kind kind, const char *field, const char *format, ...)
    PRINTF(4, 5);

/* Adds a hint to an error that is already set.  Returns -1. */
int err_hint(struct err *e, const char *format, ...) PRINTF(2, 3);

/* Prefixes the text: "claim executor web/0: <old text>".  Keeps kind, field, hint.  Returns -1. */
int err_wrap(struct err *e, const char *format, ...) PRINTF(2, 3);

#endif
