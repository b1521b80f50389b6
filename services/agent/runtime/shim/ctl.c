#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proc_tree.h"
#include "shim.h"

int
shim_ctl_listen(struct shim *shim)
{
	/* Relative to the state directory: a socket's path has 108 bytes, state directories more.
	 */
	const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = SHIM_CTL_FILE};
	unlink(SHIM_CTL_FILE);
	shim->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (shim->listen_fd < 0)
		return -1;
	if (bind(shim->listen_fd, (const struct sockaddr *)&address, sizeof(address)) ||
	    listen(shim->listen_fd, 4))
		return -1;
	return shim_watch(shim, shim->listen_fd, SOURCE_LISTEN);
}

static void
drop_client(struct shim *shim)
{
	if (shim->client_fd >= 0)
		close(shim->client_fd);
	shim->client_fd = -1;
}

void
shim_ctl_accept(struct shim *shim)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);
	int fd = accept4(shim->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	/* The directory is 0700; this says it again.  One agent per state directory (K20): a new
	 * connection is its successor's. */
	bool allowed = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
		       (peer.uid == 0 || peer.uid == geteuid());
	if (!allowed || shim_watch(shim, fd, SOURCE_CLIENT)) {
		close(fd);
		return;
	}
	drop_client(shim);
	shim->client_fd = fd;
}

void
shim_ctl_receive(struct shim *shim)
{
	struct shim_message message;
	if (shim->client_fd < 0)
		return;
	ssize_t n = recv(shim->client_fd, &message, sizeof(message), MSG_DONTWAIT | MSG_TRUNC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		drop_client(shim);
		return;
	}
	if (n != (ssize_t)sizeof(message) || message.magic != SHIM_MAGIC)
		return;
	if (message.type == SHIM_ASK)
		shim_ctl_send(shim, SHIM_STATE);
	else if (message.type == SHIM_STOP)
		shim_stop(shim, message.grace_ms);
}

/* The agent keeps both, to live on should this shim be killed: the pidfd to get the exit code, the
 * pipe so that the executor's next write does not end it. */
static void
attach_descriptors(const struct shim *shim, struct msghdr *header)
{
	const int fds[] = {shim->pidfd, shim->log_fd};
	size_t size = shim->log_fd >= 0 ? sizeof(fds) : sizeof(fds[0]);
	header->msg_controllen = CMSG_SPACE(size);
	struct cmsghdr *control = CMSG_FIRSTHDR(header);
	control->cmsg_level = SOL_SOCKET;
	control->cmsg_type = SCM_RIGHTS;
	control->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(control), fds, size);
}

void
shim_ctl_send(struct shim *shim, enum shim_type type)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))] = {0};
	struct shim_message message = {.magic = SHIM_MAGIC,
	    .type = type,
	    .pid = shim->pid,
	    .incarnation = shim->spec->incarnation,
	    .running = shim->phase == PHASE_RUNNING};
	struct iovec part = {.iov_base = &message, .iov_len = sizeof(message)};
	struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};

	if (shim->client_fd < 0)
		return;
	memcpy(message.executor, shim->record.executor, sizeof(shim->record.executor));
	if (message.running) {
		header.msg_control = control;
		attach_descriptors(shim, &header);
	}
	/* A full socket is an agent that does not read: its successor asks again. */
	if (sendmsg(shim->client_fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		drop_client(shim);
}

void
shim_lock_write(const struct shim *shim)
{
	char text[SHIM_LOCK_TEXT_BYTES];
	uint64_t own = 0, started = 0;
	if (proc_start_time(getpid(), &own))
		own = 0;
	if (shim->pid > 0 && proc_start_time(shim->pid, &started))
		started = 0;
	int n = snprintf(text, sizeof(text), "%d %llu %d %llu\n", getpid(), (unsigned long long)own,
	    shim->pid, (unsigned long long)started);
	/* A help for whoever cleans up after this shim; without it they go by the cgroup leaf. */
	(void)!pwrite(SHIM_FD_LOCK, text, (size_t)n, 0);
}
