/* An exit file of any content: refused, or what it says is within bounds and encodes to itself. */
#include "fuzz.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "durable.h"
#include "exit_record.h"

static void
decode(const char *data, size_t size)
{
	struct exit_record record, back;
	char text[EXIT_RECORD_BYTES_MAX], again[EXIT_RECORD_BYTES_MAX];
	if (exit_record_decode(data, size, &record))
		return;
	assert(strlen(record.executor) == 32 && record.code <= 255 && record.signal <= 128);
	size_t n = exit_record_encode(&record, text);
	int failed = exit_record_decode(text, n, &back);
	assert(!failed && exit_record_encode(&back, again) == n && memcmp(text, again, n) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[EXIT_RECORD_BYTES_MAX * 2];
	decode((const char *)data, size);
	/* The same behind a right checksum, which no fuzzer would find. */
	if (size > EXIT_RECORD_BYTES_MAX)
		return 0;
	memcpy(text, data, size);
	int n = snprintf(text + size, sizeof(text) - size, "check %016" PRIx64 "\n",
	    durable_checksum(data, size));
	decode(text, size + (size_t)n);
	return 0;
}
