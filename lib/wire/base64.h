/* base64: RFC 4648 with padding, for bytes fields in JSON. */
#ifndef BASE64_H
#define BASE64_H

#include <stddef.h>

#include "compiler.h"

struct arena;

/* NUL-terminated in the arena; NULL without memory. */
char *base64_encode(const void *data, size_t size, struct arena *arena);
/* 0, or -1 when text is not base64 (padding included); *ret_data NULL without memory. */
MUST_USE int base64_decode(
    const char *text, struct arena *arena, void **ret_data, size_t *ret_size);

#endif
