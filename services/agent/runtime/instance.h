/* instance: the state directory of one (executor, incarnation): <state>/<executor
 * hex>/<incarnation>.
 *
 *   spec  what the shim was asked to run       lock  held by the shim for life, names it
 *   ctl   the shim's socket                    log   the output's tail      exit  how it ended */
#ifndef INSTANCE_H
#define INSTANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "compiler.h"
#include "exit_record.h"
#include "id.h"
#include "run_spec.h"

#define INSTANCE_NAME_BYTES 48 /* "<hex>-<incarnation>", "<hex>/<incarnation>" */
#define INSTANCE_QUARANTINE "quarantine"

/* Writes "<hex><separator><incarnation>" and returns buffer. */
char *instance_name(
    const struct id *id, uint32_t incarnation, char separator, char buffer[INSTANCE_NAME_BYTES]);
/* A descriptor of the directory, or -1 with errno. */
int instance_open(int state_fd, const struct id *id, uint32_t incarnation);
MUST_USE int instance_create(int state_fd, const struct id *id, uint32_t incarnation, int *ret_fd);
/* Removes the directory and, when it is empty then, the executor's. */
MUST_USE int instance_remove(int state_fd, const struct id *id, uint32_t incarnation);

/* Who the lock file names; zeros when it is empty or unreadable. */
struct instance_owner {
	pid_t shim_pid, pid;
	uint64_t shim_start, start;
};
void instance_owner(int dir_fd, struct instance_owner *ret);
bool instance_lock_held(int dir_fd);

enum instance_read { INSTANCE_READ, INSTANCE_ABSENT, INSTANCE_UNREADABLE };
enum instance_read instance_exit(int dir_fd, struct exit_record *ret);
/* *ret_spec is freed by the caller. */
enum instance_read instance_spec(int dir_fd, struct run_spec_head **ret_spec);
/* Keeps a copy of a file that could not be read; at most a fixed number of them. */
void instance_quarantine(int state_fd, int dir_fd, const char *name, const char *file);
/* Writes the record durably. */
MUST_USE int instance_exit_write(int dir_fd, const struct exit_record *record);

#endif
