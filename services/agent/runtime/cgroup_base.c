#include "cgroup_base.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "durable.h"
#include "err.h"

#define AGENT_LEAF "fairlead-agent"
#define LINE_BYTES 4096

static const struct cgroup_limits probe_limits[CGROUP_CONTROLLERS] = {
    [CGROUP_CPU] = {.cpu_millis = 1000},
    [CGROUP_MEMORY] = {.memory_bytes = UINT64_C(64) << 20},
    [CGROUP_PIDS] = {.pids_max = 64},
};

/* True when list, separated by commas or blanks, holds word. */
static bool
list_holds(const char *list, const char *word)
{
	size_t length = strlen(word);
	while (*list) {
		size_t n = strcspn(list, ", \n");
		if (n == length && memcmp(list, word, n) == 0)
			return true;
		list += n;
		list += strspn(list, ", \n");
	}
	return false;
}

/* The agent's own cgroup in the hierarchy with this controller; NULL: the v2 one. */
static int
own_path(const char *controller, char *ret, size_t size)
{
	char line[LINE_BYTES];
	int result = -1;
	FILE *file = fopen("/proc/self/cgroup", "re");
	while (file && result && fgets(line, sizeof(line), file)) {
		char *list = strchr(line, ':');
		char *path = list ? strchr(list + 1, ':') : NULL;
		if (!path)
			continue;
		*list++ = '\0';
		*path++ = '\0';
		path[strcspn(path, "\n")] = '\0';
		if (controller ? list_holds(list, controller) : strcmp(line, "0") == 0) {
			snprintf(ret, size, "%s", path);
			result = 0;
		}
	}
	if (file)
		fclose(file);
	return result;
}

/* The path seen through a mount of the subtree root; outside of it only the mount itself is seen.
 */
static void
join_mount(const char *mount, const char *root, const char *path, char *ret, size_t size)
{
	size_t length = strcmp(root, "/") == 0 ? 0 : strlen(root);
	bool below = strncmp(path, root, length) == 0 && (path[length] == '/' || !path[length]);
	const char *rest = below && strncmp(path, "/..", 3) != 0 ? path + length : "";
	if (strcmp(rest, "/") == 0)
		rest = "";
	if ((size_t)snprintf(ret, size, "%s%s", mount, rest) >= size)
		ret[0] = '\0';
}

/* One line of mountinfo: "id parent dev root mount options [tags] - type source superoptions". */
static bool
match_mount(char *line, const char *controller, char **ret_root, char **ret_mount)
{
	char *fields[5], *save = NULL;
	char *tail = strstr(line, " - ");
	if (!tail)
		return false;
	*tail = '\0';
	for (size_t i = 0; i < COUNT_OF(fields); i++)
		if (!(fields[i] = strtok_r(i ? NULL : line, " ", &save)))
			return false;
	char *type = strtok_r(tail + 3, " ", &save);
	(void)strtok_r(NULL, " ", &save);
	char *super = strtok_r(NULL, " ", &save);
	if (!type || !super)
		return false;
	*ret_root = fields[3];
	*ret_mount = fields[4];
	if (!controller)
		return strcmp(type, "cgroup2") == 0;
	return strcmp(type, "cgroup") == 0 && list_holds(super, controller);
}

/* The directory of the agent's own cgroup; controller NULL: in the v2 hierarchy. */
static int
own_dir(const char *controller, char *ret, size_t size)
{
	char path[LINE_BYTES], line[LINE_BYTES];
	ret[0] = '\0';
	FILE *file =
	    own_path(controller, path, sizeof(path)) ? NULL : fopen("/proc/self/mountinfo", "re");
	while (file && !ret[0] && fgets(line, sizeof(line), file)) {
		char *root, *mount;
		if (match_mount(line, controller, &root, &mount))
			join_mount(mount, root, path, ret, size);
	}
	if (file)
		fclose(file);
	/* An agent that moved itself into a leaf of its own finds the same place again. */
	size_t length = strlen(ret), suffix = strlen("/" AGENT_LEAF);
	if (length > suffix && strcmp(ret + length - suffix, "/" AGENT_LEAF) == 0)
		ret[length - suffix] = '\0';
	return ret[0] ? 0 : -1;
}

