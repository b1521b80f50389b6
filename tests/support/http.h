/* http: one small HTTP request to a port of this machine, for tests. */
#ifndef HTTP_H
#define HTTP_H

#include <stddef.h>

/* Connects to 127.0.0.1, -1 when refused. */
int test_http_connect(unsigned port);

/* Sends "METHOD path" and reads the answer to its end.  Returns the status, -1 when there was no
 * answer; body (cut to size) is NUL-terminated. */
int test_http(unsigned port, const char *method, const char *path, char *body, size_t size);

#endif
