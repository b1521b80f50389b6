/* cgroup_leaf: the cgroup directories of one executor, in whichever hierarchies the host has.
 *
 * "v2": one directory with limits.  "hybrid": a v2 directory for kill and populated, v1 directories
 * for limits.  "none": no directory at all; every function is then a successful no-op.
 * Shared by the agent and the shim: no heap, errno on failure. */
#ifndef CGROUP_LEAF_H
#define CGROUP_LEAF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

enum cgroup_controller { CGROUP_CPU, CGROUP_MEMORY, CGROUP_PIDS, CGROUP_CONTROLLERS };
extern const char *const cgroup_controller_names[CGROUP_CONTROLLERS];

#define CGROUP_PATH_BYTES 320

struct cgroup_leaf {
	char unified[CGROUP_PATH_BYTES];                /* "": none */
	char v1[CGROUP_CONTROLLERS][CGROUP_PATH_BYTES]; /* "": none */
	uint32_t unified_controllers;                   /* bit per controller that unified limits */
};

struct cgroup_limits {
	uint64_t memory_bytes; /* 0: no limit, as everywhere here */
	uint32_t cpu_millis;
	uint32_t pids_max;
};

bool cgroup_leaf_limits(const struct cgroup_leaf *leaf, enum cgroup_controller controller);
/* Leaves out the v1 hierarchies that have no limit to enforce: to enter one costs a grace period of
 * the kernel, some 3 ms.  One always stays, to kill by and to see who is in it. */
void cgroup_leaf_narrow(struct cgroup_leaf *leaf, const struct cgroup_limits *limits);
/* Makes the directories (their parents exist) and writes the limits, each where it can be enforced.
 * -1 with errno and the path at fault in why; what was made stays for cgroup_leaf_remove. */
MUST_USE int cgroup_leaf_make(
    const struct cgroup_leaf *leaf, const struct cgroup_limits *limits, char *why, size_t why_size);
/* Moves the calling process in; skip_unified when the kernel placed it there already. */
MUST_USE int cgroup_leaf_enter(const struct cgroup_leaf *leaf, bool skip_unified);
/* Kills every process inside, frozen ones and new ones too. */
void cgroup_leaf_kill(const struct cgroup_leaf *leaf);
bool cgroup_leaf_populated(const struct cgroup_leaf *leaf);
/* How often the kernel killed for memory in here. */
uint64_t cgroup_leaf_oom_kills(const struct cgroup_leaf *leaf);
/* How often a fork was refused. */
uint64_t cgroup_leaf_pids_refused(const struct cgroup_leaf *leaf);
/* 0 when nothing is left; -1 with errno (EBUSY: still populated). */
MUST_USE int cgroup_leaf_remove(const struct cgroup_leaf *leaf);

/* Shared by the users of control files. */
MUST_USE int cgroup_write(const char *dir, const char *file, const char *text);
/* Reads at most size - 1 bytes and ends them; the length or -1. */
int cgroup_read(const char *dir, const char *file, char *buffer, size_t size);

#endif
