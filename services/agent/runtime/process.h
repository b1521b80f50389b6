/* process: inside of driver process.  One struct process_executor per executor with state on disk.
 *
 * STARTING and RUNNING: a shim answers for it over ctl.  ORPHAN: its shim was killed, the executor
 * runs on and the agent, now its parent, answers for it.  ENDED: record says how; destroy is next.
 */
#ifndef PROCESS_H
#define PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <systemd/sd-event.h>
/* The default function falls through switch labels, which clang does not let pass. */
#define HASH_FUNCTION HASH_FNV
#include <uthash.h>

#include "cgroup_base.h"
#include "driver.h"
#include "exit_record.h"
#include "id.h"
#include "instance.h"
#include "log_ring.h"
#include "shim_wire.h"

enum process_phase { PROCESS_STARTING, PROCESS_RUNNING, PROCESS_ORPHAN, PROCESS_ENDED };

/* What is still to be said from the loop, in this order. */
enum { SAY_STARTING = 1, SAY_ENDED = 2, SAY_GONE = 4 };

struct process_executor {
	struct id id;
	uint32_t incarnation;
	enum process_phase phase;
	uint8_t say;
	bool queued;     /* in the driver's work list */
	bool destroying; /* GONE is owed once it has ended */
	bool stopping;   /* asked to end within stop_grace_ms; counts also if the shim dies of
			    something */
	uint32_t stop_grace_ms;
	struct driver *driver;
	int ctl_fd, shim_pidfd; /* -1: gone */
	int pidfd, log_fd;      /* the executor and its output, from the shim; -1: not known */
	int64_t pid;
	struct sd_event_source *ctl_source, *shim_source, *pid_source, *log_source;
	struct sd_event_source *timer; /* ORPHAN: end of grace; ENDED: try again to remove */
	uint32_t retry_ms;
	struct log_ring ring; /* ORPHAN */
	struct log_rate rate;
	char note[96];             /* said with RUNNING: which limits are not enforced */
	struct exit_record record; /* ENDED */
	struct process_executor *next_work;
	UT_hash_handle hh;
};

struct driver {
	struct driver_host host;
	int state_fd;
	struct cgroup_base cgroups;
	uint64_t nofile_soft; /* before open raised it */
	bool same_boot;       /* the state directory was last used in this boot */
	struct process_executor *executors;
	struct process_executor *work_head, *work_tail;
	struct sd_event_source *work_source;
};

/* process_loop.c: the table of executors, and events on the loop. */
struct process_executor *process_new(struct driver *d, const struct id *id, uint32_t incarnation);
struct process_executor *process_find(struct driver *d, const struct id *id);
/* Drops it from the table with its descriptors; files and processes stay. */
void process_free(struct process_executor *x);
MUST_USE int process_loop_open(struct driver *d, struct err *err);
void process_loop_close(struct driver *d);
/* Has something said from the loop. */
void process_say(struct process_executor *x, uint8_t what);
/* Watches ctl and the shim; the descriptors are in *x already. */
MUST_USE int process_watch(struct process_executor *x, struct err *err);
/* Asks the shim to end it; a shim that is dead hands the wish on to process_shim_gone. */
MUST_USE int process_send_stop(struct process_executor *x, uint32_t grace_ms, struct err *err);
/* One packet from a shim with its descriptors (-1: none); -1 with errno, 0 at the end, else 1. */
int process_receive(int ctl_fd, struct shim_message *ret, int *ret_pidfd, int *ret_log_fd);
/* Takes what a STATE said; the descriptors are consumed. */
void process_take_state(
    struct process_executor *x, const struct shim_message *message, int pidfd, int log_fd);
void process_close_fd(int *fd);
struct sd_event_source *process_unref(struct sd_event_source *source);

/* process_end.c: shims that died, executors that ended, what they leave. */
/* The shim said ENDED, or is gone: concludes from the record, or takes over a living executor. */
void process_shim_gone(struct process_executor *x);
void process_orphan_stop(struct process_executor *x, uint32_t grace_ms);
/* Kills what an instance left behind: its leaf, and whatever carries its mark. */
void process_kill_leftovers(
    struct driver *d, const struct id *id, uint32_t incarnation, int dir_fd);
/* Removes every trace; -1 when something is still in the way. */
MUST_USE int process_remove_traces(struct process_executor *x);

/* Remembers durably that state from here on belongs to this boot. */
MUST_USE int process_note_boot(struct driver *d, struct err *err);

/* process_start.c, process_adopt.c: parts of the table of functions. */
MUST_USE int process_start(struct driver *d, const struct id *executor_id, uint32_t incarnation,
    const struct driver_spec *spec, struct err *err);
MUST_USE int process_adopt(struct driver *d, void (*found)(void *arg, const struct driver_found *f),
    void *arg, struct err *err);
/* The event that an ended executor owes; strings point into *record. */
struct driver_event process_ended_event(
    const struct process_executor *x, const struct exit_record *record);

#endif
