#include "crash.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "err.h"

struct wanted {
	char name[64]; /* "" when no crash is wanted */
	unsigned count;
};

/* name[:count]; 0, or -1 with *err set. */
static int
parse(const char *text, struct wanted *ret_wanted, struct err *err)
{
	const char *colon = strchr(text, ':');
	size_t length = colon ? (size_t)(colon - text) : strlen(text);
	struct wanted wanted = {.count = 1};

	if (length == 0 || length >= sizeof(wanted.name))
		return err_set(err, ERR_INVALID, CRASH_VARIABLE "=%s: not name[:count]", text);
	memcpy(wanted.name, text, length);
	if (colon) {
		char *end;
		errno = 0;
		unsigned long count = strtoul(colon + 1, &end, 10);
		if (errno || *end || colon[1] < '0' || colon[1] > '9' || count < 1 ||
		    count > 1000000000)
			return err_set(err, ERR_INVALID,
			    CRASH_VARIABLE "=%s: the count must be 1..1000000000", text);
		wanted.count = (unsigned)count;
	}
	*ret_wanted = wanted;
	return 0;
}

/* "hub.report.after_ack" is a point of the hub: is one of rows of the same service? */
static bool
same_service(const struct crash_row *rows, const char *name)
{
	size_t n = strcspn(name, ".");

	if (!rows || !name[n])
		return true;
	for (; rows->name; rows++)
		if (strncmp(rows->name, name, n + 1) == 0)
			return true;
	return false;
}

bool
crash_points_present(void)
{
#ifdef FL_CRASH_POINTS
	return true;
#else
	return false;
#endif
}

int
crash_check(const struct crash_row *rows, struct err *err)
{
	const char *text = getenv(CRASH_VARIABLE);
	struct wanted wanted;

	if (!text)
		return 0;
	if (!crash_points_present())
		return err_set(err, ERR_INVALID,
		    CRASH_VARIABLE " is set, but this program is built without crash points");
	if (parse(text, &wanted, err) < 0)
		return -1;
	if (!same_service(rows, wanted.name))
		return 0;
	for (const struct crash_row *row = rows; row && row->name; row++)
		if (strcmp(row->name, wanted.name) == 0)
			return 0;
	err_set(err, ERR_INVALID, CRASH_VARIABLE "=%s: no such crash point", text);
	return err_hint(err, "--list-crash-points names them");
}

#ifdef FL_CRASH_POINTS
static struct wanted wanted_now;

static void
load(void)
{
	const char *text = getenv(CRASH_VARIABLE);
	struct err ignored; /* crash_check reports it */

	if (text && parse(text, &wanted_now, &ignored) < 0)
		wanted_now.name[0] = '\0';
}

/* Is it this process that crashes?  The file is made by exactly one. */
static bool
first_to_crash(void)
{
	const char *path = getenv(CRASH_ONCE_VARIABLE);
	int fd;

	if (!path || !*path)
		return true;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

void
crash_point(const char *name)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	static atomic_uint passed;

	pthread_once(&once, load);
	if (wanted_now.name[0] && strcmp(name, wanted_now.name) == 0 &&
	    atomic_fetch_add(&passed, 1) + 1 == wanted_now.count && first_to_crash())
		_exit(CRASH_EXIT_STATUS);
}
#endif
