#include "binding.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "err.h"
#include "name.h"

/* "" when there is none yet. */
static int
binding_read(const char *path, char ret[NAME_BYTES_MAX + 1], struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	ret[0] = '\0';
	if (fd < 0 && errno == ENOENT)
		return 0;
	n = fd < 0 ? -1 : read(fd, ret, NAME_BYTES_MAX);
	if (n < 0) {
		int saved = errno;

		if (fd >= 0)
			close(fd);
		return err_set(err, ERR_UNAVAILABLE, "%s: %s", path, strerror(saved));
	}
	close(fd);
	ret[n] = '\0';
	return 0;
}

static int
binding_write(const char *path, const char *host_id, struct err *err)
{
	size_t n = strlen(host_id);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int result = 0;

	if (fd < 0 || write(fd, host_id, n) != (ssize_t)n || fsync(fd) != 0)
		result = err_set(err, ERR_UNAVAILABLE, "%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return result;
}

int
binding_check(
    const char *state_dir, const char *host_id, char ret_moved[RECORDS_PATH_BYTES], struct err *err)
{
	char path[RECORDS_PATH_BYTES], bound[NAME_BYTES_MAX + 1];

	ret_moved[0] = '\0';
	if ((size_t)snprintf(path, sizeof(path), "%s/host_id", state_dir) >= sizeof(path))
		return err_field(err, ERR_LIMIT, "state_dir", "path too long: %s", state_dir);
	if (binding_read(path, bound, err) != 0)
		return -1;
	if (strcmp(bound, host_id) == 0)
		return 0;
	/* Set aside first: a crash in between repeats it and finds nothing more to move. */
	if (bound[0] && records_sqlite_set_aside(state_dir, "of-another-host", ret_moved, err) != 0)
		return -1;
	return binding_write(path, host_id, err);
}
