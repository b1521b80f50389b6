/* Any text as a subject.  What parses builds the same subject again. */
#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "subjects.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *subject = malloc(size + 1), built[SUBJECT_BYTES];
	struct subject_match m;
	struct err err = {0};

	if (!subject)
		return 0;
	if (size)
		memcpy(subject, data, size);
	subject[size] = '\0';
	if (subject_parse("fl", subject, &m, &err) == 0) {
		subject_build(built, "fl", m.subject, m.tokens[0], m.tokens[1], m.tokens[2]);
		assert(strcmp(built, subject) == 0);
	} else {
		assert(err.kind == ERR_INVALID);
	}
	free(subject);
	return 0;
}
