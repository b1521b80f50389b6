/* options: one row per option per program (name, type, default, flags, help).
 *
 * Precedence: flag --name-with-dashes > environment PREFIX_NAME > configuration file > default.
 * An option flagged OPTION_SECRET also reads NAME_file, which names a file whose first line is the
 * value, and is printed as ***.
 * An unknown key anywhere is ERR_INVALID naming it and where it stood (O6). */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "compiler.h"

struct err;

enum option_type {
	OPTION_STRING,      /* const char *, owned by the options object */
	OPTION_INT,         /* int64_t, within min..max */
	OPTION_BOOL,        /* bool: true/false, yes/no, 1/0; a bare flag is true */
	OPTION_DURATION_MS, /* int64_t ms from "250ms", "13s", "5m", "2h"; within min..max ms */
	OPTION_BYTES,       /* int64_t from "64Ki", "256Mi", "1Gi", plain bytes */
};

enum option_flag {
	OPTION_PLAIN = 0,
	OPTION_SECRET = 1,
	OPTION_REQUIRED = 2,
};

struct option_row {
	const char
	    *name; /* snake_case: the key in files; flags use dashes, environment upper case */
	enum option_type type;
	const char *value; /* default as text; NULL: unset ("" / 0 / false) */
	unsigned flags;
	int64_t min, max; /* both 0: no bound */
	const char *help;
};

struct options;

/* prefix: "FAIRLEAD_HUB".  rows end with a NULL name and must outlive the object; the name
 * "config" is taken. */
struct options *options_new(const char *prefix, const struct option_row *rows);
void options_free(struct options *o);
DEFINE_CLEANUP(struct options *, options_free);

/* Reads environment, then flags of argv[1..]; `--config FILE` (key: value lines, # comments), or
 * PREFIX_CONFIG, is read between them.  Arguments that are not flags are left in *ret_rest (owned
 * by o, the strings borrowed from argv, NULL-terminated, order kept); ret_rest NULL refuses them.
 * environ_list is "K=V" strings, NULL-terminated: an unknown PREFIX_ variable is refused. */
MUST_USE int options_load(struct options *o, int argc, char **argv, char **environ_list,
    char ***ret_rest, struct err *err);
MUST_USE int options_set(
    struct options *o, const char *name, const char *text, const char *where, struct err *err);

/* The name must be a row of the matching type: anything else is a programmer error (assert). */
const char *options_string(const struct options *o, const char *name); /* "" when unset */
int64_t options_int(const struct options *o, const char *name);        /* INT, DURATION_MS, BYTES */
bool options_bool(const struct options *o, const char *name);
bool options_is_set(const struct options *o, const char *name);

/* --help, --print-config (secrets redacted) and the Markdown table of docs/config.md. */
void options_print_help(
    const struct options *o, const char *program, const char *summary, FILE *out);
void options_print_config(const struct options *o, FILE *out);
void options_print_markdown(const struct options *o, FILE *out);

/* Units, shared with session files.  ERR_INVALID names what is allowed. */
MUST_USE int options_parse_duration_ms(const char *text, int64_t *ret_ms, struct err *err);
MUST_USE int options_parse_bytes(const char *text, int64_t *ret_bytes, struct err *err);

#endif
