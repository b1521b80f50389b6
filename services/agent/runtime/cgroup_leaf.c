#include "cgroup_leaf.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CPU_PERIOD_US 100000
#define CPU_QUOTA_MIN_US 1000 /* the kernel's own minimum */

const char *const cgroup_controller_names[CGROUP_CONTROLLERS] = {
    [CGROUP_CPU] = "cpu", [CGROUP_MEMORY] = "memory", [CGROUP_PIDS] = "pids"};

int
cgroup_write(const char *dir, const char *file, const char *text)
{
	char path[CGROUP_PATH_BYTES + 64];
	snprintf(path, sizeof(path), "%s/%s", dir, file);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t n = write(fd, text, strlen(text));
	int saved = errno;
	close(fd);
	errno = saved;
	return n == (ssize_t)strlen(text) ? 0 : -1;
}

int
cgroup_read(const char *dir, const char *file, char *buffer, size_t size)
{
	char path[CGROUP_PATH_BYTES + 64];
	snprintf(path, sizeof(path), "%s/%s", dir, file);
	buffer[0] = '\0';
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t n = read(fd, buffer, size - 1);
	int saved = errno;
	close(fd);
	errno = saved;
	buffer[n > 0 ? n : 0] = '\0';
	return (int)n;
}

bool
cgroup_leaf_limits(const struct cgroup_leaf *leaf, enum cgroup_controller controller)
{
	return leaf->v1[controller][0] || leaf->unified_controllers & (1u << controller);
}

void
cgroup_leaf_narrow(struct cgroup_leaf *leaf, const struct cgroup_limits *limits)
{
	const bool limited[CGROUP_CONTROLLERS] = {[CGROUP_CPU] = limits->cpu_millis > 0,
	    [CGROUP_MEMORY] = limits->memory_bytes > 0,
	    [CGROUP_PIDS] = limits->pids_max > 0};
	bool member = leaf->unified[0];
	for (int i = 0; i < CGROUP_CONTROLLERS; i++) {
		if (member && !limited[i])
			leaf->v1[i][0] = '\0';
		member = member || leaf->v1[i][0];
	}
}

static int
write_number(const char *dir, const char *file, uint64_t value, char *why, size_t why_size)
{
	char text[32];
	snprintf(text, sizeof(text), "%" PRIu64, value);
	if (!cgroup_write(dir, file, text))
		return 0;
	int saved = errno;
	snprintf(why, why_size, "%s %s", file, dir);
	errno = saved;
	return -1;
}

/* A file that some kernels do not have: its absence leaves nothing unlimited that was promised. */
static int
write_number_if_there(const char *dir, const char *file, uint64_t value, char *why, size_t why_size)
{
	int result = write_number(dir, file, value, why, why_size);
	return result && errno == ENOENT ? 0 : result;
}

static uint64_t
cpu_quota_us(uint32_t cpu_millis)
{
	uint64_t quota = (uint64_t)cpu_millis * CPU_PERIOD_US / 1000;
	return quota < CPU_QUOTA_MIN_US ? CPU_QUOTA_MIN_US : quota;
}

static int
limit_cpu(const struct cgroup_leaf *leaf, uint32_t cpu_millis, char *why, size_t why_size)
{
	const char *dir = leaf->v1[CGROUP_CPU];
	if (dir[0])
		return write_number(dir, "cpu.cfs_period_us", CPU_PERIOD_US, why, why_size) ||
			       write_number(
				   dir, "cpu.cfs_quota_us", cpu_quota_us(cpu_millis), why, why_size)
			   ? -1
			   : 0;
	char text[48];
	snprintf(text, sizeof(text), "%" PRIu64 " %d", cpu_quota_us(cpu_millis), CPU_PERIOD_US);
	if (!cgroup_write(leaf->unified, "cpu.max", text))
		return 0;
	int saved = errno;
	snprintf(why, why_size, "cpu.max %s", leaf->unified);
	errno = saved;
	return -1;
}

static int
limit_memory(const struct cgroup_leaf *leaf, uint64_t bytes, char *why, size_t why_size)
{
	const char *v1 = leaf->v1[CGROUP_MEMORY], *v2 = leaf->unified;
	if (v1[0])
		return write_number(v1, "memory.limit_in_bytes", bytes, why, why_size) ||
			       write_number_if_there(
				   v1, "memory.memsw.limit_in_bytes", bytes, why, why_size)
			   ? -1
			   : 0;
	return write_number(v2, "memory.max", bytes, why, why_size) ||
		       write_number_if_there(v2, "memory.swap.max", 0, why, why_size) ||
		       write_number_if_there(v2, "memory.oom.group", 1, why, why_size)
		   ? -1
		   : 0;
}

static int
make_dir(const char *dir, char *why, size_t why_size)
{
	if (!dir[0] || mkdir(dir, 0755) == 0 || errno == EEXIST)
		return 0;
	int saved = errno;
	snprintf(why, why_size, "mkdir %s", dir);
	errno = saved;
	return -1;
}

