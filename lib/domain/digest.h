/* digest: K19, one function for both sides. Pure. */
#ifndef DIGEST_H
#define DIGEST_H

#include <stdint.h>

#include "id.h"

struct digest {
	uint64_t count, sum;
};

/* incarnation counts as 0 at rank 90.  Call only for accepted_generation > 0 and not gone. */
void digest_add(struct digest *d, const struct id *executor_id, uint64_t accepted_generation,
    uint32_t incarnation, int rank);

#endif
