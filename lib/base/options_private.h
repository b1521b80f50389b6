/* options_private: what the parts of options share.  Nobody else includes this. */
#ifndef OPTIONS_PRIVATE_H
#define OPTIONS_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "options.h"

#define OPTIONS_NAME_BYTES_MAX 64

/* Who may overwrite whom: a value is replaced only from its own rank or above. */
enum options_rank { RANK_NONE, RANK_DEFAULT, RANK_FILE, RANK_ENVIRONMENT, RANK_FLAG };

struct options_value {
	char *text; /* owned, NULL when unset */
	int64_t number;
	enum options_rank rank;
};

struct options {
	const struct option_row *rows;
	size_t n;
	char prefix[OPTIONS_NAME_BYTES_MAX]; /* with the closing '_' */
	char *config; /* owned: the file named by --config or PREFIX_CONFIG */
	char **rest;  /* owned: borrowed arguments */
	struct options_value values[];
};

/* The row called name, or the secret row that name plus "_file" stands for. */
bool options_find(const struct options *o, const char *name, size_t *ret_i, bool *ret_file);
/* Checks, parses and stores, unless a higher rank has spoken.  where is for the error. */
MUST_USE int options_put(struct options *o, const char *name, const char *text, const char *where,
    enum options_rank rank, struct err *err);
/* The whole file with a closing NUL, to be freed by the caller.  NULL with *err set. */
char *options_read_file(const char *path, struct err *err);

#endif
