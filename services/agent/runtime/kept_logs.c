#include "kept_logs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "err.h"
#include "instance.h"
#include "log_ring.h"

#define KEPT_DIR "kept"

static int
open_dir(int at_fd, const char *name)
{
	return openat(at_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void
drop(int kept_fd, const char *hex)
{
	int fd = open_dir(kept_fd, hex);

	if (fd >= 0) {
		(void)unlinkat(fd, LOG_RING_FILE, 0);
		close(fd);
	}
	(void)unlinkat(kept_fd, hex, AT_REMOVEDIR);
}

/* Ids are UUIDv7: the smallest name is the oldest executor. */
static void
prune(int kept_fd)
{
	char oldest[ID_HEX_BYTES] = "";
	const struct dirent *entry;
	unsigned n = 0;
	DIR *dir;
	int fd = open_dir(kept_fd, ".");

	if (fd < 0)
		return;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return;
	}
	while ((entry = readdir(dir))) {
		if (strlen(entry->d_name) != ID_HEX_BYTES - 1)
			continue;
		n++;
		if (!*oldest || strcmp(entry->d_name, oldest) < 0)
			snprintf(oldest, sizeof(oldest), "%.32s", entry->d_name);
	}
	closedir(dir);
	if (n > KEPT_LOGS_MAX)
		drop(kept_fd, oldest);
}

void
kept_logs_save(int state_fd, const struct id *id, uint32_t incarnation)
{
	char hex[ID_HEX_BYTES];
	int from_fd = instance_open(state_fd, id, incarnation), kept_fd, to_fd;

	if (from_fd < 0)
		return;
	(void)mkdirat(state_fd, KEPT_DIR, 0700);
	kept_fd = open_dir(state_fd, KEPT_DIR);
	if (kept_fd >= 0) {
		(void)mkdirat(kept_fd, id_to_hex(id, hex), 0700);
		to_fd = open_dir(kept_fd, hex);
		if (to_fd >= 0) {
			(void)renameat(from_fd, LOG_RING_FILE, to_fd, LOG_RING_FILE);
			close(to_fd);
		}
		prune(kept_fd);
		close(kept_fd);
	}
	close(from_fd);
}

int
kept_logs_read(int state_fd, const struct id *id, void *buffer, size_t size, size_t *ret_size,
    uint64_t *ret_total)
{
	char name[sizeof(KEPT_DIR) + ID_HEX_BYTES], hex[ID_HEX_BYTES];
	int fd, result, saved;

	snprintf(name, sizeof(name), "%s/%s", KEPT_DIR, id_to_hex(id, hex));
	fd = open_dir(state_fd, name);
	if (fd < 0)
		return -1;
	result = log_ring_read(fd, buffer, size, ret_size, ret_total);
	saved = errno;
	close(fd);
	errno = saved;
	return result;
}
