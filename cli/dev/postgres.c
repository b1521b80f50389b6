/* postgres: a private Postgres on a unix socket, under a user that is not root. */
#include <errno.h>
#include <glob.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cell.h"
#include "err.h"

#define INITDB_TIMEOUT_MS 60000
#define SOCKETS "/tmp/fairlead-dev-XXXXXX"
#define SOCKETS_PREFIX (sizeof(SOCKETS) - sizeof("XXXXXX"))

/* The newest server installed where Debian puts them, or the path. */
static void
program_path(const char *name, char *buffer, size_t size)
{
	glob_t found = {0};
	char pattern[128];

	snprintf(pattern, sizeof(pattern), "/usr/lib/postgresql/*/bin/%s", name);
	if (glob(pattern, 0, NULL, &found) == 0 && found.gl_pathc > 0)
		snprintf(buffer, size, "%s", found.gl_pathv[found.gl_pathc - 1]);
	else
		snprintf(buffer, size, "%s", name);
	globfree(&found);
}

static int
choose_user(struct cell *c, struct err *err)
{
	const struct passwd *user;

	if (getuid() != 0)
		return 0;
	user = getpwnam("postgres");
	if (!user)
		user = getpwnam("nobody");
	if (!user)
		return err_set(err, ERR_NOT_FOUND,
		    "Postgres refuses to run as root, and there is neither "
		    "user postgres nor nobody to run it as");
	c->postgres_uid = user->pw_uid;
	c->postgres_gid = user->pw_gid;
	return 0;
}

/* One that was killed removed nothing. */
static void
last_sockets_remove(const char *link)
{
	char last[sizeof(SOCKETS)];
	ssize_t n = readlink(link, last, sizeof(last));

	if (n == sizeof(SOCKETS) - 1) {
		last[n] = '\0';
		if (strncmp(last, SOCKETS, SOCKETS_PREFIX) == 0)
			rmdir(last);
	}
	unlink(link);
}

/* Paths of unix sockets end at 107 bytes, so the socket does not live below the data. */
static int
socket_directory(struct cell *c, struct err *err)
{
	char link[320];

	snprintf(link, sizeof(link), "%s/sockets", c->data);
	last_sockets_remove(link);
	snprintf(c->sockets, sizeof(c->sockets), SOCKETS);
	if (!mkdtemp(c->sockets))
		return err_set(err, ERR_INTERNAL, "%s: %s", c->sockets, strerror(errno));
	if (symlink(c->sockets, link) != 0)
		return err_set(err, ERR_INTERNAL, "%s: %s", link, strerror(errno));
	if (c->postgres_uid && chown(c->sockets, c->postgres_uid, c->postgres_gid) != 0)
		return err_set(err, ERR_INTERNAL, "%s: %s", c->sockets, strerror(errno));
	return 0;
}

static int
initdb(struct cell *c, const char *directory, struct err *err)
{
	char path[256], log[320];
	struct child child;
	int r;

	program_path("initdb", path, sizeof(path));
	snprintf(log, sizeof(log), "%s/log/initdb.log", c->data);
	child_init(&child, "initdb", SIGTERM);
	child.uid = c->postgres_uid;
	child.gid = c->postgres_gid;
	child_arg(&child, "%s", path);
	child_arg(&child, "-D");
	child_arg(&child, "%s", directory);
	child_arg(&child, "--username=fairlead");
	child_arg(&child, "--auth=trust"); /* the socket's directory is the guard: mode 0700 */
	child_arg(&child, "--encoding=UTF8");
	child_arg(&child, "--locale=C");
	child_arg(&child, "--no-instructions");
	r = child_run(&child, log, INITDB_TIMEOUT_MS, err);
	child_done(&child);
	return r;
}

int
cell_postgres_init(struct cell *c, struct err *err)
{
	char directory[320], version[400];

	if (choose_user(c, err) != 0 || socket_directory(c, err) != 0)
		return -1;
	snprintf(directory, sizeof(directory), "%s/postgres", c->data);
	snprintf(version, sizeof(version), "%s/PG_VERSION", directory);
	snprintf(c->database_url, sizeof(c->database_url), "host=%s user=fairlead dbname=postgres",
	    c->sockets);
	if (access(version, F_OK) == 0)
		return 0;
	if (mkdir(directory, 0700) != 0 && errno != EEXIST)
		return err_set(err, ERR_INTERNAL, "%s: %s", directory, strerror(errno));
	if (c->postgres_uid && chown(directory, c->postgres_uid, c->postgres_gid) != 0)
		return err_set(err, ERR_INTERNAL, "%s: %s", directory, strerror(errno));
	return initdb(c, directory, err);
}

int
cell_postgres_child(struct cell *c, struct child *child, struct err *err)
{
	char path[256];

	(void)err;
	program_path("postgres", path, sizeof(path));
	child_init(child, "postgres", SIGINT); /* fast shutdown */
	child->uid = c->postgres_uid;
	child->gid = c->postgres_gid;
	child_arg(child, "%s", path);
	child_arg(child, "-D");
	child_arg(child, "%s/postgres", c->data);
	child_arg(child, "-k");
	child_arg(child, "%s", c->sockets);
	child_arg(child, "-c");
	child_arg(child, "listen_addresses=");
	child_arg(child, "-c");
	child_arg(child, "max_connections=200");
	return 0;
}
