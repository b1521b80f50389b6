/* doctor_net: from a name to a server that speaks NATS.  One server that works is enough for an
 * agent; what is wrong with the others is said. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <jansson.h>

#include "clock.h"
#include "doctor.h"
#include "err.h"

#define INFO_BYTES 8192

/* Adds one server's story to those of the others. */
static void
tell(struct doctor *d, const struct doctor_server *s, const char *what)
{
	doctor_say(d, "%s%s:%s %s", *d->said ? "; " : "", s->host, s->port, what);
}

/* None worked: what was said of each is the error. */
static int
none(const struct doctor *d, const char *hint, struct err *err)
{
	err_set(err, ERR_UNAVAILABLE, "%s", d->said);
	return err_hint(err, "%s", hint);
}

static int
resolve(const struct doctor_server *s, struct addrinfo **ret)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};

	return getaddrinfo(s->host, s->port, &hints, ret);
}

int
doctor_dns(struct doctor *d, struct err *err)
{
	bool any = false;

	for (size_t i = 0; i < d->server_count; i++) {
		struct doctor_server *s = &d->servers[i];
		char address[INET6_ADDRSTRLEN + 8] = "", what[128];
		struct addrinfo *found = NULL;
		int r = resolve(s, &found);

		if (r == 0)
			r = getnameinfo(found->ai_addr, found->ai_addrlen, address, sizeof(address),
			    NULL, 0, NI_NUMERICHOST);
		if (found)
			freeaddrinfo(found);
		s->works = r == 0;
		snprintf(what, sizeof(what), r == 0 ? "is %s" : "has no address: %s",
		    r == 0 ? address : gai_strerror(r));
		tell(d, s, what);
		any = any || s->works;
	}
	return any ? 0
		   : none(d, "option nats_servers, /etc/resolv.conf and /etc/hosts decide", err);
}

/* 0, or the errno of a connection that was begun. */
static int
connect_end(int fd, int timeout_ms)
{
	struct pollfd wait = {.fd = fd, .events = POLLOUT};
	int error = 0;
	socklen_t size = sizeof(error);

	if (poll(&wait, 1, timeout_ms) != 1)
		return ETIMEDOUT;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

/* Connected within the deadline, or -1 with *ret_error. */
static int
connect_within(const struct addrinfo *to, int timeout_ms, int *ret_error)
{
	int fd =
	    socket(to->ai_family, to->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, to->ai_protocol);

	*ret_error = 0;
	if (fd < 0 || connect(fd, to->ai_addr, to->ai_addrlen) != 0)
		*ret_error = errno;
	if (fd >= 0 && *ret_error == EINPROGRESS)
		*ret_error = connect_end(fd, timeout_ms);
	if (*ret_error == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static void
server_connect(struct doctor *d, struct doctor_server *s)
{
	struct addrinfo *found = NULL;
	int error = 0;
	char what[128];

	if (resolve(s, &found) != 0)
		return;
	for (const struct addrinfo *a = found; a && s->fd < 0; a = a->ai_next)
		s->fd = connect_within(a, d->step_ms, &error);
	snprintf(what, sizeof(what), "%s", s->fd >= 0 ? "is open" : strerror(error));
	tell(d, s, what);
	freeaddrinfo(found);
}

int
doctor_tcp(struct doctor *d, struct err *err)
{
	bool any = false;

	for (size_t i = 0; i < d->server_count; i++) {
		struct doctor_server *s = &d->servers[i];

		if (s->works)
			server_connect(d, s);
		s->works = s->fd >= 0;
		any = any || s->works;
	}
	return any ? 0
		   : none(d,
			 "does nats-server run there, is the port right, does a firewall lie "
			 "between?",
			 err);
}

/* What a server says before it is asked anything: one line, within the deadline. */
static int
info_read(int fd, char *line, size_t size, int timeout_ms)
{
	const struct clock *clock = clock_system();
	int64_t deadline_us = clock_mono_us(clock) + timeout_ms * MS_US;
	size_t n = 0;

	for (;;) {
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		int64_t left_ms = (deadline_us - clock_mono_us(clock)) / MS_US;
		ssize_t r;

		if (left_ms <= 0 || n + 1 == size || poll(&wait, 1, (int)left_ms) != 1)
			return -1;
		r = read(fd, line + n, size - n - 1);
		if (r <= 0)
			return -1;
		n += (size_t)r;
		line[n] = '\0';
		if (strchr(line, '\n'))
			return 0;
	}
}

static bool
server_greet(struct doctor *d, struct doctor_server *s)
{
	char line[INFO_BYTES] = "", what[256];
	json_t *info = NULL;
	const char *name, *version;

	if (info_read(s->fd, line, sizeof(line), d->step_ms) == 0 && strncmp(line, "INFO ", 5) == 0)
		info = json_loads(line + 5, JSON_DISABLE_EOF_CHECK, NULL);
	close(s->fd);
	s->fd = -1;
	if (!info) {
		tell(d, s, "is no NATS server: it does not begin with INFO");
		return false;
	}
	name = json_string_value(json_object_get(info, "server_name"));
	version = json_string_value(json_object_get(info, "version"));
	s->tls_asked = json_is_true(json_object_get(info, "tls_required"));
	snprintf(what, sizeof(what), "is %.64s, version %.32s%s", name ? name : "?",
	    version ? version : "?", s->tls_asked ? ", wants TLS" : "");
	tell(d, s, what);
	json_decref(info);
	return true;
}

int
doctor_nats(struct doctor *d, struct err *err)
{
	bool any = false;

	for (size_t i = 0; i < d->server_count; i++) {
		struct doctor_server *s = &d->servers[i];

		s->works = s->works && server_greet(d, s);
		any = any || s->works;
	}
	return any ? 0 : none(d, "something else listens there; 4222 is the usual port", err);
}
