/* watch: what only shows when somebody asks: how far the intake is behind, and what the bus dropped
 * because this hub was too slow (O4). */
#ifndef WATCH_H
#define WATCH_H

#include "compiler.h"

struct err;
struct heartbeat_service;
struct host_requests;
struct hub;
struct judge;
struct watch;

/* Borrowed; stop the watch before them. */
struct watch_parts {
	const struct heartbeat_service *heartbeat;
	const struct host_requests *host_requests;
	const struct judge *judge;
};
MUST_USE int watch_start(
    struct hub *h, const struct watch_parts *parts, struct watch **ret, struct err *err);
void watch_stop(struct watch *w); /* NULL is fine */

#endif
