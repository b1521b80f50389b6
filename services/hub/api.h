/* api: the workers that answer fl.api.v1.<noun>.<verb>, and what a handler works with. */
#ifndef API_H
#define API_H

#include "route.h"

struct api_service;
struct arena;
struct hub;
struct store;

/* One worker's context; a handler keeps nothing between calls but the fleet cache. */
struct api {
	struct hub *hub;
	struct store *store;
	struct arena *arena; /* reset after every request */
	const char *who; /* header Fl-Who, said by the client and not verified; "-" when absent */
	struct fleet_cache *fleet;
};

/* Registers the micro service and starts the workers. */
MUST_USE int api_start(struct hub *h, struct api_service **ret, struct err *err);
/* Takes no new request, and asks the workers to end; api_stop waits for them.  NULL is fine. */
void api_close(struct api_service *s);
/* Takes no new request, answers those it has, frees everything.  NULL is fine. */
void api_stop(struct api_service *s);

#endif
