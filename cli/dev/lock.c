/* lock: one cell on one data directory. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "cell.h"
#include "clock.h"
#include "err.h"

#define SERVERS_END_US (30 * SECOND_US)
#define LOOK_MS 20

static int
lock_open(const struct cell *c, const char *name, int *ret_fd, struct err *err)
{
	char path[320];

	snprintf(path, sizeof(path), "%s/%s", c->data, name);
	*ret_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	return *ret_fd >= 0 ? 0 : err_set(err, ERR_INTERNAL, "%s: %s", path, strerror(errno));
}

static void
lock_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Two cells on one data would write each other's ports and databases.  The lock goes with the
 * process, however it ends; the file stays. */
static int
data_lock(struct cell *c, struct err *err)
{
	if (lock_open(c, "lock", &c->lock_fd, err) != 0)
		return -1;
	if (flock(c->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno != EWOULDBLOCK)
		return err_set(err, ERR_INTERNAL, "%s/lock: %s", c->data, strerror(errno));
	err_field(err, ERR_CONFLICT, "data", "another fairlead dev runs on %s", c->data);
	return err_hint(err, "stop it, or name another directory with --data");
}

/* When we are killed our servers end a moment later.  They hold this lock as long as they use the
 * data: bus and database have it open, and nobody else. */
static int
servers_lock(struct cell *c, struct err *err)
{
	int64_t deadline = clock_mono_us(clock_system()) + SERVERS_END_US;

	if (lock_open(c, "lock.servers", &c->servers_fd, err) != 0)
		return -1;
	while (flock(c->servers_fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK)
			return err_set(
			    err, ERR_INTERNAL, "%s/lock.servers: %s", c->data, strerror(errno));
		if (clock_mono_us(clock_system()) > deadline)
			return err_set(err, ERR_TIMEOUT,
			    "bus or database of an earlier cell on %s do not end", c->data);
		poll(NULL, 0, LOOK_MS);
	}
	return 0;
}

int
cell_lock(struct cell *c, struct err *err)
{
	if (data_lock(c, err) == 0 && servers_lock(c, err) == 0)
		return 0;
	cell_unlock(c);
	return -1;
}

void
cell_unlock(struct cell *c)
{
	lock_close(&c->servers_fd);
	lock_close(&c->lock_fd);
}
