/* Durations, sizes and ids: what is accepted stays within bounds and reads back. */
#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "id.h"
#include "options.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct err err = {0};
	int64_t value = -1;
	struct id id, again;
	char hex[ID_HEX_BYTES];

	if (!text)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	if (options_parse_duration_ms(text, &value, &err) == 0)
		assert(value >= 0);
	else
		assert(err.kind == ERR_INVALID && err.text[0]);
	if (options_parse_bytes(text, &value, &err) == 0)
		assert(value >= 0);
	if (id_from_hex(text, &id, &err) == 0) {
		int result = id_from_hex(id_to_hex(&id, hex), &again, &err);
		assert(result == 0 && id_equal(&id, &again));
	}
	free(text);
	return 0;
}
