/* shim: the parent of one executor, and nothing else.
 *
 * One thread, no heap, one epoll; it sleeps without a timer while the executor runs silently.
 *   STARTING  the child is between clone and exec; its exec error comes over a close-on-exec pipe
 *   RUNNING   exec succeeded
 *   KILLING   the executor ended; what it left behind is killed until nothing is left
 *   DRAINING  the output pipe is read to its end, bounded
 *   DONE      the exit record is durable, the agent was told */
#ifndef SHIM_H
#define SHIM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "exit_record.h"
#include "log_ring.h"
#include "run_spec.h"
#include "shim_wire.h"

enum shim_phase { PHASE_STARTING, PHASE_RUNNING, PHASE_KILLING, PHASE_DRAINING, PHASE_DONE };

/* What an epoll event is about. */
enum shim_source { SOURCE_LISTEN, SOURCE_CLIENT, SOURCE_SIGNAL, SOURCE_LOG, SOURCE_EXEC };

struct shim {
	const struct run_spec_head *spec;
	enum shim_phase phase;
	int epoll_fd, signal_fd, listen_fd;
	int client_fd; /* the newest agent; -1: none */
	int pidfd;     /* -1: nothing was started */
	int log_fd;    /* read end of stdout and stderr; -1: at its end */
	int exec_fd;   /* read end of the exec error pipe; -1: answered */
	pid_t pid;
	bool ended; /* the executor was reaped, record holds how */
	struct log_ring ring;
	struct log_rate rate;
	struct exit_record record;
	/* CLOCK_MONOTONIC microseconds, 0: not set. */
	int64_t kill_at_us;   /* a stop's grace ends */
	int64_t step_at_us;   /* look again at what is being killed or drained */
	int64_t step_wait_us; /* grows while looking */
	int64_t phase_end_us; /* KILLING, DRAINING: give up */
	int64_t log_at_us;    /* the output may be read again */
};

int64_t shim_now_us(void);

/* child.c: starts the executor.  -1: nothing runs, record says why. */
MUST_USE int shim_spawn(struct shim *shim);
/* Reads the answer of exec if it is there; moves STARTING to RUNNING, or explains in record. */
void shim_exec_answered(struct shim *shim);

/* ctl.c: the agent's side of things. */
MUST_USE int shim_ctl_listen(struct shim *shim);
void shim_ctl_accept(struct shim *shim);
void shim_ctl_receive(struct shim *shim);
void shim_ctl_send(struct shim *shim, enum shim_type type);
/* Rewrites the lock file: who the shim and the executor are. */
void shim_lock_write(const struct shim *shim);

/* life.c: stop, kill, end. */
void shim_stop(struct shim *shim, uint32_t grace_ms);
void shim_reap(struct shim *shim);
/* Does what is due; called after every wake-up. */
void shim_step(struct shim *shim);
void shim_log_read(struct shim *shim);
/* Milliseconds until something is due; -1: never. */
int shim_timeout_ms(const struct shim *shim);
/* Makes the record durable, removes the leaf, tells the agent. */
void shim_finish(struct shim *shim);

/* main.c */
MUST_USE int shim_watch(struct shim *shim, int fd, enum shim_source source);

#endif
