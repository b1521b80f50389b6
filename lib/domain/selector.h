/* selector: label expressions.  "zone in (a,b) && !edge && tier = gold && zone != c && gpu"
 * Terms: KEY, !KEY, KEY = V, KEY != V, KEY in (V,...), KEY notin (V,...); joined by && only.
 * A missing label satisfies != and notin.  Pure; parse once, match many. */
#ifndef SELECTOR_H
#define SELECTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "compiler.h"

struct arena;
struct err;
struct selector;

struct label {
	const char *key, *value;
};

#define SELECTOR_TEXT_MAX 1024
#define SELECTOR_TERMS_MAX 32

/* "" and NULL match everything.  ERR_INVALID points at the offending token and position. */
MUST_USE int selector_parse(
    const char *text, struct arena *arena, struct selector **ret, struct err *err);
bool selector_match(const struct selector *s, const struct label *labels, size_t n);

#endif
