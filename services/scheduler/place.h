/* place: from "wants a host" to a published command; one worker per pool that this scheduler leads.
 *
 * Woken by nudges, without any delay in between: read the queue, plan over the image, commit in
 * batches, publish.  Those that find no host get their reasons written once per pass. */
#ifndef PLACE_H
#define PLACE_H

#include <stdint.h>

#include "compiler.h"

struct err;
struct place;
struct scheduler;

MUST_USE int place_start(
    struct scheduler *s, const char *pool, struct place **ret, struct err *err);
/* Any thread: look now. */
void place_wake(struct place *p);
/* Any thread: reservations came back; read the fleet again, then look. */
void place_wake_freed(struct place *p);
/* Stop all first, then free. */
void place_stop(struct place *p);
void place_free(struct place *p);

struct place_status {
	uint64_t placed;
	uint64_t waiting; /* in the last pass */
	int64_t last_pass_us;
};
void place_status(struct place *p, struct place_status *ret);

#endif
