#include "process.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "metrics.h"
#include "version.h"

/* -1 when /proc cannot be read: an impossible value beats one that looks right. */
static int64_t
resident_bytes(void *arg)
{
	char line[128];
	FILE *file = fopen("/proc/self/statm", "re");

	(void)arg;
	if (!file)
		return -1;
	char *resident = fgets(line, sizeof(line), file) ? strchr(line, ' ') : NULL; /* 2nd */
	fclose(file);
	return resident ? (int64_t)strtoll(resident, NULL, 10) * sysconf(_SC_PAGESIZE) : -1;
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
#define METRIC_READ_ROW(function, name, help) metrics_gauge_read(m, name, help, function, NULL);
#define METRIC_FAMILY_ROW(field, type, name, label, help)                                          \
	struct metric_family *field = metrics_family(m, METRIC_##type, name, help, label);
#include "process_metrics.def"
	metric_set(metric_of(build_info, FAIRLEAD_VERSION), 1);
}
