#include "proc_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TREE_MAX 4096 /* per round; the caller's next round finds the rest */
#define REAP_WAIT_MS 20
#define ENVIRON_BYTES (64u * 1024)

static int
pidfd_of(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

int
proc_pidfd_signal(int pidfd, int signal)
{
	return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}

static ssize_t
read_file(const char *path, char *buffer, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	size_t have = 0;
	ssize_t n = 1;
	while (n > 0 && have < size - 1) {
		n = read(fd, buffer + have, size - 1 - have);
		have += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	buffer[have] = '\0';
	return n < 0 ? -1 : (ssize_t)have;
}

struct proc_stat {
	pid_t parent;
	uint64_t start_time;
};

static int
read_stat(pid_t pid, struct proc_stat *ret)
{
	char path[48], text[1024];
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (read_file(path, text, sizeof(text)) <= 0)
		return -1;
	/* The command may hold spaces and brackets: fields count from the last ')'. */
	char *cursor = strrchr(text, ')');
	char *end;
	if (!cursor || strlen(cursor) < 4)
		return -1;
	cursor += 4; /* ") S " */
	ret->parent = (pid_t)strtol(cursor, &end, 10);
	/* end is behind field 4, the parent; start time is field 22. */
	for (int field = 5; field < 22 && end; field++)
		end = strchr(end + 1, ' ');
	if (!end)
		return -1;
	ret->start_time = strtoull(end + 1, NULL, 10);
	return 0;
}

int
proc_start_time(pid_t pid, uint64_t *ret)
{
	struct proc_stat stat;
	if (read_stat(pid, &stat))
		return -1;
	*ret = stat.start_time;
	return 0;
}

int
proc_pidfd_open_exact(pid_t pid, uint64_t start_time)
{
	uint64_t now;
	int fd = pid > 0 ? pidfd_of(pid) : -1;
	if (fd >= 0 && !proc_start_time(pid, &now) && now == start_time)
		return fd;
	if (fd >= 0)
		close(fd);
	errno = ESRCH;
	return -1;
}

/* Kills pid if it is still a child of parent or of the caller (its new parent by then). */
static bool
kill_child(pid_t pid, pid_t parent)
{
	struct proc_stat stat;
	int fd = pidfd_of(pid);
	if (fd < 0)
		return false;
	bool ours = !read_stat(pid, &stat) && (stat.parent == parent || stat.parent == getpid());
	bool killed = ours && proc_pidfd_signal(fd, SIGKILL) == 0;
	close(fd);
	return killed;
}

struct tree_node {
	pid_t pid, parent;
};

/* Appends the children that one thread forked. */
static size_t
add_children(pid_t pid, const char *thread, struct tree_node *nodes, size_t n)
{
	char path[64], text[4096];
	snprintf(path, sizeof(path), "/proc/%d/task/%.12s/children", pid, thread);
	if (read_file(path, text, sizeof(text)) <= 0)
		return n;
	/* A full buffer may have cut the last number: it is found in the next round. */
	char *stop = strrchr(text, ' ');
	if (stop)
		*stop = '\0';
	char *cursor = text, *end;
	for (long child; n < TREE_MAX && (child = strtol(cursor, &end, 10)) > 0; cursor = end)
		nodes[n++] = (struct tree_node){.pid = (pid_t)child, .parent = pid};
	return n;
}

/* getdents64 instead of opendir, which would take heap. */
struct directory_entry {
	uint64_t inode;
	int64_t offset;
	uint16_t length;
	uint8_t type;
	char name[];
};

struct directory_walk {
	int fd;
	long have, at;
	_Alignas(struct directory_entry) char buffer[2048];
};

static int
walk_open(struct directory_walk *walk, const char *path)
{
	walk->have = walk->at = 0;
	walk->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return walk->fd < 0 ? -1 : 0;
}

/* The next name that is a number, or NULL and the walk is closed. */
static const char *
walk_number(struct directory_walk *walk)
{
	for (;;) {
		if (walk->at >= walk->have) {
			walk->at = 0;
			walk->have =
			    syscall(SYS_getdents64, walk->fd, walk->buffer, sizeof(walk->buffer));
		}
		if (walk->have <= 0) {
			close(walk->fd);
			return NULL;
		}
		const struct directory_entry *entry = (const void *)(walk->buffer + walk->at);
		walk->at += entry->length;
		if (entry->name[0] >= '1' && entry->name[0] <= '9')
			return entry->name;
	}
}

size_t
proc_kill_descendants(void)
{
	static struct tree_node nodes[TREE_MAX + 1];
	struct directory_walk threads;
	size_t n = 1, killed = 0;

	nodes[0] = (struct tree_node){.pid = getpid()};
	for (size_t i = 0; i < n; i++) {
		char path[48];
		snprintf(path, sizeof(path), "/proc/%d/task", nodes[i].pid);
		if (walk_open(&threads, path))
			continue;
		const char *thread;
		while ((thread = walk_number(&threads)))
			n = add_children(nodes[i].pid, thread, nodes, n);
	}
	for (size_t i = 1; i < n; i++)
		killed += kill_child(nodes[i].pid, nodes[i].parent);
	return killed;
}

/* Whether text, size bytes of entries ended by NUL, holds exactly this one. */
static bool
holds_entry(const char *text, ssize_t size, const char *entry)
{
	for (ssize_t at = 0; at < size; at += (ssize_t)strlen(text + at) + 1)
		if (strcmp(text + at, entry) == 0)
			return true;
	return false;
}

static bool
environ_holds(pid_t pid, const char *entry, const char *second)
{
	static char text[ENVIRON_BYTES];
	char path[48];
	snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	ssize_t size = read_file(path, text, sizeof(text));
	return holds_entry(text, size, entry) && holds_entry(text, size, second);
}

/* If it became a child of ours (a subreaper) nobody else will reap it. */
static void
reap_soon(int pidfd)
{
	siginfo_t info = {0};
	struct pollfd wait = {.fd = pidfd, .events = POLLIN};
	if (poll(&wait, 1, REAP_WAIT_MS) == 1)
		(void)waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG);
}

size_t
proc_kill_marked(const char *entry, const char *second)
{
	struct directory_walk walk;
	size_t killed = 0;
	if (walk_open(&walk, "/proc"))
		return 0;
	const char *name;
	while ((name = walk_number(&walk))) {
		pid_t pid = (pid_t)strtol(name, NULL, 10);
		if (pid == getpid() || !environ_holds(pid, entry, second))
			continue;
		int fd = pidfd_of(pid);
		if (fd >= 0 && environ_holds(pid, entry, second) &&
		    proc_pidfd_signal(fd, SIGKILL) == 0) {
			killed++;
			reap_soon(fd);
		}
		if (fd >= 0)
			close(fd);
	}
	return killed;
}
