#include "health.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "metrics.h"
#include "obs_bounds.h"

#define PROBES_MAX 16

struct probe {
	const char *name;
	int (*check)(void *arg, struct err *err);
	void *arg;
};

struct health {
	struct MHD_Daemon *daemon; /* NULL without a server */
	struct metrics *metrics;
	pthread_mutex_t lock; /* guards the table, not the calls */
	size_t n;
	struct probe probes[PROBES_MAX];
};

/* Answers one path.  Returns the HTTP status and a malloc'd body, NULL when out of memory. */
struct page {
	const char *path, *content_type;
	unsigned (*render)(struct health *h, char **ret_body, size_t *ret_size);
};

static unsigned
render_metrics(struct health *h, char **ret_body, size_t *ret_size)
{
	*ret_body = metrics_text(h->metrics, ret_size);
	return MHD_HTTP_OK;
}

static unsigned
render_healthz(struct health *h, char **ret_body, size_t *ret_size)
{
	(void)h;
	*ret_body = strdup("ok\n");
	*ret_size = 3;
	return MHD_HTTP_OK;
}

static void
append_failure(json_t *failing, const char *name, const struct err *err)
{
	/* jansson takes UTF-8 only, and an error may quote anything. */
	json_t *message = json_string(err->text);

	json_array_append_new(
	    failing, json_pack("{s:s, s:s, s:o}", "name", name, "kind", err_row(err->kind)->name,
			 "message", message ? message : json_string("(not UTF-8)")));
}

static unsigned
render_readyz(struct health *h, char **ret_body, size_t *ret_size)
{
	struct probe probes[PROBES_MAX];
	json_t *failing = json_array();

	pthread_mutex_lock(&h->lock);
	size_t n = h->n;
	memcpy(probes, h->probes, sizeof(probes));
	pthread_mutex_unlock(&h->lock);
	for (size_t i = 0; i < n; i++) {
		struct err err = {0};
		if (probes[i].check(probes[i].arg, &err) < 0)
			append_failure(failing, probes[i].name, &err);
	}
	bool ready = json_array_size(failing) == 0;
	json_t *body = json_pack("{s:b, s:o}", "ready", ready, "failing", failing);
	*ret_body = body ? json_dumps(body, JSON_COMPACT) : NULL;
	*ret_size = *ret_body ? strlen(*ret_body) : 0;
	json_decref(body);
	return ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
}

static const struct page pages[] = {
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", render_metrics},
    {"/healthz", "text/plain; charset=utf-8", render_healthz},
    {"/readyz", "application/json", render_readyz},
};

static enum MHD_Result
reply(struct MHD_Connection *connection, unsigned status, const char *content_type, char *body,
    size_t size)
{
	struct MHD_Response *response =
	    MHD_create_response_from_buffer(size, body, MHD_RESPMEM_MUST_FREE);

	if (!response) {
		free(body);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	enum MHD_Result result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result
reply_text(struct MHD_Connection *connection, unsigned status, const char *text)
{
	char *body = strdup(text);

	return body ? reply(connection, status, "text/plain; charset=utf-8", body, strlen(body))
		    : MHD_NO;
}

static enum MHD_Result
answer(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
    const char *version, const char *upload, size_t *upload_size, void **state)
{
	struct health *h = arg;
	char *body = NULL;
	size_t size = 0;

	(void)version;
	(void)upload;
	(void)state;
	/* A body is of no use here: closing is shorter than reading it. */
	if (*upload_size)
		return MHD_NO;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return reply_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET or HEAD only\n");
	for (size_t i = 0; i < COUNT_OF(pages); i++) {
		if (strcmp(url, pages[i].path) != 0)
			continue;
		unsigned status = pages[i].render(h, &body, &size);
		if (!body)
			return MHD_NO;
		return reply(connection, status, pages[i].content_type, body, size);
	}
	return reply_text(connection, MHD_HTTP_NOT_FOUND, "/metrics, /healthz or /readyz\n");
}

static bool
is_port(const char *text)
{
	size_t digits = strspn(text, "0123456789");

	return digits >= 1 && digits <= 5 && !text[digits] && strtoul(text, NULL, 10) <= 65535;
}

/* "address:port" as a list from getaddrinfo. */
static int
resolve(const char *listen, struct addrinfo **ret_list, struct err *err)
{
	const struct addrinfo hints = {
	    .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	const char *colon = strrchr(listen, ':');
	char host[128];

	if (!colon || !is_port(colon + 1) || strlen(listen) >= sizeof(host))
		return err_set(err, ERR_INVALID, "\"%.80s\" is not address:port", listen);
	size_t length = (size_t)(colon - listen);
	const char *start = listen;
	if (length >= 2 && listen[0] == '[' && listen[length - 1] == ']') {
		start++;
		length -= 2;
	} else if (memchr(listen, ':', length)) {
		return err_set(
		    err, ERR_INVALID, "\"%.80s\": write [address]:port for IPv6", listen);
	}
	memcpy(host, start, length);
	host[length] = '\0';
	int status = getaddrinfo(length ? host : NULL, colon + 1, &hints, ret_list);
	if (status != 0)
		return err_set(err, ERR_INVALID, "\"%.80s\" is not address:port: %s", listen,
		    gai_strerror(status));
	return 0;
}

static int
listen_on(struct health *h, const char *listen, struct err *err)
{
	struct addrinfo *list = NULL;

	if (resolve(listen, &list, err) < 0)
		return -1;
	assert(list);
	unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL;
	if (list->ai_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	errno = 0;
	h->daemon = MHD_start_daemon(flags, 0, NULL, NULL, answer, h, MHD_OPTION_SOCK_ADDR,
	    list->ai_addr, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
	    MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CONNECTION_SECONDS_MAX,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES_MAX, MHD_OPTION_END);
	int reason = errno;
	freeaddrinfo(list);
	if (!h->daemon)
		return err_set(err, ERR_UNAVAILABLE, "cannot listen on %.80s: %s", listen,
		    reason ? strerror(reason) : "refused");
	return 0;
}

int
health_start(
    const char *listen, struct metrics *metrics, struct health **ret_health, struct err *err)
{
	struct health *h = calloc(1, sizeof(*h));

	if (!h)
		return err_set(err, ERR_INTERNAL, "health server: no memory");
	h->metrics = metrics;
	pthread_mutex_init(&h->lock, NULL);
	if (listen[0] && strcmp(listen, "-") != 0 && listen_on(h, listen, err) < 0) {
		health_free(h);
		return -1;
	}
	*ret_health = h;
	return 0;
}

void
health_stop(struct health *h)
{
	if (h->daemon)
		MHD_stop_daemon(h->daemon);
	h->daemon = NULL;
}

void
health_free(struct health *h)
{
	if (!h)
		return;
	health_stop(h);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

int
health_add_probe(struct health *h, const char *name, int (*check)(void *arg, struct err *err),
    void *arg, struct err *err)
{
	int result = 0;

	pthread_mutex_lock(&h->lock);
	if (h->n < PROBES_MAX)
		h->probes[h->n++] = (struct probe){name, check, arg};
	else
		result =
		    err_set(err, ERR_LIMIT, "probe %s: %d probes is the most", name, PROBES_MAX);
	pthread_mutex_unlock(&h->lock);
	return result;
}

unsigned
health_port(const struct health *h)
{
	const union MHD_DaemonInfo *info =
	    h->daemon ? MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_BIND_PORT) : NULL;

	return info ? info->port : 0;
}
