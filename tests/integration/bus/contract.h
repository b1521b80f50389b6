/* contract: one contract, two implementations: every test runs over memory and over a real server.
 */
#ifndef CONTRACT_H
#define CONTRACT_H

#include "test.h"

#include <pthread.h>
#include <stdatomic.h>

#include "bus.h"
#include "err.h"

#define WAIT_MS 10000
#define INBOX_MAX 600

struct rig {
	struct bus *bus;
	bool memory;
	atomic_uint since_changes;
};

#define assert_ok(call)                                                                            \
	do {                                                                                       \
		if (call)                                                                          \
			fail_msg("%s: %s", #call, err.text);                                       \
	} while (0)

struct inbox {
	pthread_mutex_t lock;
	struct bus_msg *msgs[INBOX_MAX];
	size_t n, want;
	struct bus *answer_on; /* NULL: do not answer */
};

void on_message(void *arg, const struct bus_msg *m);
size_t inbox_count(struct inbox *in);
void inbox_wait(struct inbox *in, size_t n);
void inbox_done(struct inbox *in);

#define INBOX {.lock = PTHREAD_MUTEX_INITIALIZER}

void publish(struct rig *rig, const char *subject, const char *text);
void assert_text(const struct bus_msg *m, const char *text);
/* Everything published before has been delivered when this one has. */
void barrier(struct rig *rig);
void ensure(struct rig *rig, const struct bus_stream *s);
struct bus_ack store(struct rig *rig, const char *subject, const char *text, const char *msg_id);
size_t fetch(struct bus_pull *p, unsigned max, int timeout_ms, struct bus_msg **msgs);
struct bus_msg *fetch_one(struct bus_pull *p);
void drop(struct rig *rig, const char *stream);
void wipe(struct rig *rig);
int setup_memory(void **state);
int setup_nats(void **state);
int teardown(void **state);
int start_server(void **state);
int stop_server(void **state);

#define BOTH(test)                                                                                 \
	{#test " (memory)", test, setup_memory, teardown, NULL},                                   \
	{                                                                                          \
		#test " (nats)", test, setup_nats, teardown, NULL                                  \
	}

#endif
