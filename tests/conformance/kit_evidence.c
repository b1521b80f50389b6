/* kit_evidence: a case that failed once in hundreds has to tell by itself what there was to see. */
#include "kit.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FILE_TEXT_BYTES 400
#define HEARS_MS 1000

/* What the kit was asked and what it believes. */
static void
print_counts(const struct kit *k)
{
	const Fairlead__V1__Heartbeat *h = k->heartbeat.m.heartbeat;

	print_error("# came: %u hellos (%u accepted), %u syncs, %u heartbeats, %u reports\n",
	    k->hello.count, k->accepted, k->sync.count, k->heartbeat.count, k->reports);
	print_error("# the kit: start %" PRIu64 ", epoch %" PRIu64 ", host_seq %" PRIu64
		    ", %zu commands sent\n",
	    k->start_no, k->epoch, k->host_seq, k->sent_count);
	if (h)
		print_error("# the last heartbeat: epoch %" PRIu64 ", contiguous_seq %" PRIu64 "\n",
		    h->epoch, h->contiguous_seq);
}

/* An empty request, which every agent has to ignore: the server knows whether anybody gets it. */
static void
print_listener(struct kit *k)
{
	char subject[KIT_TEXT_BYTES];
	struct bus_out out = {.subject = subject, .data = "", .size = 0};
	struct bus_msg *reply = NULL;
	struct err err;

	snprintf(subject, sizeof(subject), "fl.live.%s", k->host);
	if (bus_request(k->bus, &out, HEARS_MS, &reply, &err) == 0)
		bus_msg_free(reply);
	else
		print_error(
		    "# %s: %s\n", subject, err.kind == ERR_TIMEOUT ? "has a subscriber" : err.text);
}

/* One line of /proc/<pid>/<name>; zeros become spaces. */
static void
read_proc(pid_t pid, const char *name, char text[FILE_TEXT_BYTES])
{
	char path[64];
	FILE *f;
	size_t n = 0;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	f = fopen(path, "r");
	if (f) {
		n = fread(text, 1, FILE_TEXT_BYTES - 1, f);
		fclose(f);
	}
	text[n] = '\0';
	for (size_t i = 0; i < n; i++)
		if (text[i] == '\0' || text[i] == '\n')
			text[i] = ' ';
}

static void
print_files(pid_t pid)
{
	char path[64], target[FILE_TEXT_BYTES];
	DIR *dir;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	if (!dir)
		return;
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		n = readlinkat(dirfd(dir), e->d_name, target, sizeof(target) - 1);
		if (n > 0)
			print_error("#     fd %s -> %.*s\n", e->d_name, (int)n, target);
	}
	closedir(dir);
}

static void
print_process(pid_t pid)
{
	char stat[FILE_TEXT_BYTES], where[FILE_TEXT_BYTES], command[FILE_TEXT_BYTES];

	read_proc(pid, "stat", stat);
	read_proc(pid, "wchan", where);
	read_proc(pid, "cmdline", command);
	print_error("# %.80s in %s: %s\n", stat, where, command);
	print_files(pid);
}

void
kit_print_evidence(struct kit *k)
{
	kit_print_log(k);
	print_counts(k);
	print_listener(k);
	kit_each_process(k, print_process);
}
