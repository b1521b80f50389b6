/* cgroup_base: where on this host the leaves of executors can be made, found by really making one.
 *
 * Leaves lie under the agent's own cgroup in each hierarchy, in a directory named after the state
 * directory, so that two agents of one host never touch each other's. */
#ifndef CGROUP_BASE_H
#define CGROUP_BASE_H

#include <stdbool.h>
#include <stdint.h>

#include "cgroup_leaf.h"
#include "compiler.h"

struct err;

struct cgroup_base {
	const char *mode;        /* "v2", "hybrid", "none" */
	struct cgroup_leaf dirs; /* the parents of leaves, in the leaf's own shape */
	char detail[160];        /* "cgroup hybrid", or why a controller is missing */
};

/* mode: "auto" takes the best that works; any other name is an error if it does not.  key names the
 * place: the same one every time for one state directory. */
MUST_USE int cgroup_base_open(
    const char *mode, const char *key, struct cgroup_base *ret, struct err *err);
/* Removes the parents when they are empty. */
void cgroup_base_close(struct cgroup_base *base);
bool cgroup_base_enforces(const struct cgroup_base *base, enum cgroup_controller controller);
void cgroup_base_leaf(const struct cgroup_base *base, const char *name, struct cgroup_leaf *ret);
/* Kills and removes every leaf that known does not claim. */
void cgroup_base_sweep(
    const struct cgroup_base *base, bool (*known)(void *arg, const char *name), void *arg);
/* Kills all in a leaf and removes it, waiting at most wait_ms.  0 when nothing is left. */
MUST_USE int cgroup_leaf_destroy(const struct cgroup_leaf *leaf, int wait_ms);

#endif
