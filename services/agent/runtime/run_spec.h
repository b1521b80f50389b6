/* run_spec: what the agent hands to a shim, and all that a later agent knows about it: one file
 * "spec" in the instance's state directory.
 *
 * Both sides run on one machine, so numbers are in its byte order; version guards an agent that was
 * upgraded under running shims.  Shared by the agent and the shim: no heap. */
#ifndef RUN_SPEC_H
#define RUN_SPEC_H

#include <stddef.h>
#include <stdint.h>

#include "cgroup_leaf.h"
#include "compiler.h"

#define RUN_SPEC_FILE "spec"
#define RUN_SPEC_VERSION 1u
#define RUN_SPEC_GROUPS_MAX 64
#define RUN_SPEC_STRINGS_MAX 4096 /* of argv, and of env */
#define RUN_SPEC_BYTES_MAX (1024u * 1024)
#define RUN_SPEC_BOOT_BYTES 128

struct run_spec_head {
	uint64_t magic;
	uint32_t version;
	uint32_t size;     /* of the whole file */
	uint64_t checksum; /* of everything behind this field */
	char executor[40]; /* 32 hex digits */
	uint32_t incarnation;
	uint32_t argc, envc;
	uint32_t switch_user;     /* 1: uid, gid, groups count */
	uint32_t limits_required; /* 1: an rlimit that cannot be had fails the start */
	uint32_t uid, gid, group_count;
	uint32_t groups[RUN_SPEC_GROUPS_MAX];
	uint32_t cpu_millis, pids_max;
	uint64_t memory_bytes;
	uint64_t nofile_max;  /* 0: the soft limit below, the hard one inherited */
	uint64_t nofile_soft; /* 0: inherited; what the agent had before it raised its own */
	uint64_t core_max_bytes;
	char boot[RUN_SPEC_BOOT_BYTES];
	struct cgroup_leaf leaf;
	/* Behind it: working directory, argv, env, each ended by NUL. */
};

/* Fills magic, version, size, checksum, argc and envc of *head and lays the file out in buffer.
 * Returns its size; 0 when it does not fit size or there are too many strings. */
size_t run_spec_encode(struct run_spec_head *head, const char *working_dir, const char *const *argv,
    const char *const *env, void *buffer, size_t size);

/* 0 when data is a whole spec of this version; then head may be read in place (data is aligned for
 * it) and run_spec_strings cannot fail. */
MUST_USE int run_spec_check(const void *data, size_t size);
/* Fills argv (argc + 1 pointers) and env (envc + 1) with pointers into data. */
void run_spec_strings(
    const struct run_spec_head *spec, const char **ret_working_dir, char **argv, char **env);

#endif
