/* worker: a named thread that can be asked to stop and woken from its sleep.
 *
 *     static void
 *     run(struct worker *w, void *arg)
 *     {
 *             do
 *                     tick(arg);
 *             while (worker_wait(w, TICK_MS));
 *     }
 */
#ifndef WORKER_H
#define WORKER_H

#include <stdbool.h>

#include "compiler.h"

struct err;
struct worker;

/* run returns soon after worker_wait returned false or worker_stopping became true; every other
 * wait inside it has a deadline.  The thread has all signals blocked.  name: 15 characters at most
 * reach the kernel.  NULL with *err set: no memory or no thread. */
struct worker *worker_start(
    const char *name, void (*run)(struct worker *w, void *arg), void *arg, struct err *err);
/* Asks the thread to stop, and returns at once.  Stop all workers first, then free them. */
void worker_stop(struct worker *w);
/* Any thread: waits up to timeout_ms (>= 0) for run to return, and says whether it has. */
bool worker_join(struct worker *w, int timeout_ms);
/* Stops, joins, frees.  NULL is fine.  Not from the worker itself.  It waits for run
 * without a deadline: where that could hang, worker_join comes first. */
void worker_free(struct worker *w);
DEFINE_CLEANUP(struct worker *, worker_free);

/* Any thread: ends the current worker_wait, or the next one when there is none now. */
void worker_wake(struct worker *w);

/* For the thread itself.
 * Sleeps up to timeout_ms (-1: until something happens), less when woken or stopped.
 * False when stopped. */
bool worker_wait(struct worker *w, int timeout_ms);
bool worker_stopping(const struct worker *w);
/* Readable when woken or stopped: for a thread that polls other descriptors too.  After it was
 * readable, worker_wait(w, 0) takes the wake-up. */
int worker_fd(const struct worker *w);

#endif
