/* mailbox: a bounded queue of pointers between threads, with an eventfd for event loops.
 *
 * Any number of producers and consumers.  Full is an answer, never a wait: mailbox_put returns
 * ERR_LIMIT and counts it (invariant 8). */
#ifndef MAILBOX_H
#define MAILBOX_H

#include <stdint.h>

#include "compiler.h"

struct err;
struct mailbox;

/* capacity: the bound, >= 1.  drop frees an item that is still inside at mailbox_free; may be NULL.
 * NULL: no memory or no file descriptor. */
struct mailbox *mailbox_new(unsigned capacity, void (*drop)(void *item));
void mailbox_free(struct mailbox *m);
DEFINE_CLEANUP(struct mailbox *, mailbox_free);

/* On success the mailbox owns item.  ERR_LIMIT when full, ERR_UNAVAILABLE when closed; then the
 * caller still owns it. */
MUST_USE int mailbox_put(struct mailbox *m, void *item, struct err *err);
/* Waits for room up to timeout_ms (-1: for ever).  ERR_TIMEOUT, ERR_UNAVAILABLE when closed. */
MUST_USE int mailbox_put_wait(struct mailbox *m, void *item, int timeout_ms, struct err *err);
/* The oldest item, or NULL at once when empty. */
void *mailbox_get(struct mailbox *m);
/* Waits up to timeout_ms (-1: for ever).  NULL on timeout, or when closed and empty. */
void *mailbox_get_wait(struct mailbox *m, int timeout_ms);
/* Readable while the mailbox is not empty (or closed).  Borrowed. */
int mailbox_fd(const struct mailbox *m);
/* No more puts; waiters wake up; what is inside can still be taken. */
void mailbox_close(struct mailbox *m);
unsigned mailbox_depth(struct mailbox *m);
uint64_t mailbox_full_count(struct mailbox *m);

#endif
