/* host_requests: what a host asks: fl.req.<host>.hello and .sync (K1-K6, K11). */
#ifndef HOST_REQUESTS_H
#define HOST_REQUESTS_H

#include <stdint.h>

#include "compiler.h"

struct err;
struct host_requests;
struct hub;

MUST_USE int host_requests_start(struct hub *h, struct host_requests **ret, struct err *err);
/* Requests that never reached its queue. */
uint64_t host_requests_dropped(const struct host_requests *s);
/* Asks the workers to end; host_requests_stop waits for them.  NULL is fine. */
void host_requests_close(struct host_requests *s);
void host_requests_stop(struct host_requests *s); /* NULL is fine */

#endif
