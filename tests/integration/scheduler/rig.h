/* rig: real scheduler processes on a private bus and a private Postgres, and hosts that are played
 * by the test: they hear commands on fl.live.* and report through the store, as a hub would. */
#ifndef SCHEDULER_RIG_H
#define SCHEDULER_RIG_H

#include <pthread.h>
#include <sys/types.h>

#include "test.h"

#include "arena.h"
#include "bus.h"
#include "err.h"
#include "nats_server.h"
#include "postgres_server.h"
#include "store.h"
#include "wait.h"

#define RIG_HEARD_MAX 16384
#define RIG_SCHEDULERS_MAX 2
#define PATIENCE_MS 30000

/* One item of one command message, as a host heard it. */
struct heard {
	struct id executor_id;
	char host_id[64];
	uint64_t generation, host_seq;
	enum desired_state desired;
	uint32_t grace_ms;
	bool answered;
};

struct rig {
	struct postgres_server *postgres;
	struct nats_server *nats;
	char url[256]; /* of this test's database */
	struct store *store;
	struct bus *bus;
	struct bus_sub *sub;
	struct arena *arena;
	struct err err;
	pid_t schedulers[RIG_SCHEDULERS_MAX];
	pthread_mutex_t lock;
	struct heard heard[RIG_HEARD_MAX];
	size_t heard_count;
	struct id journal_id;
};

int rig_group_setup(void **state);
int rig_group_teardown(void **state);
/* A fresh database and wiped streams; *state is the rig. */
int rig_setup(void **state);
/* Kills what still runs. */
int rig_teardown(void **state);

/* Environment of the scheduler is the common one plus `more` ("K=V", NULL-terminated; NULL: none).
 */
void scheduler_start(struct rig *r, int n, const char *const *more);
void scheduler_signal(struct rig *r, int n, int signal);
/* Waits for its end; the exit status. */
int scheduler_wait(struct rig *r, int n);
bool scheduler_runs(struct rig *r, int n);

void host_make(struct rig *r, const char *host_id, struct resources capacity);
/* A host as it says hello when nothing else is said: change what matters, then host_hello. */
struct store_hello hello_of(struct rig *r, const char *host_id, struct resources capacity);
void host_hello(struct rig *r, const struct store_hello *hello);
/* The same for sessions. */
struct store_session_new session_of(
    struct rig *r, const char *name, uint32_t replicas, uint32_t accept_timeout_ms);
struct id session_declare(struct rig *r, const struct store_session_new *n);
void session_make(struct rig *r, const char *name, uint32_t replicas, uint32_t accept_timeout_ms);
void nudge(struct rig *r);
/* What people would call the answer: the first column of the first row. */
long query(struct rig *r, const char *sql);
/* Waits until the query answers `wanted`; fails the test with both numbers. */
void eventually(struct rig *r, const char *sql, long wanted, int timeout_ms);
/* Hosts do what they were told and did not do yet: RUN -> running (rejected on a host whose name
 * begins with "reject"; hosts called "mute..." say nothing), STOP -> stopped, ABSENT -> gone.
 * Returns how many items were answered. */
size_t hosts_answer(struct rig *r);
/* Items heard of this kind. */
size_t heard_of(struct rig *r, enum desired_state desired);
/* No invariant is violated. */
void verify_clean(struct rig *r);

#endif
