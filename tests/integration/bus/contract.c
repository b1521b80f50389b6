#include "contract.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "nats_server.h"
#include "wait.h"

static struct nats_server *server;

void
on_message(void *arg, const struct bus_msg *m)
{
	struct inbox *in = arg;
	struct err err;

	pthread_mutex_lock(&in->lock);
	if (in->n < INBOX_MAX)
		in->msgs[in->n++] = bus_msg_copy(m);
	pthread_mutex_unlock(&in->lock);
	if (in->answer_on) {
		struct bus_out out = {.data = bus_msg_data(m), .size = bus_msg_size(m)};

		assert_ok(bus_respond(in->answer_on, m, &out, &err));
	}
}

size_t
inbox_count(struct inbox *in)
{
	pthread_mutex_lock(&in->lock);
	size_t n = in->n;
	pthread_mutex_unlock(&in->lock);
	return n;
}

static bool
has_enough(void *arg)
{
	struct inbox *in = arg;

	return inbox_count(in) >= in->want;
}

void
inbox_wait(struct inbox *in, size_t n)
{
	in->want = n;
	if (!test_wait_until(has_enough, in, WAIT_MS))
		fail_msg("%zu messages instead of %zu", inbox_count(in), n);
}

void
inbox_done(struct inbox *in)
{
	for (size_t i = 0; i < in->n; i++)
		bus_msg_free(in->msgs[i]);
	pthread_mutex_destroy(&in->lock);
}

void
publish(struct rig *rig, const char *subject, const char *text)
{
	struct bus_out out = {.subject = subject, .data = text, .size = strlen(text)};
	struct err err;

	assert_ok(bus_publish(rig->bus, &out, &err));
}

void
assert_text(const struct bus_msg *m, const char *text)
{
	assert_int_equal(bus_msg_size(m), strlen(text));
	assert_memory_equal(bus_msg_data(m), text, strlen(text));
}

void
barrier(struct rig *rig)
{
	struct inbox in = INBOX;
	struct bus_sub *sub;
	struct err err;
	char subject[200];

	bus_new_inbox(rig->bus, subject, sizeof(subject));
	assert_ok(bus_subscribe(rig->bus, subject, NULL, 0, on_message, &in, &sub, &err));
	publish(rig, subject, "barrier");
	inbox_wait(&in, 1);
	bus_unsubscribe(sub);
	inbox_done(&in);
}

void
ensure(struct rig *rig, const struct bus_stream *s)
{
	struct err err;

	assert_ok(bus_stream_ensure(rig->bus, s, 0, &err));
}

struct bus_ack
store(struct rig *rig, const char *subject, const char *text, const char *msg_id)
{
	struct bus_out out = {
	    .subject = subject, .data = text, .size = strlen(text), .msg_id = msg_id};
	struct bus_ack ack;
	struct err err;

	assert_ok(bus_js_publish(rig->bus, &out, WAIT_MS, &ack, &err));
	return ack;
}

size_t
fetch(struct bus_pull *p, unsigned max, int timeout_ms, struct bus_msg **msgs)
{
	size_t n = 0;
	struct err err;

	assert_ok(bus_pull_fetch(p, max, timeout_ms, msgs, &n, &err));
	return n;
}

struct bus_msg *
fetch_one(struct bus_pull *p)
{
	struct bus_msg *m = NULL;

	assert_int_equal(fetch(p, 1, WAIT_MS, &m), 1);
	return m;
}

void
drop(struct rig *rig, const char *stream)
{
	struct err err;

	assert_ok(bus_stream_delete(rig->bus, stream, &err));
}

void
wipe(struct rig *rig)
{
	struct err err;

	if (rig->memory) {
		bus_memory_wipe(rig->bus);
		return;
	}
	nats_server_stop(server);
	nats_server_wipe(server);
	assert_int_equal(nats_server_start(server), 0);
	assert_ok(bus_wait_connected(rig->bus, WAIT_MS, &err));
}

int
setup_memory(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	rig->memory = true;
	rig->bus = bus_memory_new(clock_system(), false);
	*state = rig;
	return rig->bus ? 0 : -1;
}

int
setup_nats(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct bus_options options = {.servers = nats_server_url(server), .name = "contract"};
	struct err err;

	*state = rig;
	if (bus_nats_new(&options, &rig->bus, &err) == 0 &&
	    bus_wait_connected(rig->bus, WAIT_MS, &err) == 0)
		return 0;
	print_error("%s\n", err.text);
	return -1;
}

int
teardown(void **state)
{
	struct rig *rig = *state;

	bus_free(rig->bus);
	free(rig);
	return 0;
}

int
start_server(void **state)
{
	(void)state;
	server = nats_server_new(NULL);
	return 0;
}

int
stop_server(void **state)
{
	(void)state;
	nats_server_free(server);
	return 0;
}
