#include "postgres_server.h"

#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <grp.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"
#include "wait.h"

#define START_TIMEOUT_MS 30000
#define USER "postgres"
#define TEMPLATE "fl_template"

struct postgres_server {
	pid_t pid; /* 0: not running */
	char dir[64], data[96], bin[128], url[256];
	unsigned databases;
};

static int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static const char *
url_of(struct postgres_server *s, const char *database)
{
	snprintf(s->url, sizeof(s->url), "postgresql:///%s?host=%s&user=" USER, database, s->dir);
	return s->url;
}

static void
find_programs(struct postgres_server *s)
{
	const char *given = getenv("POSTGRES_BIN");
	glob_t found;

	if (given) {
		snprintf(s->bin, sizeof(s->bin), "%s", given);
		return;
	}
	if (glob("/usr/lib/postgresql/*/bin", 0, NULL, &found) != 0)
		fail_msg("no Postgres in /usr/lib/postgresql: set POSTGRES_BIN");
	snprintf(s->bin, sizeof(s->bin), "%s", found.gl_pathv[found.gl_pathc - 1]);
	globfree(&found);
}

/* Postgres refuses to run as root. */
static void
become_ordinary(void)
{
	const struct passwd *user;

	if (geteuid() != 0)
		return;
	user = getpwnam(USER);
	if (!user)
		user = getpwnam("nobody");
	if (!user || setgroups(0, NULL) != 0 || setgid(user->pw_gid) != 0 ||
	    setuid(user->pw_uid) != 0)
		_exit(126);
}

static void
give_away(const char *path)
{
	const struct passwd *user = getpwnam(USER);

	if (geteuid() != 0)
		return;
	if (!user)
		user = getpwnam("nobody");
	if (!user || chown(path, user->pw_uid, user->pw_gid) != 0)
		fail_msg("cannot give %s away", path);
}

/* In a child: the log takes its output, and it ends when the test does. */
static void
exec_program(const struct postgres_server *s, char **argv)
{
	char path[192], log[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", s->bin, argv[0]);
	argv[0] = path; /* initdb looks for postgres beside itself */
	snprintf(log, sizeof(log), "%s/log", s->dir);
	become_ordinary();
	prctl(PR_SET_PDEATHSIG, SIGQUIT); /* after the change of user, which clears it */
	setsid();
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fd >= 0) {
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
	}
	if (chdir(s->dir) == 0)
		execv(path, argv);
	_exit(127);
}

static void
show_log(const struct postgres_server *s)
{
	char path[128], line[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/log", s->dir);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		fputs(line, stderr);
	if (f)
		fclose(f);
}

static void
initdb(struct postgres_server *s)
{
	char *argv[] = {"initdb", "--no-sync", "-A", "trust", "-U", USER, "-E", "UTF8",
	    "--locale=C", "-D", s->data, NULL};
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		exec_program(s, argv);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
		show_log(s);
		fail_msg("initdb failed");
	}
}

static bool
is_up_or_dead(void *arg)
{
	struct postgres_server *s = arg;

	if (waitpid(s->pid, NULL, WNOHANG) == s->pid) {
		s->pid = 0;
		return true;
	}
	return PQping(url_of(s, USER)) == PQPING_OK;
}

int
postgres_server_start(struct postgres_server *s)
{
	char *argv[] = {"postgres", "-D", s->data, "-k", s->dir, "-c", "listen_addresses=", "-c",
	    "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=60", "-c",
	    "max_prepared_transactions=4", "-c", "log_lock_waits=on", NULL};
	pid_t pid = fork();

	if (pid == 0)
		exec_program(s, argv);
	if (pid < 0)
		return -1;
	s->pid = pid;
	if (!test_wait_until(is_up_or_dead, s, START_TIMEOUT_MS))
		postgres_server_stop(s);
	return s->pid ? 0 : -1;
}

void
postgres_server_stop(struct postgres_server *s)
{
	if (!s->pid)
		return;
	kill(s->pid, SIGQUIT);
	waitpid(s->pid, NULL, 0);
	s->pid = 0;
}

struct postgres_server *
postgres_server_new(void (*migrate)(const char *url))
{
	struct postgres_server *s = calloc(1, sizeof(*s));
	const char *tmp = getenv("TMPDIR");

	if (s)
		snprintf(s->dir, sizeof(s->dir), "%s/fl-postgres-XXXXXX", tmp ? tmp : "/tmp");
	if (!s || !mkdtemp(s->dir))
		fail_msg("cannot make a directory for Postgres");
	snprintf(s->data, sizeof(s->data), "%s/data", s->dir);
	give_away(s->dir);
	find_programs(s);
	initdb(s);
	if (postgres_server_start(s) != 0) {
		show_log(s);
		postgres_server_free(s);
		fail_msg("Postgres does not start");
	}
	postgres_query(url_of(s, USER), "CREATE DATABASE " TEMPLATE);
	if (migrate)
		migrate(url_of(s, TEMPLATE));
	return s;
}

void
postgres_server_free(struct postgres_server *s)
{
	if (!s)
		return;
	postgres_server_stop(s);
	nftw(s->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	free(s);
}

static const char *
database_new(struct postgres_server *s, const char *template)
{
	char name[32], sql[128];

	snprintf(name, sizeof(name), "test_%u", ++s->databases);
	snprintf(
	    sql, sizeof(sql), "CREATE DATABASE %s TEMPLATE %s STRATEGY file_copy", name, template);
	postgres_query(url_of(s, USER), sql);
	return url_of(s, name);
}

const char *
postgres_server_clone(struct postgres_server *s)
{
	return database_new(s, TEMPLATE);
}

const char *
postgres_server_empty(struct postgres_server *s)
{
	return database_new(s, "template0");
}

const char *
postgres_query(const char *url, const char *sql)
{
	static char *answer;
	PGconn *conn = PQconnectdb(url);
	PGresult *r = PQexec(conn, sql);
	bool rows = PQresultStatus(r) == PGRES_TUPLES_OK;

	free(answer);
	answer = NULL;
	if (!rows && PQresultStatus(r) != PGRES_COMMAND_OK)
		fprintf(stderr, "%s: %s", sql, PQerrorMessage(conn));
	else
		answer = strdup(rows && PQntuples(r) > 0 ? PQgetvalue(r, 0, 0) : "");
	PQclear(r);
	PQfinish(conn);
	assert_non_null(answer);
	return answer;
}
