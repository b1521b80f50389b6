/* binding: a journal belongs to one host id.
 *
 * host_seq counts per host, so a journal that is taken over by another id would take the new host's
 * first commands for old ones.  The id is kept beside the records; when it changes, the old records
 * are set aside, and what they named is stopped like anything else without a record (K5). */
#ifndef BINDING_H
#define BINDING_H

#include "compiler.h"
#include "records.h"

struct err;

/* Before the records are opened.  *ret_moved: where the other host's records went, "" when they are
 * ours. */
MUST_USE int binding_check(const char *state_dir, const char *host_id,
    char ret_moved[RECORDS_PATH_BYTES], struct err *err);

#endif
