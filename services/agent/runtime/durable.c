#include "durable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

static bool
write_all(int fd, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, data, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		data += n;
		size -= (size_t)n;
	}
	return true;
}

int
durable_write(int dir_fd, const char *name, const void *data, size_t size)
{
	char temporary[64];
	snprintf(temporary, sizeof(temporary), "%s.tmp", name);
	int fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	bool ok = write_all(fd, data, size) && fsync(fd) == 0;
	int saved = errno;
	close(fd);
	if (ok && renameat(dir_fd, temporary, dir_fd, name) == 0)
		return fsync(dir_fd);
	if (ok)
		saved = errno;
	unlinkat(dir_fd, temporary, 0);
	errno = saved;
	return -1;
}

ssize_t
durable_read(int dir_fd, const char *name, void *buffer, size_t size)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -1;
	size_t have = 0;
	ssize_t n = 1;
	while (n > 0 && have < size) {
		n = read(fd, (char *)buffer + have, size - have);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			have += (size_t)n;
	}
	char extra;
	bool larger = n >= 0 && have == size && read(fd, &extra, 1) == 1;
	int saved = larger ? EFBIG : errno;
	close(fd);
	errno = saved;
	return n < 0 || larger ? -1 : (ssize_t)have;
}

uint64_t
durable_checksum(const void *data, size_t size)
{
	const unsigned char *bytes = data;
	uint64_t hash = UINT64_C(14695981039346656037);
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
	return hash;
}
