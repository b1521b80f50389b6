/* host: one agent with its drivers on a link and an event loop: events in, effects out.
 *
 * The real agent has one; the fleet has thousands on one loop and one link.  Everything runs on the
 * loop thread. */
#ifndef HOST_H
#define HOST_H

#include <stdbool.h>
#include <stddef.h>

#include "agent.h"
#include "compiler.h"
#include "drivers.h"
#include "effects.h"
#include "link.h"

struct arena;
struct clock;
struct err;
struct host;
struct sd_event;

/* What hosts of one loop share: memory of the batch that is being worked on. */
struct host_shared {
	struct sd_event *loop;
	const struct clock *clock;
	struct arena *arena;
	struct agent_effects effects;
	bool quiet; /* write no log lines: the fleet has thousands of hosts */
};
MUST_USE int host_shared_init(
    struct host_shared *s, struct sd_event *loop, const struct clock *clock, struct err *err);
void host_shared_done(struct host_shared *s);

struct host_options {
	struct host_shared *shared; /* borrowed */
	struct link *link;          /* borrowed */
	struct agent_config agent;  /* drivers are filled in; the rest is borrowed */
	struct records *records;    /* borrowed */
	const char *state_dir;      /* NULL: drivers that keep nothing */
	const char *const *drivers; /* names, NULL-terminated */
	const char *shim_path, *cgroup_mode;
	/* Once, when the agent wants the process to end.  May be NULL. */
	void (*on_exit)(void *arg, int exit_code);
	/* Once, when its first hello is accepted.  May be NULL. */
	void (*on_accepted)(void *arg);
	void *arg;
};

/* Opens drivers and records, draws a start number, registers with the link.  Nothing is sent
 * before host_start. */
MUST_USE int host_new(const struct host_options *options, struct host **ret, struct err *err);
void host_free(struct host *h);
DEFINE_CLEANUP(struct host *, host_free);

/* Adopts what the drivers hold, kills what has no record (K5), then says hello. */
MUST_USE int host_start(struct host *h, struct err *err);
/* The link's deliver hands each batch here. */
void host_deliver(struct host *h, const struct link_item *items, size_t n);
/* SIGTERM. */
void host_stop(struct host *h);

const struct agent *host_agent(const struct host *h);
const struct agent_driver *host_drivers(const struct host *h, size_t *ret_count);
/* The longest a due timer waited for the loop, microseconds. */
int64_t host_lag_us(const struct host *h);

#endif
