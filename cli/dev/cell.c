#include "cell.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena.h"
#include "clock.h"
#include "err.h"
#include "store.h"

#define READY_TIMEOUT_US (60 * SECOND_US)
#define READY_STEP_MS 50
#define CALL_TIMEOUT_MS 75000 /* beyond their own --timeout */
#define STOP_TIMEOUT_MS 15000
#define RESTART_FIRST_MS 200
#define RESTART_MAX_MS 5000

static int
directory_make(const char *path, struct err *err)
{
	if (mkdir(path, 0755) != 0 && errno != EEXIST)
		return err_set(err, ERR_INTERNAL, "%s: %s", path, strerror(errno));
	return 0;
}

static int
directories_make(struct cell *c, struct err *err)
{
	static const char *const below[] = {"/log", "/agents", "/hold"};
	char path[320];

	for (size_t i = 0; i < COUNT_OF(below); i++) {
		snprintf(path, sizeof(path), "%s%s", c->data, below[i]);
		if (directory_make(path, err) != 0)
			return -1;
	}
	return 0;
}

/* ---- the children ---- */

static void
log_path(const struct cell *c, const char *name, char *buffer, size_t size)
{
	snprintf(buffer, size, "%s/log/%s.log", c->data, name);
}

static struct child *
child_new(struct cell *c)
{
	return &c->children[c->child_count++];
}

static void
service_children(struct cell *c, const char *service, unsigned count)
{
	for (unsigned i = 1; i <= count; i++) {
		struct child *child = child_new(c);
		char name[CHILD_NAME_BYTES];

		snprintf(name, sizeof(name), "%s-%u", service, i);
		child_init(child, name, SIGTERM);
		child_arg(child, "%s/fairlead-%s", c->bin, service);
		child_arg(child, "--nats-servers=%s", c->nats_url);
		child_arg(child, "--database-url=%s", c->database_url);
		child_arg(child, "--instance=%s", name);
	}
}

static void
agent_children(struct cell *c)
{
	for (unsigned i = 1; i <= c->agents; i++) {
		struct child *child = child_new(c);
		char name[CHILD_NAME_BYTES];

		snprintf(name, sizeof(name), "dev-%u", i);
		child_init(child, name, SIGTERM);
		child_arg(child, "%s/fairlead-agent", c->bin);
		child_arg(child, "--nats-servers=%s", c->nats_url);
		child_arg(child, "--host-id=%s", name);
		child_arg(child, "--state-dir=%s/agents/%s", c->data, name);
		child_arg(child, "--stop-executors-on-exit");
	}
}

/* Whoever wants a part of the cell away for a while says so with a file of its name. */
static bool
held(const struct cell *c, const struct child *child)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/hold/%s", c->data, child->name);
	return access(path, F_OK) == 0;
}

static int
start_from(struct cell *c, unsigned first, struct err *err)
{
	char log[400];

	for (unsigned i = first; i < c->child_count; i++) {
		if (held(c, &c->children[i])) {
			c->children[i].restart_at_us = clock_mono_us(clock_system());
			continue;
		}
		log_path(c, c->children[i].name, log, sizeof(log));
		if (child_start(&c->children[i], log, err) != 0)
			return -1;
	}
	return 0;
}

/* ---- one-shots of our own CLI ---- */

static int
call(struct cell *c, const char *name, const char *const *words, struct err *err)
{
	char log[400];
	struct child child;
	int r;

	log_path(c, name, log, sizeof(log));
	child_init(&child, name, SIGTERM);
	child_arg(&child, "%s/fairlead", c->bin);
	for (size_t i = 0; words[i]; i++)
		child_arg(&child, "%s", words[i]);
	child_arg(&child, "--server=%s", c->nats_url);
	r = child_run(&child, log, CALL_TIMEOUT_MS, err);
	child_done(&child);
	return r;
}

static int
prepare(struct cell *c, struct err *err)
{
	char url[200];
	const char *const migrate[] = {"admin", "migrate", url, "--timeout=15s", NULL};
	/* A new cluster may need several elections of up to 9 s each. */
	const char *const bus_init[] = {"admin", "bus-init", "--timeout=60s", NULL};

	snprintf(url, sizeof(url), "--database-url=%s", c->database_url);
	if (call(c, "migrate", migrate, err) != 0)
		return -1;
	return call(c, "bus-init", bus_init, err);
}

static const struct child *
child_named(const struct cell *c, const char *name)
{
	for (unsigned i = 0; i < c->child_count; i++) {
		if (strcmp(c->children[i].name, name) == 0)
			return &c->children[i];
	}
	return NULL;
}

/* 0: the row is not there yet.  Each start of an agent raises it. */
static int
epoch_get(struct store *s, const char *host, uint64_t *ret, struct err *err)
{
	CLEANUP(arena_free) struct arena *a = arena_new(0);
	struct store_host row;

	*ret = 0;
	if (!a)
		return err_set(err, ERR_INTERNAL, "no memory");
	if (store_host_get(s, host, a, &row, err) == 0)
		*ret = row.epoch;
	else if (err->kind != ERR_NOT_FOUND)
		return -1;
	return 0;
}