static int
make_parent(const char *own, const char *tag, char *ret, size_t size)
{
	if ((size_t)snprintf(ret, size, "%s/fairlead-%s", own, tag) >= size) {
		errno = ENAMETOOLONG;
		return -1;
	}
	/* Room for a leaf's name behind it. */
	if (strlen(ret) + 64 >= CGROUP_PATH_BYTES) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return mkdir(ret, 0755) == 0 || errno == EEXIST ? 0 : -1;
}

/* v2 allows controllers below a cgroup only while no process is directly in it: the agent moves
 * itself aside once. */
static int
enable_controller(const char *own, const char *parent, const char *word)
{
	char leaf[CGROUP_PATH_BYTES + 32];
	if (cgroup_write(own, "cgroup.subtree_control", word)) {
		if (errno != EBUSY)
			return -1;
		snprintf(leaf, sizeof(leaf), "%s/" AGENT_LEAF, own);
		if ((mkdir(leaf, 0755) && errno != EEXIST) ||
		    cgroup_write(leaf, "cgroup.procs", "0") ||
		    cgroup_write(own, "cgroup.subtree_control", word))
			return -1;
	}
	return cgroup_write(parent, "cgroup.subtree_control", word);
}

static void
note(struct cgroup_base *base, const char *what, int error)
{
	size_t used = strlen(base->detail);
	snprintf(base->detail + used, sizeof(base->detail) - used, "%s%s: %s", used ? "; " : "",
	    what, strerror(error));
}

/* Makes a leaf with this limit and removes it again. */
static int
try_leaf(const struct cgroup_leaf *dirs, const struct cgroup_limits *limits)
{
	const struct cgroup_base base = {.dirs = *dirs};
	struct cgroup_leaf leaf;
	char name[32], why[CGROUP_PATH_BYTES + 64];
	snprintf(name, sizeof(name), "probe-%d", getpid());
	cgroup_base_leaf(&base, name, &leaf);
	int result = cgroup_leaf_make(&leaf, limits, why, sizeof(why));
	int saved = errno;
	if (cgroup_leaf_remove(&leaf) && !result)
		return -1;
	errno = saved;
	return result;
}

static void
open_unified(struct cgroup_base *base, const char *tag)
{
	char own[CGROUP_PATH_BYTES];
	const struct cgroup_limits none = {0};
	struct cgroup_leaf dirs = {0};
	if (own_dir(NULL, own, sizeof(own)))
		return;
	if (make_parent(own, tag, dirs.unified, sizeof(dirs.unified)) || try_leaf(&dirs, &none)) {
		note(base, "cgroup2", errno);
		return;
	}
	memcpy(base->dirs.unified, dirs.unified, sizeof(dirs.unified));
}

static void
open_unified_controller(struct cgroup_base *base, enum cgroup_controller controller)
{
	char own[CGROUP_PATH_BYTES], word[16], listed[256];
	struct cgroup_leaf dirs = {.unified_controllers = 1u << controller};
	if (!base->dirs.unified[0] || own_dir(NULL, own, sizeof(own)))
		return;
	(void)cgroup_read(own, "cgroup.controllers", listed, sizeof(listed));
	if (!list_holds(listed, cgroup_controller_names[controller]))
		return;
	snprintf(word, sizeof(word), "+%s", cgroup_controller_names[controller]);
	memcpy(dirs.unified, base->dirs.unified, sizeof(dirs.unified));
	if (enable_controller(own, dirs.unified, word) ||
	    try_leaf(&dirs, &probe_limits[controller]))
		note(base, cgroup_controller_names[controller], errno);
	else
		base->dirs.unified_controllers |= 1u << controller;
}

static void
open_v1(struct cgroup_base *base, enum cgroup_controller controller, const char *tag)
{
	char own[CGROUP_PATH_BYTES];
	const char *name = cgroup_controller_names[controller];
	struct cgroup_leaf dirs = {0};
	char *dir = dirs.v1[controller];
	if (own_dir(name, own, sizeof(own)))
		return;
	if (make_parent(own, tag, dir, CGROUP_PATH_BYTES) ||
	    try_leaf(&dirs, &probe_limits[controller]))
		note(base, name, errno);
	else
		memcpy(base->dirs.v1[controller], dir, CGROUP_PATH_BYTES);
}

static void
find_all(struct cgroup_base *base, const char *tag)
{
	bool any_v1 = false;
	open_unified(base, tag);
	for (enum cgroup_controller i = 0; i < CGROUP_CONTROLLERS; i++) {
		open_v1(base, i, tag);
		if (!base->dirs.v1[i][0])
			open_unified_controller(base, i);
		any_v1 = any_v1 || base->dirs.v1[i][0];
	}
	base->mode = any_v1 ? "hybrid" : base->dirs.unified[0] ? "v2" : "none";
}

