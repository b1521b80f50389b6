#include "instance.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "durable.h"
#include "runtime_bounds.h"
#include "shim_wire.h"

char *
instance_name(
    const struct id *id, uint32_t incarnation, char separator, char buffer[INSTANCE_NAME_BYTES])
{
	char hex[ID_HEX_BYTES];
	snprintf(buffer, INSTANCE_NAME_BYTES, "%s%c%" PRIu32, id_to_hex(id, hex), separator,
	    incarnation);
	return buffer;
}

int
instance_open(int state_fd, const struct id *id, uint32_t incarnation)
{
	char name[INSTANCE_NAME_BYTES];
	return openat(state_fd, instance_name(id, incarnation, '/', name),
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int
instance_create(int state_fd, const struct id *id, uint32_t incarnation, int *ret_fd)
{
	char name[INSTANCE_NAME_BYTES], hex[ID_HEX_BYTES];
	if (mkdirat(state_fd, id_to_hex(id, hex), 0700) && errno != EEXIST)
		return -1;
	if (mkdirat(state_fd, instance_name(id, incarnation, '/', name), 0700) && errno != EEXIST)
		return -1;
	int fd = instance_open(state_fd, id, incarnation);
	if (fd < 0)
		return -1;
	*ret_fd = fd;
	return 0;
}

static int
empty_directory(int dir_fd)
{
	const struct dirent *entry;
	int result = 0;
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (!dir) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    unlinkat(dir_fd, entry->d_name, 0) && errno != ENOENT)
			result = -1;
	closedir(dir);
	return result;
}

int
instance_remove(int state_fd, const struct id *id, uint32_t incarnation)
{
	char name[INSTANCE_NAME_BYTES], hex[ID_HEX_BYTES];
	int fd = instance_open(state_fd, id, incarnation);
	if (fd >= 0) {
		int result = empty_directory(fd);
		close(fd);
		if (result)
			return -1;
	}
	if (unlinkat(state_fd, instance_name(id, incarnation, '/', name), AT_REMOVEDIR) &&
	    errno != ENOENT)
		return -1;
	if (unlinkat(state_fd, id_to_hex(id, hex), AT_REMOVEDIR) && errno != ENOENT &&
	    errno != ENOTEMPTY && errno != EEXIST)
		return -1;
	return 0;
}

/* Exactly n decimal numbers, separated by one blank each. */
static bool
numbers(const char *text, uint64_t *ret, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char *end;

		ret[i] = strtoull(text, &end, 10);
		if (end == text || (i + 1 < n && *end != ' '))
			return false;
		text = end + 1;
	}
	return true;
}

void
instance_owner(int dir_fd, struct instance_owner *ret)
{
	char text[SHIM_LOCK_TEXT_BYTES];
	memset(ret, 0, sizeof(*ret));
	ssize_t n = durable_read(dir_fd, SHIM_LOCK_FILE, text, sizeof(text) - 1);
	if (n <= 0)
		return;
	text[n] = '\0';
	uint64_t fields[4];
	if (!numbers(text, fields, COUNT_OF(fields)))
		return;
	*ret = (struct instance_owner){.shim_pid = (pid_t)fields[0],
	    .shim_start = fields[1],
	    .pid = (pid_t)fields[2],
	    .start = fields[3]};
}

bool
instance_lock_held(int dir_fd)
{
	int fd = openat(dir_fd, SHIM_LOCK_FILE, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return false;
	bool held = flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
	close(fd); /* and with it the lock, if it was free */
	return held;
}

enum instance_read
instance_exit(int dir_fd, struct exit_record *ret)
{
	char text[EXIT_RECORD_BYTES_MAX];
	ssize_t n = durable_read(dir_fd, EXIT_RECORD_FILE, text, sizeof(text));
	if (n < 0 && errno == ENOENT)
		return INSTANCE_ABSENT;
	return n < 0 || exit_record_decode(text, (size_t)n, ret) ? INSTANCE_UNREADABLE
								 : INSTANCE_READ;
}

enum instance_read
instance_spec(int dir_fd, struct run_spec_head **ret_spec)
{
	struct stat stat;
	if (fstatat(dir_fd, RUN_SPEC_FILE, &stat, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? INSTANCE_ABSENT : INSTANCE_UNREADABLE;
	if (stat.st_size <= 0 || stat.st_size > RUN_SPEC_BYTES_MAX)
		return INSTANCE_UNREADABLE;
	struct run_spec_head *spec = malloc((size_t)stat.st_size);
	if (!spec)
		return INSTANCE_UNREADABLE;
	ssize_t n = durable_read(dir_fd, RUN_SPEC_FILE, spec, (size_t)stat.st_size);
	if (n < 0 || run_spec_check(spec, (size_t)n)) {
		free(spec);
		return INSTANCE_UNREADABLE;
	}
	*ret_spec = spec;
	return INSTANCE_READ;
}

static int
count_entries(int fd)
{
	int n = 0;
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	else if (copy >= 0)
		close(copy);
	return n;
}

void
instance_quarantine(int state_fd, int dir_fd, const char *name, const char *file)
{
	char kept[INSTANCE_NAME_BYTES + 16];
	if (mkdirat(state_fd, INSTANCE_QUARANTINE, 0700) && errno != EEXIST)
		return;
	int fd = openat(state_fd, INSTANCE_QUARANTINE, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	snprintf(kept, sizeof(kept), "%s.%s", name, file);
	/* The file moves: it is of no use where it was. */
	if (count_entries(fd) < QUARANTINE_MAX + 2)
		(void)renameat(dir_fd, file, fd, kept);
	close(fd);
}

int
instance_exit_write(int dir_fd, const struct exit_record *record)
{
	char text[EXIT_RECORD_BYTES_MAX];
	size_t size = exit_record_encode(record, text);
	return durable_write(dir_fd, EXIT_RECORD_FILE, text, size);
}
