/* fleet: many agents in one process, for tests and benches: the real step function, the fake
 * driver, records in memory, over one shared connection or one per host. */
#ifndef FLEET_H
#define FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus.h"
#include "compiler.h"
#include "resources.h"
#include "selector.h"

struct err;
struct fleet;
struct sd_event;

struct fleet_options {
	struct sd_event *loop;
	size_t hosts;
	const char *host_prefix; /* sim: hosts are sim-0, sim-1, ... */
	bool shared;             /* one connection for all; otherwise one each */
	struct bus_options bus;
	const char *prefix, *pool, *boot_id;
	const struct label *labels;
	size_t label_count;
	struct resources capacity; /* of each host */
	int64_t heartbeat_interval_us;
	/* Once, when every host's first hello was accepted. */
	void (*on_accepted)(void *arg);
	/* Once, when every host has left by a verdict of the control plane. */
	void (*on_left)(void *arg);
	void *arg;
};

struct fleet_stats {
	size_t hosts, accepted, left, records;
	uint64_t hellos, heartbeats, heartbeat_answers, syncs, commands, items, starts;
	uint64_t reports, reports_acked, executors_reported, refused_messages, late_answers, gaps,
	    dropped;
	int64_t lag_max_us; /* the longest a due timer waited for the loop */
};

MUST_USE int fleet_new(const struct fleet_options *options, struct fleet **ret, struct err *err);
void fleet_free(struct fleet *f);
DEFINE_CLEANUP(struct fleet *, fleet_free);
void fleet_stats(const struct fleet *f, struct fleet_stats *ret);

#endif
