/* child: a process of the cell: started, watched, restarted, stopped within a bound. */
#ifndef CHILD_H
#define CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "compiler.h"

struct err;

#define CHILD_ARGS_MAX 48
#define CHILD_NAME_BYTES 64

struct child {
	char name[CHILD_NAME_BYTES]; /* "hub-1": its log is <data>/log/<name>.log */
	const char *argv[CHILD_ARGS_MAX];
	unsigned argc;
	char *owned[CHILD_ARGS_MAX]; /* texts of argv that child_arg made */
	unsigned owned_count;
	uid_t uid; /* 0: as we are */
	gid_t gid;
	int stop_signal; /* also when we die */
	int keeps_fd;    /* stays open in it, -1: none */
	bool stop_asked;
	pid_t pid;  /* 0: not running */
	int status; /* of the last end, as waitpid gives it */
	unsigned restarts;
	int64_t started_us, restart_at_us;
};

void child_init(struct child *c, const char *name, int stop_signal);
void child_done(struct child *c);
/* Appends one argument, formatted.  More than CHILD_ARGS_MAX: programmer error. */
void child_arg(struct child *c, const char *format, ...) PRINTF(2, 3);

/* Output goes to the end of log_path; NULL: inherited.  The child gets a process group of its own
 * and stop_signal when we die. */
MUST_USE int child_start(struct child *c, const char *log_path, struct err *err);
/* Waits for its end; -1 with ERR_TIMEOUT when it takes longer.  0: c->status is set. */
MUST_USE int child_wait(struct child *c, int timeout_ms, struct err *err);
/* Asks it to stop, once: a second signal would make a service drop what it drains. */
void child_ask_stop(struct child *c);
/* Asks it to stop, insists after timeout_ms, reaps it. */
void child_stop(struct child *c, int timeout_ms);
/* Runs to its end: 0 only for exit status 0. */
MUST_USE int child_run(struct child *c, const char *log_path, int timeout_ms, struct err *err);

#endif