int
cgroup_leaf_make(
    const struct cgroup_leaf *leaf, const struct cgroup_limits *limits, char *why, size_t why_size)
{
	if (make_dir(leaf->unified, why, why_size))
		return -1;
	for (int i = 0; i < CGROUP_CONTROLLERS; i++)
		if (make_dir(leaf->v1[i], why, why_size))
			return -1;
	if (limits->cpu_millis && cgroup_leaf_limits(leaf, CGROUP_CPU) &&
	    limit_cpu(leaf, limits->cpu_millis, why, why_size))
		return -1;
	if (limits->memory_bytes && cgroup_leaf_limits(leaf, CGROUP_MEMORY) &&
	    limit_memory(leaf, limits->memory_bytes, why, why_size))
		return -1;
	if (!limits->pids_max || !cgroup_leaf_limits(leaf, CGROUP_PIDS))
		return 0;
	const char *v1 = leaf->v1[CGROUP_PIDS];
	return write_number(
	    v1[0] ? v1 : leaf->unified, "pids.max", limits->pids_max, why, why_size);
}

int
cgroup_leaf_enter(const struct cgroup_leaf *leaf, bool skip_unified)
{
	if (!skip_unified && leaf->unified[0] && cgroup_write(leaf->unified, "cgroup.procs", "0"))
		return -1;
	for (int i = 0; i < CGROUP_CONTROLLERS; i++)
		if (leaf->v1[i][0] && cgroup_write(leaf->v1[i], "cgroup.procs", "0"))
			return -1;
	return 0;
}

/* The directory whose cgroup.procs names every process of the executor: the same whether the leaf
 * is narrow or not. */
static const char *
member_dir(const struct cgroup_leaf *leaf)
{
	if (leaf->unified[0])
		return leaf->unified;
	for (int i = 0; i < CGROUP_CONTROLLERS; i++)
		if (leaf->v1[i][0])
			return leaf->v1[i];
	return "";
}

void
cgroup_leaf_kill(const struct cgroup_leaf *leaf)
{
	char procs[4096];
	if (leaf->unified[0] && !cgroup_write(leaf->unified, "cgroup.kill", "1"))
		return;
	/* Without cgroup.kill (v1 only, or a kernel before 5.14) by number, one buffer per call:
	 * the caller repeats until the leaf is empty. */
	const char *dir = member_dir(leaf);
	if (!dir[0] || cgroup_read(dir, "cgroup.procs", procs, sizeof(procs)) <= 0)
		return;
	char *last = strrchr(procs, '\n'); /* the buffer may have cut the last number */
	if (last)
		*last = '\0';
	for (char *cursor = procs; *cursor;) {
		char *end;
		long pid = strtol(cursor, &end, 10);
		if (end == cursor)
			break;
		if (pid > 1)
			kill((pid_t)pid, SIGKILL);
		cursor = *end ? end + 1 : end;
	}
}

/* The number behind "key " at the start of a line; 0 when it is not there. */
static uint64_t
keyed_number(const char *dir, const char *file, const char *key)
{
	char text[1024];
	size_t length = strlen(key);
	if (cgroup_read(dir, file, text, sizeof(text)) <= 0)
		return 0;
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, length) == 0 && line[length] == ' ')
			return strtoull(line + length + 1, NULL, 10);
		if (!*line)
			break;
	}
	return 0;
}

bool
cgroup_leaf_populated(const struct cgroup_leaf *leaf)
{
	char procs[16];
	if (leaf->unified[0])
		return keyed_number(leaf->unified, "cgroup.events", "populated") != 0;
	const char *dir = member_dir(leaf);
	return dir[0] && cgroup_read(dir, "cgroup.procs", procs, sizeof(procs)) > 0;
}

uint64_t
cgroup_leaf_oom_kills(const struct cgroup_leaf *leaf)
{
	if (leaf->v1[CGROUP_MEMORY][0])
		return keyed_number(leaf->v1[CGROUP_MEMORY], "memory.oom_control", "oom_kill");
	if (leaf->unified_controllers & (1u << CGROUP_MEMORY))
		return keyed_number(leaf->unified, "memory.events", "oom_kill");
	return 0;
}

uint64_t
cgroup_leaf_pids_refused(const struct cgroup_leaf *leaf)
{
	const char *v1 = leaf->v1[CGROUP_PIDS];
	if (!cgroup_leaf_limits(leaf, CGROUP_PIDS))
		return 0;
	return keyed_number(v1[0] ? v1 : leaf->unified, "pids.events", "max");
}

static int
remove_dir(const char *dir)
{
	return !dir[0] || rmdir(dir) == 0 || errno == ENOENT ? 0 : -1;
}

int
cgroup_leaf_remove(const struct cgroup_leaf *leaf)
{
	int result = 0;
	for (int i = 0; i < CGROUP_CONTROLLERS; i++)
		if (remove_dir(leaf->v1[i]))
			result = -1;
	int saved = errno;
	if (remove_dir(leaf->unified))
		return -1;
	errno = saved;
	return result;
}
