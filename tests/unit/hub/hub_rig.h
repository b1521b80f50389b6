/* hub_rig: a hub over the bus in memory whose Postgres takes connections and never says a word. */
#ifndef HUB_RIG_H
#define HUB_RIG_H

#include "err.h"
#include "hub.h"

struct metrics;

struct hub_rig {
	struct hub hub;
	struct metrics *metrics;
	int mute; /* the listening socket */
	char database_url[96];
	struct err err;
};

/* For cmocka; what was started on the hub is stopped by the test. */
int hub_rig_setup(void **state);
int hub_rig_teardown(void **state);

#endif
