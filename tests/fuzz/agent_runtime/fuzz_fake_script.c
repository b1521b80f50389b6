/* A fake script of any content: played within bounds, or refused with the word. */
#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "fake_script.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fake_script script;
	struct err err = {0};
	char *text = malloc(size + 1);
	if (!text)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	if (fake_script_parse(text, &script, &err)) {
		assert(err.kind == ERR_INVALID && err.text[0]);
	} else {
		assert(script.start_us >= 0 && script.run_us >= 0 && script.stop_us >= 0);
		assert(script.exit_code >= 0 && script.exit_code <= 255);
		assert(script.signal >= 0 && script.signal <= 64);
	}
	free(text);
	return 0;
}
