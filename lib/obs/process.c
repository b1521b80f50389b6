#include "process.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "metrics.h"

/* -1 when /proc cannot be read: an impossible value beats one that looks right. */
static int64_t
resident_bytes(void *arg)
{
	int64_t pages = -1;
	FILE *file = fopen("/proc/self/statm", "re");

	(void)arg;
	if (!file)
		return -1;
	int n = fscanf(file, "%*d %" SCNd64, &pages);
	fclose(file);
	return n == 1 ? pages * sysconf(_SC_PAGESIZE) : -1;
}

static int64_t
count_entries(const char *path)
{
	int64_t n = 0;
	DIR *directory = opendir(path);

	if (!directory)
		return -1;
	for (struct dirent *entry; (entry = readdir(directory));)
		n += entry->d_name[0] != '.';
	closedir(directory);
	return n;
}

static int64_t
open_descriptors(void *arg)
{
	int64_t n = count_entries("/proc/self/fd");

	(void)arg;
	return n < 0 ? n : n - 1; /* the directory itself was open */
}

static int64_t
threads(void *arg)
{
	(void)arg;
	return count_entries("/proc/self/task");
}

static int64_t
processor_ms(void *arg)
{
	struct rusage usage;

	(void)arg;
	if (getrusage(RUSAGE_SELF, &usage) < 0)
		return -1;
	return ((int64_t)usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
	       ((int64_t)usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

void
process_metrics_add(struct metrics *m)
{
	metrics_gauge_read(
	    m, "process_resident_memory_bytes", "Resident memory.", resident_bytes, NULL);
	metrics_gauge_read(m, "process_open_fds", "Open file descriptors.", open_descriptors, NULL);
	metrics_gauge_read(m, "process_threads", "Threads.", threads, NULL);
	metrics_gauge_read(m, "process_cpu_milliseconds", "Processor time used, user and system.",
	    processor_ms, NULL);
}
