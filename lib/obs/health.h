/* health: a small HTTP server for machines that look after a service.
 *
 *   /metrics  Prometheus text
 *   /healthz  200 as long as the process can answer; touches nothing
 *   /readyz   200, or 503 with JSON that names the dependencies that fail
 *
 * One thread of its own; connections, their memory and their time are bounded. */
#ifndef HEALTH_H
#define HEALTH_H

#include "compiler.h"

struct err;
struct health;
struct metrics;

/* listen: "address:port", "[v6]:port", ":port" for every address; "" or "-" for no server at all
 * (probes can still be added).  Port 0 takes a free one.  metrics may be NULL.
 * ERR_INVALID: not an address; ERR_UNAVAILABLE: cannot listen there. */
MUST_USE int health_start(
    const char *listen, struct metrics *metrics, struct health **ret_health, struct err *err);
/* Stops the server: when it returns no probe runs any more.  Probes stay. */
void health_stop(struct health *h);
void health_free(struct health *h);
DEFINE_CLEANUP(struct health *, health_free);

/* check is called from the server's thread for each /readyz: it looks at what is known already or
 * asks with a deadline of a second at most, and returns 0, or -1 with *err set.  name names the
 * dependency ("postgres") and must outlive h.  ERR_LIMIT: too many probes. */
MUST_USE int health_add_probe(struct health *h, const char *name,
    int (*check)(void *arg, struct err *err), void *arg, struct err *err);

/* The port it listens on, 0 without a server. */
unsigned health_port(const struct health *h);

#endif
