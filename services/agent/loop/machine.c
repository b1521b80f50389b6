#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "err.h"

static int
read_line(const char *path, char *line, size_t size, struct err *err)
{
	FILE *f = fopen(path, "re");
	char *read;

	if (!f)
		return err_set(err, ERR_UNAVAILABLE, "read %s: %s", path, strerror(errno));
	read = fgets(line, (int)size, f);
	fclose(f);
	if (!read)
		return err_set(err, ERR_UNAVAILABLE, "read %s: it is empty", path);
	line[strcspn(line, "\n")] = '\0';
	return 0;
}

/* Field 22 of /proc/1/stat; the name before it may hold spaces and parentheses. */
static int
init_start_time(uint64_t *ret, struct err *err)
{
	char line[1024], *at;

	if (read_line("/proc/1/stat", line, sizeof(line), err) < 0)
		return -1;
	at = strrchr(line, ')');
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (!at)
		return err_set(err, ERR_INTERNAL, "/proc/1/stat is not understood");
	*ret = strtoull(at + 1, NULL, 10);
	return 0;
}

int
machine_read(struct machine *m, struct err *err)
{
	struct utsname names;
	char boot[64];
	uint64_t start = 0;

	memset(m, 0, sizeof(*m));
	if (uname(&names) < 0)
		return err_set(err, ERR_INTERNAL, "uname: %s", strerror(errno));
	if (read_line("/proc/sys/kernel/random/boot_id", boot, sizeof(boot), err) < 0 ||
	    init_start_time(&start, err) < 0)
		return -1;
	snprintf(m->boot_id, sizeof(m->boot_id), "%s/%" PRIu64, boot, start);
	snprintf(m->host_name, sizeof(m->host_name), "%.64s", names.nodename);
	snprintf(m->arch, sizeof(m->arch), "%.64s", names.machine);
	snprintf(m->kernel, sizeof(m->kernel), "%.64s %.64s", names.sysname, names.release);
	return 0;
}

int
machine_capacity(const char *path, struct resources *ret, struct err *err)
{
	struct statvfs disk;
	struct sysinfo memory;
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	if (statvfs(path, &disk) < 0)
		return err_set(err, ERR_UNAVAILABLE, "statvfs %s: %s", path, strerror(errno));
	if (sysinfo(&memory) < 0)
		return err_set(err, ERR_INTERNAL, "sysinfo: %s", strerror(errno));
	*ret = (struct resources){
	    .cpu_millis = (processors > 0 ? processors : 1) * 1000,
	    .memory_bytes = (int64_t)memory.totalram * memory.mem_unit,
	    .disk_bytes = (int64_t)disk.f_blocks * (int64_t)disk.f_frsize,
	};
	return 0;
}

static int
make_directories(const char *path, struct err *err)
{
	char copy[RECORDS_PATH_BYTES];

	if ((size_t)snprintf(copy, sizeof(copy), "%s", path) >= sizeof(copy))
		return err_set(err, ERR_LIMIT, "state directory: path too long: %s", path);
	for (char *slash = strchr(copy + 1, '/');; slash = strchr(slash + 1, '/')) {
		if (slash)
			*slash = '\0';
		if (mkdir(copy, slash ? 0755 : 0700) < 0 && errno != EEXIST)
			return err_set(err, ERR_UNAVAILABLE, "make state directory %s: %s", copy,
			    strerror(errno));
		if (!slash)
			return 0;
		*slash = '/';
	}
}

int
machine_lock_state_dir(const char *path, int *ret_fd, struct err *err)
{
	char lock[RECORDS_PATH_BYTES + 8];
	int fd;

	if (make_directories(path, err) < 0)
		return -1;
	snprintf(lock, sizeof(lock), "%s/lock", path);
	fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(err, ERR_UNAVAILABLE, "open %s: %s", lock, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		close(fd);
		return err_set(err, ERR_CONFLICT, "another agent uses state directory %s", path);
	}
	*ret_fd = fd;
	return 0;
}

int
machine_parse_labels(
    char *text, struct label *ret_labels, size_t max, size_t *ret_count, struct err *err)
{
	char *rest = text, *item;
	size_t n = 0;

	while ((item = strsep(&rest, ",")) != NULL) {
		char *equals = strchr(item, '=');

		if (*item == '\0')
			continue;
		if (!equals || equals == item)
			return err_field(err, ERR_INVALID, "labels",
			    "option labels: \"%.60s\" is not KEY=VALUE", item);
		if (n == max)
			return err_field(
			    err, ERR_LIMIT, "labels", "option labels: more than %zu", max);
		*equals = '\0';
		ret_labels[n++] = (struct label){item, equals + 1};
	}
	*ret_count = n;
	return 0;
}
