/* kit_agent: the agent as a child, and everything that comes from it.  The kit is the reaper of its
 * descendants, so nothing an agent starts, however it detaches, outlives its case. */
#include "kit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wait.h"

#define LOG_TAIL_BYTES 6000
#define COMMAND_BYTES 4096

static void
append(char *to, size_t size, const char *text, size_t length)
{
	size_t used = strlen(to);

	assert_true(used + length < size);
	memcpy(to + used, text, length);
	to[used + length] = '\0';
}

static void
fill_in(struct kit *k, char command[COMMAND_BYTES])
{
	char state[KIT_PATH_BYTES + 8];
	const struct {
		const char *name, *value;
	} words[] = {
	    {"{servers}", nats_server_url(k->server)}, {"{host}", k->host}, {"{state}", state}};
	const char *at = k->options->agent;

	snprintf(state, sizeof(state), "%s/state", k->dir);
	snprintf(command, COMMAND_BYTES, "exec ");
	while (*at) {
		size_t i = 0;

		while (
		    i < COUNT_OF(words) && strncmp(at, words[i].name, strlen(words[i].name)) != 0)
			i++;
		if (i < COUNT_OF(words)) {
			append(command, COMMAND_BYTES, words[i].value, strlen(words[i].value));
			at += strlen(words[i].name);
		} else {
			append(command, COMMAND_BYTES, at++, 1);
		}
	}
}

static void
become(struct kit *k)
{
	char command[COMMAND_BYTES], log[KIT_PATH_BYTES + 16];
	int in = open("/dev/null", O_RDONLY), out;

	snprintf(log, sizeof(log), "%s/agent.log", k->dir);
	out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	fill_in(k, command);
	setpgid(0, 0);
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	for (int fd = STDERR_FILENO + 1; fd < 256; fd++)
		close(fd);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

void
kit_start(struct kit *k)
{
	pid_t pid;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	assert_int_equal(k->agent, 0);
	pid = fork();
	if (pid == 0)
		become(k);
	assert_true(pid > 0);
	setpgid(pid, pid); /* whoever of the two is first */
	k->agent = pid;
}

void
kit_kill(struct kit *k)
{
	if (!k->agent)
		return;
	kill(-k->agent, SIGKILL);
	waitpid(k->agent, &k->exit_status, 0);
	k->agent = 0;
}

bool
kit_exited(struct kit *k)
{
	if (k->agent && waitpid(k->agent, &k->exit_status, WNOHANG) == k->agent) {
		kill(-k->agent, SIGKILL); /* helpers it left */
		k->agent = 0;
	}
	return !k->agent;
}

/* ---- what was run ---- */

char *
kit_file(struct kit *k, const struct id *id, const char *suffix, char path[KIT_PATH_BYTES])
{
	char hex[ID_HEX_BYTES];

	snprintf(path, KIT_PATH_BYTES, "%.128s/%s%.32s", k->dir, id_to_hex(id, hex), suffix);
	return path;
}

void
kit_touch(struct kit *k, const struct id *id, const char *suffix)
{
	char path[KIT_PATH_BYTES];
	FILE *f = fopen(kit_file(k, id, suffix, path), "w");

	assert_non_null(f);
	fclose(f);
}

bool
kit_present(struct kit *k, const struct id *id, const char *suffix)
{
	char path[KIT_PATH_BYTES];

	return access(kit_file(k, id, suffix, path), F_OK) == 0;
}

/* Every run writes its pid as a line. */
static unsigned
read_pids(struct kit *k, const struct id *id, pid_t *ret_newest)
{
	char path[KIT_PATH_BYTES], line[32];
	FILE *f = fopen(kit_file(k, id, "", path), "r");
	unsigned n = 0;

	*ret_newest = 0;
	while (f && fgets(line, sizeof(line), f)) {
		*ret_newest = (pid_t)strtol(line, NULL, 10);
		n++;
	}
	if (f)
		fclose(f);
	return n;
}

unsigned
kit_runs(struct kit *k, const struct id *id)
{
	pid_t newest;

	return read_pids(k, id, &newest);
}

/* The state letter and parent of a process; false: there is none. */
static bool
read_stat(pid_t pid, char *ret_state, pid_t *ret_parent)
{
	char path[64], text[512], *after;
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	if (!f)
		return false;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	after = strrchr(text, ')');
	if (!after || strlen(after) < 5)
		return false;
	*ret_state = after[2];
	*ret_parent = (pid_t)strtol(after + 4, NULL, 10);
	return true;
}

/* Children that ended and belong to nobody else. */
static void
reap(const struct kit *k)
{
	siginfo_t info = {0};

	while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0 &&
	       info.si_pid != k->agent) {
		waitpid(info.si_pid, NULL, 0);
		info.si_pid = 0;
	}
}

bool
kit_lives(struct kit *k, const struct id *id)
{
	pid_t pid, parent;
	char state;

	return read_pids(k, id, &pid) > 0 && read_stat(pid, &state, &parent) && state != 'Z';
}

/* ---- the end ---- */

/* Is it below this process, but for the bus? */
static bool
is_ours(pid_t pid, pid_t bus)
{
	char state;

	while (pid > 1 && pid != bus) {
		if (!read_stat(pid, &state, &pid))
			return false;
		if (pid == getpid())
			return true;
	}
	return false;
}

bool
kit_each_process(struct kit *k, void (*visit)(pid_t pid))
{
	DIR *proc = opendir("/proc");
	bool any = false;

	assert_non_null(proc);
	for (struct dirent *e; (e = readdir(proc)) != NULL;) {
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);

		if (pid <= 1 || pid == getpid() || !is_ours(pid, nats_server_pid(k->server)))
			continue;
		any = true;
		visit(pid);
	}
	closedir(proc);
	return any;
}

static void
end(pid_t pid)
{
	kill(pid, SIGKILL);
}

static bool
all_gone(void *arg)
{
	struct kit *k = arg;
	bool any = kit_each_process(k, end);

	reap(k);
	return !any;
}

static int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void
kit_sweep(struct kit *k)
{
	if (!test_wait_until(all_gone, k, k->options->patience_ms))
		print_error("processes of the agent could not be ended\n");
	nftw(k->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

void
kit_print_log(struct kit *k)
{
	char path[KIT_PATH_BYTES + 16], text[LOG_TAIL_BYTES + 1];
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "%s/agent.log", k->dir);
	f = fopen(path, "r");
	if (!f)
		return;
	/* The first fails on a shorter file. */
	if (fseek(f, -LOG_TAIL_BYTES, SEEK_END) != 0 && fseek(f, 0, SEEK_SET) != 0) {
		fclose(f);
		return;
	}
	n = fread(text, 1, LOG_TAIL_BYTES, f);
	text[n] = '\0';
	fclose(f);
	print_error("# the end of the agent's log:\n%s\n", text);
}
