/* gate: a TCP path that can be cut.  fairlead-gate LISTEN-PORT-FILE TARGET-PORT forwards
 * connections on a port of its own choice, which it writes into the file, to TARGET-PORT of this
 * machine.  SIGUSR1 cuts: what is connected stays connected and silent, as behind a pulled cable,
 * and nobody new gets through.  SIGUSR2 heals: what was sent meanwhile arrives. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAIRS_MAX 64
#define BUFFER_BYTES 65536

static volatile sig_atomic_t cut;

static int ends[PAIRS_MAX][2]; /* client, target; -1: free */

static void
on_signal(int number)
{
	cut = number == SIGUSR1;
}

static struct sockaddr_in
loopback(unsigned port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	    .sin_port = htons((uint16_t)port)};
}

static int
listen_somewhere(const char *port_file)
{
	struct sockaddr_in address = loopback(0);
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	FILE *file;

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, 16) != 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &size) != 0)
		return -1;
	file = fopen(port_file, "we");
	if (!file)
		return -1;
	fprintf(file, "%u\n", ntohs(address.sin_port));
	return fclose(file) == 0 ? fd : -1;
}

static void
pair_close(int *pair)
{
	close(pair[0]);
	close(pair[1]);
	pair[0] = pair[1] = -1;
}

/* A client whose target is away is closed: that is what it would meet without us. */
static void
pair_open(int listener, unsigned port)
{
	struct sockaddr_in address = loopback(port);
	int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	int target;

	if (client < 0)
		return;
	target = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (target >= 0 && connect(target, (struct sockaddr *)&address, sizeof(address)) == 0) {
		for (size_t i = 0; i < PAIRS_MAX; i++) {
			if (ends[i][0] < 0) {
				ends[i][0] = client;
				ends[i][1] = target;
				return;
			}
		}
	}
	close(client);
	if (target >= 0)
		close(target);
}

/* false: the connection is over. */
static bool
forward(int from, int to)
{
	static char buffer[BUFFER_BYTES];
	ssize_t n = read(from, buffer, sizeof(buffer));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return true;
	if (n <= 0)
		return false;
	for (ssize_t done = 0; done < n;) {
		ssize_t w = write(to, buffer + done, (size_t)(n - done));

		if (w < 0 && errno != EINTR)
			return false;
		done += w > 0 ? w : 0;
	}
	return true;
}

static void
serve(struct pollfd *fds, unsigned port)
{
	if (fds[0].revents)
		pair_open(fds[0].fd, port);
	for (size_t i = 0; i < PAIRS_MAX; i++) {
		for (size_t side = 0; side < 2 && ends[i][0] >= 0; side++) {
			const struct pollfd *fd = &fds[1 + 2 * i + side];

			/* A pair opened just now has no answer of this poll yet. */
			if (fd->fd == ends[i][side] && fd->revents &&
			    !forward(ends[i][side], ends[i][1 - side]))
				pair_close(ends[i]);
		}
	}
}

static void
run(int listener, unsigned port, const sigset_t *signals)
{
	struct pollfd fds[1 + 2 * PAIRS_MAX];

	for (;;) {
		fds[0] = (struct pollfd){.fd = cut ? -1 : listener, .events = POLLIN};
		for (size_t i = 0; i < (size_t)2 * PAIRS_MAX; i++)
			fds[1 + i] =
			    (struct pollfd){.fd = cut ? -1 : ends[i / 2][i % 2], .events = POLLIN};
		/* Signals arrive in here only, so no cut is missed. */
		if (ppoll(fds, 1 + 2 * PAIRS_MAX, NULL, signals) > 0)
			serve(fds, port);
	}
}

int
main(int argc, char **argv)
{
	const struct sigaction action = {.sa_handler = on_signal};
	sigset_t both, before;
	int listener;

	if (argc != 3) {
		fprintf(stderr, "usage: fairlead-gate LISTEN-PORT-FILE TARGET-PORT\n");
		return 2;
	}
	sigemptyset(&both);
	sigaddset(&both, SIGUSR1);
	sigaddset(&both, SIGUSR2);
	sigprocmask(SIG_BLOCK, &both, &before);
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGUSR2, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < PAIRS_MAX; i++)
		ends[i][0] = ends[i][1] = -1;
	listener = listen_somewhere(argv[1]);
	if (listener < 0) {
		perror("fairlead-gate");
		return 1;
	}
	run(listener, (unsigned)strtoul(argv[2], NULL, 10), &before);
}
