/* subjects: build and parse the subjects of subjects.def. */
#ifndef SUBJECTS_H
#define SUBJECTS_H

#include <stddef.h>

#include "compiler.h"

struct err;

enum subject {
#define SUBJECT(name, pattern, publishes, subscribes, message, max_bytes, what) SUBJECT_##name,
#include "subjects.def"
	SUBJECT_COUNT,
};

#define SUBJECT_BYTES 256
#define SUBJECT_TOKENS_MAX 3
#define SUBJECT_PREFIX_DEFAULT "fl"

struct subject_row {
	const char *name, *pattern, *publishes, *subscribes, *message, *what;
	size_t max_bytes;
};
const struct subject_row *subject_row(enum subject s);

/* Fills the <tokens> of the pattern in order; "*" makes a subscription pattern.  Tokens must not
 * contain '.', '*' (but alone), '>' or white space: programmer error (assert).  Returns buffer. */
char *subject_build(char buffer[SUBJECT_BYTES], const char *prefix, enum subject s, ...);

struct subject_match {
	enum subject subject;
	char tokens[SUBJECT_TOKENS_MAX][96];
	size_t token_count;
};
/* ERR_INVALID when it is none of ours. */
MUST_USE int subject_parse(
    const char *prefix, const char *subject, struct subject_match *ret, struct err *err);

#endif
