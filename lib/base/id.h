/* id: UUIDv7, 16 raw bytes; 32 lower-case hex digits in subjects and for people (state.md).
 *
 * Minting is thread safe and strictly increasing inside one process. */
#ifndef ID_H
#define ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

struct err;

#define ID_BYTES 16
#define ID_HEX_BYTES 33 /* with the closing NUL */

struct id {
	uint8_t bytes[ID_BYTES];
};

struct id id_new(void);
/* For simulation: an id that depends only on its arguments. */
struct id id_from_parts(uint64_t time_ms, uint64_t random);
bool id_is_zero(const struct id *id);
int id_compare(const struct id *a, const struct id *b); /* memcmp order */
bool id_equal(const struct id *a, const struct id *b);
/* Writes ID_HEX_BYTES bytes and returns buffer. */
char *id_to_hex(const struct id *id, char buffer[ID_HEX_BYTES]);
/* Accepts 32 hex digits, or the dashed form.  ERR_INVALID otherwise. */
MUST_USE int id_from_hex(const char *text, struct id *ret_id, struct err *err);
/* ERR_INVALID unless size is 16. */
MUST_USE int id_from_bytes(const void *data, size_t size, struct id *ret_id, struct err *err);

#endif