static bool
is_mode(const char *mode)
{
	static const char *const modes[] = {"auto", "v2", "hybrid", "none"};
	for (size_t i = 0; i < COUNT_OF(modes); i++)
		if (strcmp(mode, modes[i]) == 0)
			return true;
	return false;
}

int
cgroup_base_open(const char *mode, const char *key, struct cgroup_base *ret, struct err *err)
{
	struct cgroup_base base = {.mode = "none"};
	char tag[24], why[sizeof(base.detail)];
	if (!is_mode(mode))
		return err_set(
		    err, ERR_INVALID, "cgroup mode '%s': not auto, v2, hybrid or none", mode);
	snprintf(
	    tag, sizeof(tag), "%016llx", (unsigned long long)durable_checksum(key, strlen(key)));
	if (strcmp(mode, "none") != 0)
		find_all(&base, tag);
	if (strcmp(mode, "auto") != 0 && strcmp(mode, base.mode) != 0) {
		cgroup_base_close(&base);
		return err_set(err, ERR_UNAVAILABLE,
		    "cgroup mode %s does not work here: found %s %s", mode, base.mode, base.detail);
	}
	memcpy(why, base.detail, sizeof(why));
	snprintf(base.detail, sizeof(base.detail), "cgroup %s%s%.120s", base.mode,
	    why[0] ? ": " : "", why);
	*ret = base;
	return 0;
}

void
cgroup_base_close(struct cgroup_base *base)
{
	for (int i = 0; i < CGROUP_CONTROLLERS; i++)
		if (base->dirs.v1[i][0])
			rmdir(base->dirs.v1[i]);
	if (base->dirs.unified[0])
		rmdir(base->dirs.unified);
}

bool
cgroup_base_enforces(const struct cgroup_base *base, enum cgroup_controller controller)
{
	return cgroup_leaf_limits(&base->dirs, controller);
}

static void
leaf_path(const char *parent, const char *name, char ret[CGROUP_PATH_BYTES])
{
	ret[0] = '\0';
	if (!parent[0])
		return;
	int n = snprintf(ret, CGROUP_PATH_BYTES, "%s/%s", parent, name);
	assert(n > 0 && n < CGROUP_PATH_BYTES); /* make_parent left room */
	(void)n;
}

void
cgroup_base_leaf(const struct cgroup_base *base, const char *name, struct cgroup_leaf *ret)
{
	memset(ret, 0, sizeof(*ret));
	leaf_path(base->dirs.unified, name, ret->unified);
	for (int i = 0; i < CGROUP_CONTROLLERS; i++)
		leaf_path(base->dirs.v1[i], name, ret->v1[i]);
	ret->unified_controllers = base->dirs.unified_controllers;
}

int
cgroup_leaf_destroy(const struct cgroup_leaf *leaf, int wait_ms)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	for (int i = 0;; i++) {
		if (cgroup_leaf_populated(leaf))
			cgroup_leaf_kill(leaf);
		else if (cgroup_leaf_remove(leaf) == 0)
			return 0;
		if (i >= wait_ms)
			return -1;
		nanosleep(&pause, NULL);
	}
}

static void
sweep_dir(const struct cgroup_base *base, const char *parent,
    bool (*known)(void *arg, const char *name), void *arg)
{
	struct cgroup_leaf leaf;
	const struct dirent *entry;
	DIR *dir = parent[0] ? opendir(parent) : NULL;
	while (dir && (entry = readdir(dir))) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.' ||
		    strlen(entry->d_name) > 48)
			continue;
		if (known(arg, entry->d_name))
			continue;
		cgroup_base_leaf(base, entry->d_name, &leaf);
		/* What does not die now is found again at the next start. */
		(void)!cgroup_leaf_destroy(&leaf, 500);
	}
	if (dir)
		closedir(dir);
}

void
cgroup_base_sweep(
    const struct cgroup_base *base, bool (*known)(void *arg, const char *name), void *arg)
{
	sweep_dir(base, base->dirs.unified, known, arg);
	for (int i = 0; i < CGROUP_CONTROLLERS; i++)
		sweep_dir(base, base->dirs.v1[i], known, arg);
}
