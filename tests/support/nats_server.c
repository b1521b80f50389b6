#include "nats_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"
#include "wait.h"

#define START_TIMEOUT_MS 20000
#define START_TRIES 5

struct nats_server {
	pid_t pid; /* 0: not running */
	int port;
	char dir[64], url[64];
	char *config;
};

static struct sockaddr_in
loopback(int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return a;
}

/* Free when asked; another program may take it before the server does, hence START_TRIES. */
int
nats_server_free_port(void)
{
	struct sockaddr_in a = loopback(0);
	socklen_t size = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) ||
	    getsockname(fd, (struct sockaddr *)&a, &size))
		fail_msg("no free port");
	close(fd);
	return ntohs(a.sin_port);
}

static int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void
remove_tree(const char *path)
{
	nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void
write_config(const struct nats_server *s)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/nats.conf", s->dir);
	FILE *f = fopen(path, "w");
	if (!f)
		fail_msg("cannot write %s", path);
	fprintf(f,
	    "listen: \"127.0.0.1:%d\"\nserver_name: \"test-%d\"\n"
	    "jetstream { store_dir: \"%s/store\", max_memory_store: 64MB, "
	    "max_file_store: 1GB }\n%s\n",
	    s->port, s->port, s->dir, s->config ? s->config : "");
	fclose(f);
}

/* It greets every connection with a line that begins with INFO. */
static bool
answers(const struct nats_server *s)
{
	struct sockaddr_in a = loopback(s->port);
	struct timeval timeout = {.tv_sec = 1};
	char greeting[4];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	bool ok = connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 &&
		  recv(fd, greeting, sizeof(greeting), MSG_WAITALL) == sizeof(greeting) &&
		  memcmp(greeting, "INFO", sizeof(greeting)) == 0;
	close(fd);
	return ok;
}

static bool
is_up_or_dead(void *arg)
{
	struct nats_server *s = arg;

	if (waitpid(s->pid, NULL, WNOHANG) == s->pid) {
		s->pid = 0;
		return true;
	}
	return answers(s);
}

static void
exec_server(const struct nats_server *s)
{
	const char *program = getenv("NATS_SERVER");
	char config[128], log[128];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(config, sizeof(config), "%s/nats.conf", s->dir);
	snprintf(log, sizeof(log), "%s/nats.log", s->dir);
	int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fd >= 0) {
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
	}
	execlp(program ? program : "nats-server", "nats-server", "-c", config, (char *)NULL);
	_exit(127);
}

int
nats_server_start(struct nats_server *s)
{
	write_config(s);
	pid_t pid = fork();
	if (pid == 0)
		exec_server(s);
	if (pid < 0)
		return -1;
	s->pid = pid;
	if (!test_wait_until(is_up_or_dead, s, START_TIMEOUT_MS))
		nats_server_kill(s);
	return s->pid ? 0 : -1;
}

struct nats_server *
nats_server_new(const char *config)
{
	struct nats_server *s = calloc(1, sizeof(*s));
	char template[] = "/tmp/fl-nats-XXXXXX";

	if (!s || !mkdtemp(template))
		fail_msg("cannot make a directory for nats-server");
	snprintf(s->dir, sizeof(s->dir), "%s", template);
	nats_server_set_config(s, config);
	for (int i = 0; i < START_TRIES; i++) {
		s->port = nats_server_free_port();
		snprintf(s->url, sizeof(s->url), "nats://127.0.0.1:%d", s->port);
		if (nats_server_start(s) == 0)
			return s;
	}
	nats_server_free(s);
	fail_msg("nats-server does not start");
	return NULL;
}

static void
end(struct nats_server *s, int signal)
{
	if (!s->pid)
		return;
	kill(s->pid, signal);
	kill(s->pid, SIGCONT);
	waitpid(s->pid, NULL, 0);
	s->pid = 0;
}

void
nats_server_stop(struct nats_server *s)
{
	end(s, SIGTERM);
}

void
nats_server_kill(struct nats_server *s)
{
	end(s, SIGKILL);
}

void
nats_server_pause(struct nats_server *s)
{
	kill(s->pid, SIGSTOP);
	/* Its threads stop one by one: some could still answer until the kernel says so. */
	waitpid(s->pid, NULL, WUNTRACED);
}

void
nats_server_resume(struct nats_server *s)
{
	kill(s->pid, SIGCONT);
}

void
nats_server_wipe(struct nats_server *s)
{
	char store[128];

	assert_int_equal(s->pid, 0);
	snprintf(store, sizeof(store), "%s/store", s->dir);
	remove_tree(store);
}

void
nats_server_set_config(struct nats_server *s, const char *config)
{
	free(s->config);
	s->config = config ? strdup(config) : NULL;
}

void
nats_server_free(struct nats_server *s)
{
	if (!s)
		return;
	nats_server_kill(s);
	remove_tree(s->dir);
	free(s->config);
	free(s);
}

const char *
nats_server_url(const struct nats_server *s)
{
	return s->url;
}

int
nats_server_port(const struct nats_server *s)
{
	return s->port;
}

pid_t
nats_server_pid(const struct nats_server *s)
{
	return s->pid;
}
