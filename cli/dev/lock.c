/* lock: one cell on one data directory. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cell.h"
#include "err.h"

int
cell_directory_make(const char *path, struct err *err)
{
	if (mkdir(path, 0755) != 0 && errno != EEXIST)
		return err_set(err, ERR_INTERNAL, "%s: %s", path, strerror(errno));
	return 0;
}

/* Two cells on one data would write each other's ports and databases.  The lock goes with the
 * process, however it ends; the file stays. */
int
cell_lock(struct cell *c, struct err *err)
{
	char path[320];
	int status;

	if (cell_directory_make(c->data, err) != 0)
		return -1;
	snprintf(path, sizeof(path), "%s/lock", c->data);
	c->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (c->lock_fd < 0)
		return err_set(err, ERR_INTERNAL, "%s: %s", path, strerror(errno));
	if (flock(c->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	status = errno;
	close(c->lock_fd);
	c->lock_fd = -1;
	if (status != EWOULDBLOCK)
		return err_set(err, ERR_INTERNAL, "%s: %s", path, strerror(status));
	err_field(err, ERR_CONFLICT, "data", "another fairlead dev runs on %s", c->data);
	return err_hint(err, "stop it, or name another directory with --data");
}

void
cell_unlock(struct cell *c)
{
	if (c->lock_fd >= 0)
		close(c->lock_fd);
	c->lock_fd = -1;
}
