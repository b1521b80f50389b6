/* What may be said of a list of servers: urls may carry a user and a password. */
#include <string.h>

#include "bus.h"

/* Up to the next url. */
static size_t
url_length(const char *url)
{
	return strcspn(url, ", ");
}

char *
bus_servers_said(const char *servers, char *buffer, size_t size)
{
	size_t used = 0;

	for (const char *at = servers; *at && used + 1 < size;) {
		size_t n = url_length(at);
		const char *scheme = memmem(at, n, "://", 3);
		const char *host = scheme ? scheme + 3 : at;
		const char *credentials = memrchr(host, '@', n - (size_t)(host - at));

		for (const char *c = at; c < at + n && used + 1 < size; c++) {
			if (!credentials || c < host || c > credentials)
				buffer[used++] = *c;
		}
		at += n;
		while (*at && url_length(at) == 0 && used + 1 < size)
			buffer[used++] = *at++;
	}
	if (size > 0)
		buffer[used] = '\0';
	return buffer;
}
