/* kept_logs: the output tails of executors that were destroyed, so that people can still read why
 * one failed: <state>/kept/<executor hex>/log.  The newest KEPT_LOGS_MAX of them; older ones go.
 * Only the agent writes here.  errno on failure. */
#ifndef KEPT_LOGS_H
#define KEPT_LOGS_H

#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "id.h"
#include "runtime_bounds.h"

/* Moves the log of an ended incarnation there.  What cannot be kept is not an error of the destroy.
 */
void kept_logs_save(int state_fd, const struct id *id, uint32_t incarnation);
/* As log_ring_read; -1 with ENOENT when it was not kept. */
MUST_USE int kept_logs_read(int state_fd, const struct id *id, void *buffer, size_t size,
    size_t *ret_size, uint64_t *ret_total);

#endif
