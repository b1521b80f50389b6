/* session_file: what a person writes (YAML or JSON) -> SessionSpec, with units and limits.
 *
 * One validation path for both: the file becomes a json tree with a map from path to line; errors
 * read "web.yaml:7: executor.resources.cpu: ...; allowed: ...".  Units: 500m, 256Mi, 30s. */
#ifndef SESSION_FILE_H
#define SESSION_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "compiler.h"

struct arena;
struct err;
struct Fairlead__V1__ExecutorSpec;
struct Fairlead__V1__SessionSpec;

/* name: for messages ("web.yaml", "-").  ERR_INVALID has file, line, field. A file may hold several
 * documents separated by "---": *ret_specs is an array of *ret_n (at most 64). */
MUST_USE int session_file_parse(const char *name, const char *text, size_t size,
    struct arena *arena, struct Fairlead__V1__SessionSpec ***ret_specs, size_t *ret_n,
    struct err *err);

/* Fills defaults (pool default, replicas 1, stop grace 10 s, restart never, backoff 1 s to 60 s
 * reset after 60 s, lost_after 30 s, replace_after = lost_after, keep original, accept timeout 60
 * s, driver process) and checks every limit; used by the hub for every session.create.
 * ERR_INVALID/ERR_LIMIT name the field and the limit.  Limits are rows of session_limits.def:
 * replicas 0..100000, command 1..256 words, environment 200 KiB, spec 240 KiB in all, ... */
MUST_USE int session_spec_check(
    struct Fairlead__V1__SessionSpec *spec, struct arena *arena, struct err *err);

/* Is a lost executor replaced?  Unsaid it is: the default is not filled in, so that the warning can
 * tell what was said. */
bool session_spec_replaces(const struct Fairlead__V1__SessionSpec *checked);
/* What a user should know about a checked spec that is accepted all the same; NULL: nothing.
 * Original and replacement may both run unless the host stops the original in time (K24). */
const char *session_spec_warning(
    const struct Fairlead__V1__SessionSpec *checked, struct arena *arena);
/* What goes down to a host: the executor of a checked spec with what the session says about
 * restarting and disconnecting.  Shares memory with it.  NULL: no memory. */
struct Fairlead__V1__ExecutorSpec *session_spec_executor(
    const struct Fairlead__V1__SessionSpec *checked, struct arena *arena);

/* A field path, and what stands there in each, as JSON of at most SESSION_CHANGE_TEXT_BYTES
 * (longer: cut, "..." after it); "": nothing. */
#define SESSION_CHANGE_TEXT_BYTES 200
struct session_change {
	const char *field, *from, *to;
};
/* The first max differences of two checked specs; returns how many there are in all. */
size_t session_spec_changes(const struct Fairlead__V1__SessionSpec *a,
    const struct Fairlead__V1__SessionSpec *b, struct arena *arena, struct session_change *ret,
    size_t max);

/* Do executors of the one have to be replaced to be executors of the other?  Not because a map
 * stands in another order: what Postgres keeps as jsonb comes back sorted. */
MUST_USE int session_spec_rolls(const struct Fairlead__V1__SessionSpec *a,
    const struct Fairlead__V1__SessionSpec *b, struct arena *arena, bool *ret, struct err *err);

/* First field path in which two checked specs differ, or NULL when they mean the same
 * ("executor.command"). */
const char *session_spec_difference(const struct Fairlead__V1__SessionSpec *a,
    const struct Fairlead__V1__SessionSpec *b, struct arena *arena);

#endif