static const char *
host_name(unsigned i, char buffer[CHILD_NAME_BYTES])
{
	snprintf(buffer, CHILD_NAME_BYTES, "dev-%u", i + 1);
	return buffer;
}

/* What old data say of the agents that are about to start. */
static int
epochs_read(struct cell *c, struct store *s, struct err *err)
{
	char host[CHILD_NAME_BYTES];

	for (unsigned i = 0; i < c->agents; i++) {
		if (epoch_get(s, host_name(i, host), &c->epochs[i], err) != 0)
			return -1;
	}
	return 0;
}

static bool
host_ready(struct cell *c, struct store *s, unsigned i, const char *host, struct err *err)
{
	const char *const show[] = {"host", "show", host, "--timeout=2s", NULL};
	uint64_t epoch;

	return call(c, "ready", show, err) == 0 && epoch_get(s, host, &epoch, err) == 0 &&
	       epoch > c->epochs[i];
}

/* The API answers, and every agent has said hello since it was started: a row alone may be old. */
static int
wait_ready(struct cell *c, struct store *s, struct err *err)
{
	int64_t deadline = clock_mono_us(clock_system()) + READY_TIMEOUT_US;
	char host[CHILD_NAME_BYTES];

	for (unsigned i = 0; i < c->agents; i++) {
		if (held(c, child_named(c, host_name(i, host))))
			continue;
		while (!host_ready(c, s, i, host, err)) {
			if (clock_mono_us(clock_system()) > deadline)
				return err_set(err, ERR_TIMEOUT, "host %s is not ready; see %s/log",
				    host, c->data);
			cell_tend(c);
			poll(NULL, 0, READY_STEP_MS);
		}
	}
	return 0;
}

static int
services_start(struct cell *c, struct err *err)
{
	const struct store_options o = {.url = c->database_url, .application = "fairlead-dev"};
	CLEANUP(store_free) struct store *s = NULL;

	if (store_pg_new(&o, &s, err) != 0 || epochs_read(c, s, err) != 0)
		return -1;
	service_children(c, "hub", c->hubs);
	service_children(c, "scheduler", c->schedulers);
	agent_children(c);
	if (start_from(c, c->infrastructure, err) != 0)
		return -1;
	return wait_ready(c, s, err);
}

int
cell_start(struct cell *c, struct err *err)
{
	if (directory_make(c->data, err) != 0 || cell_lock(c, err) != 0 ||
	    directories_make(c, err) != 0 || cell_bus_configure(c, err) != 0 ||
	    cell_postgres_init(c, err) != 0)
		return -1;
	for (unsigned i = 0; i < c->bus_servers; i++)
		cell_bus_child(c, i, child_new(c));
	if (cell_postgres_child(c, child_new(c), err) != 0)
		return -1;
	c->infrastructure = c->child_count;
	for (unsigned i = 0; i < c->infrastructure; i++)
		c->children[i].keeps_fd = c->servers_fd;
	if (start_from(c, 0, err) != 0 || prepare(c, err) != 0)
		return -1;
	return services_start(c, err);
}

void
cell_stop(struct cell *c)
{
	/* Agents and services of one kind stop together; the bus and the database after them. */
	for (unsigned i = c->child_count; i > c->infrastructure; i--) {
		child_ask_stop(&c->children[i - 1]);
	}
	for (unsigned i = c->child_count; i > 0; i--) {
		child_stop(&c->children[i - 1], STOP_TIMEOUT_MS);
		child_done(&c->children[i - 1]);
	}
	c->child_count = 0;
	if (*c->sockets)
		rmdir(c->sockets);
	cell_unlock(c);
}

static void
ended(struct child *child, int64_t now)
{
	int64_t pause_ms = RESTART_FIRST_MS;

	if (now - child->started_us > 10 * SECOND_US)
		child->restarts = 0;
	for (unsigned i = 0; i < child->restarts && pause_ms < RESTART_MAX_MS; i++)
		pause_ms *= 2;
	child->restarts++;
	child->restart_at_us = now + pause_ms * MS_US;
	fprintf(stderr, "fairlead dev: %s ended (%s %d), starts again\n", child->name,
	    WIFSIGNALED(child->status) ? "signal" : "exit",
	    WIFSIGNALED(child->status) ? WTERMSIG(child->status) : WEXITSTATUS(child->status));
}

void
cell_tend(struct cell *c)
{
	int64_t now = clock_mono_us(clock_system());
	struct err err = {0};
	char log[400];

	for (unsigned i = 0; i < c->child_count; i++) {
		struct child *child = &c->children[i];

		if (child->pid && waitpid(child->pid, &child->status, WNOHANG) == child->pid) {
			child->pid = 0;
			ended(child, now);
		}
		if (!child->pid && child->restart_at_us && child->restart_at_us <= now &&
		    !held(c, child)) {
			child->restart_at_us = 0;
			log_path(c, child->name, log, sizeof(log));
			if (child_start(child, log, &err) != 0)
				child->restart_at_us = now + RESTART_MAX_MS * MS_US;
		}
	}
}
