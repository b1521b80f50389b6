/* proc_tree: finding and killing processes through /proc, where no cgroup can do it.
 *
 * Never by number alone: a pid is opened first, then looked at again, then signalled through the
 * descriptor, so that a reused number is not hit.  Shared by the agent and the shim: no heap. */
#ifndef PROC_TREE_H
#define PROC_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "compiler.h"

int proc_pidfd_signal(int pidfd, int signal);
/* Clock ticks after boot at which pid started: (pid, start time) never repeats within a boot. */
MUST_USE int proc_start_time(pid_t pid, uint64_t *ret);
/* A descriptor for the process that had this start time; -1 with ESRCH when it is gone. */
int proc_pidfd_open_exact(pid_t pid, uint64_t start_time);

/* SIGKILLs every descendant of the calling process once and returns how many were hit.  As a child
 * subreaper the caller repeats it, reaping, until waitid says ECHILD: then none is left. */
size_t proc_kill_descendants(void);
/* SIGKILLs every process of this host whose environment holds exactly both entries ("K=V") and
 * returns how many were hit.  For what a dead shim left behind without a cgroup. */
size_t proc_kill_marked(const char *entry, const char *second);

#endif
