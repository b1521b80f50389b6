#include "outlet.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "err.h"

#define STEP_MS 100
/* A pipe that says it has room takes so much without blocking. */
#define CHUNK_BYTES _POSIX_PIPE_BUF

static int
failed(struct outlet *o, struct err *err)
{
	o->closed = errno == EPIPE;
	return err_set(err, o->closed ? ERR_UNAVAILABLE : ERR_INTERNAL, "standard output: %s",
	    strerror(errno));
}

int
outlet_write(struct outlet *o, const char *text, size_t size, struct err *err)
{
	while (size > 0) {
		struct pollfd p = {.fd = o->fd, .events = POLLOUT};
		int ready = poll(&p, 1, STEP_MS);
		ssize_t n;

		if (ready <= 0) {
			if (ready < 0 && errno != EINTR)
				return failed(o, err);
			if (!o->go_on(o->arg))
				return err_set(err, ERR_TIMEOUT, "standard output is not read");
			continue;
		}
		n = write(o->fd, text, size < CHUNK_BYTES ? size : CHUNK_BYTES);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return failed(o, err);
		if (n > 0) {
			text += n;
			size -= (size_t)n;
		}
	}
	return 0;
}

bool
outlet_open(struct outlet *o)
{
	struct pollfd p = {.fd = o->fd};

	if (poll(&p, 1, 0) > 0 && p.revents & (POLLERR | POLLHUP))
		o->closed = true;
	return !o->closed;
}
