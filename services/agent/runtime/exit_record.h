/* exit_record: how an executor ended, as a small text file that outlives shim and agent.
 *
 * Text, so that a person can read it; a checksum on the last line, so that a torn one is never
 * believed.  Shared by the agent and the shim: no heap. */
#ifndef EXIT_RECORD_H
#define EXIT_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

#define EXIT_RECORD_FILE "exit"
#define EXIT_RECORD_BYTES_MAX 640

struct exit_record {
	char executor[33]; /* 32 hex digits */
	uint32_t incarnation;
	bool started; /* exec had succeeded */
	bool oom;
	int code;         /* -1 when it ended by a signal or is unknown */
	int signal;       /* 0: none */
	char reason[24];  /* "" or one word */
	char detail[200]; /* "" or one line of text */
};

/* Sets reason and detail; line breaks and control characters in detail become '?'. */
void exit_record_explain(struct exit_record *record, const char *reason, const char *format, ...)
    PRINTF(3, 4);
/* buffer: EXIT_RECORD_BYTES_MAX.  Returns the size. */
size_t exit_record_encode(const struct exit_record *record, char *buffer);
/* 0, or -1 for anything but exactly what encode writes. */
MUST_USE int exit_record_decode(const char *data, size_t size, struct exit_record *ret);

#endif
