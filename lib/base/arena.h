/* arena: bump allocation for everything that dies together (one message, one batch, one tick).
 *
 * Memory is zeroed.  A bounded arena returns NULL past its limit; an arena made with limit 0 is
 * bounded only by the machine.  Not thread safe: one arena per worker. */
#ifndef ARENA_H
#define ARENA_H

#include <stdarg.h>
#include <stddef.h>

#include "compiler.h"

struct arena;

/* limit_bytes: the most it will hand out between two resets, 0 for no limit. NULL: no memory. */
struct arena *arena_new(size_t limit_bytes);
void arena_free(struct arena *a);
DEFINE_CLEANUP(struct arena *, arena_free);

/* Forgets everything, keeps the first block for reuse. */
void arena_reset(struct arena *a);
size_t arena_used(const struct arena *a);

/* Zeroed, aligned for any type.  NULL past the limit or without memory. */
void *arena_alloc(struct arena *a, size_t size);
/* NULL also when n * size overflows. */
void *arena_calloc(struct arena *a, size_t n, size_t size);
void *arena_memdup(struct arena *a, const void *data, size_t size);
char *arena_strdup(struct arena *a, const char *text);
char *arena_strndup(struct arena *a, const char *text, size_t length);
char *arena_printf(struct arena *a, const char *format, ...) PRINTF(2, 3);
char *arena_vprintf(struct arena *a, const char *format, va_list args) PRINTF(2, 0);

#endif
