/* driver: what runs an executor.  One table of functions per driver.
 *
 * No function blocks for more than a few milliseconds.  What takes time is reported later through
 * driver_host.on_event, always from the event loop thread, never from inside the call that asked
 * for it.  prepare, stop, kill, destroy are idempotent.  An instance of an executor is named by
 * (executor id, incarnation); the driver keeps no desired state and makes no decision. */
#ifndef DRIVER_H
#define DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "id.h"

struct clock;
struct err;
struct sd_event;
struct driver;

/* Borrowed for the call of start. */
struct driver_spec {
	const char *name;        /* "web/0", for people */
	const char *const *argv; /* NULL-terminated, at least one */
	const char *const *env;  /* "K=V", NULL-terminated */
	const char *user;        /* NULL: the agent's own */
	const char *working_dir; /* NULL: "/" */
	uint32_t cpu_millis;     /* 0: no limit */
	uint64_t memory_bytes;   /* 0: no limit */
	uint32_t pids_max;       /* 0: no limit */
	uint64_t nofile_max;     /* RLIMIT_NOFILE, 0: inherited */
	uint64_t core_max_bytes; /* RLIMIT_CORE */
	bool limits_required;    /* fail the start when a limit cannot be enforced */
	uint32_t stop_grace_ms;
	const char *fake_script; /* driver fake: "run=50ms exit=3 start=10ms fail=prepare ..." */
};

enum driver_event_type {
	DRIVER_STARTING, /* prepared; the start was called */
	DRIVER_RUNNING,  /* it was seen to run */
	DRIVER_EXITED,   /* ended; exit_code, signal, oom, reason are set */
	DRIVER_GONE,     /* destroy finished: nothing is left */
};

struct driver_event {
	enum driver_event_type type;
	struct id executor_id;
	uint32_t incarnation;
	bool started;  /* EXITED: it had been running (exec succeeded) at any time */
	int exit_code; /* -1 when it ended by a signal or is unknown */
	int signal;    /* 0: none */
	bool oom;
	const char
	    *reason; /* "" or one word: exec_failed, lost, host_reboot, limits, ... ; borrowed */
	const char *detail; /* "" or text for people; borrowed */
	int64_t pid;        /* RUNNING: the executor's pid, 0 unknown */
};

struct driver_probe {
	bool usable;
	bool enforces_cpu, enforces_memory, enforces_pids;
	char detail[160]; /* why not, or what was found: "cgroup hybrid" */
};

/* What the agent gives a driver; borrowed for the driver's life. */
struct driver_host {
	struct sd_event *loop;
	const char *state_dir;   /* the driver's own directory, exists, 0700 */
	const char *boot_id;     /* kernel boot id plus start time of PID 1 */
	const char *shim_path;   /* fairlead-shim */
	const char *cgroup_mode; /* "auto", "v2", "hybrid", "none" */
	const struct clock *clock;
	void (*on_event)(void *arg, const struct driver_event *event);
	void *arg;
};

/* What adopt found of one executor; the agent compares it with its records. */
struct driver_found {
	struct id executor_id;
	uint32_t incarnation;
	bool running; /* its shim answered and is held from now on; else ended: */
	struct driver_event ended;
	int64_t pid;
};

struct driver_ops {
	const char *name;
	/* Really does what it claims, bounded to a second. */
	void (*probe)(const struct driver_host *host, struct driver_probe *ret);
	MUST_USE int (*open)(const struct driver_host *host, struct driver **ret, struct err *err);
	/* Walks the state directory (runtime.md, "Adoption at start") and calls found once per
	 * executor with state; everything else it finds is killed and removed. */
	MUST_USE int (*adopt)(struct driver *d,
	    void (*found)(void *arg, const struct driver_found *f), void *arg, struct err *err);
	/* Followed by STARTING, then RUNNING or EXITED.  An error means nothing was started. */
	MUST_USE int (*start)(struct driver *d, const struct id *executor_id, uint32_t incarnation,
	    const struct driver_spec *spec, struct err *err);
	/* SIGTERM, after grace_ms the whole tree is killed; EXITED follows.  0: kill at once.
	 * An unknown executor is not an error: nothing runs. */
	MUST_USE int (*stop)(
	    struct driver *d, const struct id *executor_id, uint32_t grace_ms, struct err *err);
	/* Removes every trace (state, cgroups) of an ended executor but a bounded number of output
	 * tails, which logs still finds; GONE follows, also for
	 * an unknown one. A running one is killed first. */
	MUST_USE int (*destroy)(struct driver *d, const struct id *executor_id, struct err *err);
	/* The newest bytes of stdout and stderr, at most 64 KiB, into the caller's buffer;
	 * *ret_total is how many were ever written.  ERR_NOT_FOUND: no such executor here. */
	MUST_USE int (*logs)(struct driver *d, const struct id *executor_id, void *buffer,
	    size_t size, size_t *ret_size, uint64_t *ret_total, struct err *err);
	/* Leaves executors running; their next driver adopts them. */
	void (*close)(struct driver *d);
};

extern const struct driver_ops driver_process_ops;
extern const struct driver_ops driver_fake_ops;
/* NULL: no such driver. */
const struct driver_ops *driver_find(const char *name);

#define DRIVER_LOG_TAIL_BYTES (64u * 1024)

#endif
