/* A Postgres with its defaults, thus durable: tests/support turns fsync off, which would measure
 * something else. */
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <grp.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "wait.h"

#define USER "postgres"
#define START_TIMEOUT_MS 30000

struct bench_postgres {
	pid_t pid;
	char dir[64], data[96], bin[128], url[192];
};

static struct bench_postgres *running; /* for atexit */

static void
stop_at_exit(void)
{
	bench_postgres_free(running);
}

static const struct passwd *
ordinary_user(void)
{
	const struct passwd *user = getpwnam(USER);

	return user ? user : getpwnam("nobody");
}

/* Postgres refuses to run as root. */
static void
exec_program(const struct bench_postgres *s, const char **argv)
{
	const struct passwd *user = ordinary_user();
	char path[192], log[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", s->bin, argv[0]);
	snprintf(log, sizeof(log), "%s/log", s->dir);
	argv[0] = path;
	if (geteuid() == 0 && (!user || setgroups(0, NULL) != 0 || setgid(user->pw_gid) != 0 ||
				  setuid(user->pw_uid) != 0))
		_exit(126);
	prctl(PR_SET_PDEATHSIG, SIGQUIT);
	setsid();
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fd >= 0) {
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
	}
	if (chdir(s->dir) == 0)
		execv(path, (char *const *)(uintptr_t)argv);
	_exit(127);
}

static void
directories(struct bench_postgres *s)
{
	const struct passwd *user = ordinary_user();
	const char *tmp = getenv("TMPDIR");
	glob_t found;

	snprintf(s->dir, sizeof(s->dir), "%s/fl-bench-XXXXXX", tmp ? tmp : "/tmp");
	bench_must(mkdtemp(s->dir) ? 0 : -1, NULL, "a directory for Postgres");
	snprintf(s->data, sizeof(s->data), "%s/data", s->dir);
	if (geteuid() == 0)
		bench_must(user ? chown(s->dir, user->pw_uid, user->pw_gid) : -1, NULL, "chown");
	bench_must(
	    glob("/usr/lib/postgresql/*/bin", 0, NULL, &found), NULL, "find Postgres' programs");
	snprintf(s->bin, sizeof(s->bin), "%s", found.gl_pathv[found.gl_pathc - 1]);
	globfree(&found);
}

/* Plans with times, of one statement in fifty, in the server's log: $FL_BENCH_EXPLAIN in the end.
 */
static void
explain_arguments(const char **argv)
{
	static const char *const more[] = {"-c", "session_preload_libraries=auto_explain", "-c",
	    "auto_explain.log_min_duration=0", "-c", "auto_explain.log_analyze=on", "-c",
	    "auto_explain.log_wal=on", "-c", "auto_explain.log_parameter_max_length=0", "-c",
	    "auto_explain.sample_rate=0.02", NULL};

	while (*argv)
		argv++;
	memcpy(argv, more, sizeof(more));
}

static bool
is_up(void *arg)
{
	return PQping(bench_postgres_url(arg, USER)) == PQPING_OK;
}

struct bench_postgres *
bench_postgres_new(void)
{
	struct bench_postgres *s = calloc(1, sizeof(*s));
	int status = -1;
	pid_t pid;

	bench_must(s ? 0 : -1, NULL, "memory");
	directories(s);
	const char *initdb[] = {
	    "initdb", "-A", "trust", "-U", USER, "-E", "UTF8", "--locale=C", "-D", s->data, NULL};
	const char *postgres[24] = {"postgres", "-D", s->data, "-k", s->dir, "-c",
	    "listen_addresses=", "-c", "max_wal_size=8GB", NULL};
	if (getenv("FL_BENCH_EXPLAIN"))
		explain_arguments(postgres);
	running = s;
	atexit(stop_at_exit);
	pid = fork();
	if (pid == 0)
		exec_program(s, initdb);
	bench_must(waitpid(pid, &status, 0) == pid && status == 0 ? 0 : -1, NULL, "initdb");
	s->pid = fork();
	if (s->pid == 0)
		exec_program(s, postgres);
	bench_must(test_wait_until(is_up, s, START_TIMEOUT_MS) ? 0 : -1, NULL, "start Postgres");
	return s;
}

static int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void
bench_postgres_free(struct bench_postgres *s)
{
	const char *kept = getenv("FL_BENCH_EXPLAIN");
	char log[128];

	if (!s)
		return;
	snprintf(log, sizeof(log), "%s/log", s->dir);
	if (kept && rename(log, kept) != 0)
		fprintf(stderr, "bench: cannot keep %s as %s\n", log, kept);
	if (s->pid > 0) {
		kill(s->pid, SIGQUIT);
		waitpid(s->pid, NULL, 0);
	}
	nftw(s->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	running = NULL;
	free(s);
}

const char *
bench_postgres_url(struct bench_postgres *s, const char *database)
{
	snprintf(s->url, sizeof(s->url), "host=%s user=" USER " dbname=%s", s->dir, database);
	return s->url;
}
