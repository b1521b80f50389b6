/* session_file: what a person writes (YAML or JSON) -> SessionSpec, with units and limits.
 *
 * One validation path for both: the file becomes a json tree with a map from path to line; errors
 * read "web.yaml:7: executor.resources.cpu: ...; allowed: ...".  Units: 500m, 256Mi, 30s. */
#ifndef SESSION_FILE_H
#define SESSION_FILE_H

#include <stddef.h>

#include "compiler.h"

struct arena;
struct err;
struct Fairlead__V1__SessionSpec;

/* name: for messages ("web.yaml", "-").  ERR_INVALID has file, line, field. A file may hold several
 * documents separated by "---": *ret_specs is an array of *ret_n (at most 64). */
MUST_USE int session_file_parse(const char *name, const char *text, size_t size,
    struct arena *arena, struct Fairlead__V1__SessionSpec ***ret_specs, size_t *ret_n,
    struct err *err);

/* Fills defaults (pool default, replicas 1, stop grace 10 s, restart never, lost_after 30 s, accept
 * timeout 60 s, driver process) and checks every limit; used by the hub for every session.create.
 * ERR_INVALID/ERR_LIMIT name the field and the limit.  Limits are rows of session_limits.def:
 * replicas 0..100000, command 1..256 words, environment 200 KiB, spec 240 KiB in all, ... */
MUST_USE int session_spec_check(
    struct Fairlead__V1__SessionSpec *spec, struct arena *arena, struct err *err);

/* First field path in which two checked specs differ, or NULL when they are equal
 * ("executor.command"). */
const char *session_spec_difference(const struct Fairlead__V1__SessionSpec *a,
    const struct Fairlead__V1__SessionSpec *b, struct arena *arena);

#endif
