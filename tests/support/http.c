#include "http.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define ANSWER_BYTES_MAX 65536

int
test_http_connect(unsigned port)
{
	const struct sockaddr_in address = {.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct timeval patience = {.tv_sec = 20};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

int
test_http(unsigned port, const char *method, const char *path, char *body, size_t size)
{
	char request[512], *answer = calloc(1, ANSWER_BYTES_MAX + 1);
	size_t used = 0;
	ssize_t n = -1;
	int fd = test_http_connect(port), status = -1;

	int length = snprintf(request, sizeof(request),
	    "%s %s HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n", method, path);
	if (answer && fd >= 0 && send(fd, request, (size_t)length, MSG_NOSIGNAL) == length)
		while (used < ANSWER_BYTES_MAX &&
		       (n = recv(fd, answer + used, ANSWER_BYTES_MAX - used, 0)) > 0)
			used += (size_t)n;
	if (fd >= 0)
		close(fd);
	if (used && sscanf(answer, "HTTP/1.1 %d", &status) == 1) {
		const char *end = strstr(answer, "\r\n\r\n");
		snprintf(body, size, "%s", end ? end + 4 : "");
	}
	free(answer);
	return status;
}
