/* agent_cp: a scripted control plane for one host over a real bus, and the real agent as a child.
 *
 * It answers hello, sync and heartbeats while it waits for something (cp_pump); tests change the
 * fields it answers from.  Only for tests that link wire and bus. */
#ifndef AGENT_CP_H
#define AGENT_CP_H

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena.h"
#include "bus.h"
#include "clock.h"
#include "codec.h"
#include "err.h"
#include "id.h"
#include "mailbox.h"
#include "nats_server.h"
#include "test.h"

#include "fairlead/v1/host.pb-c.h"

#define CP_HOST "h1"
#define CP_TERM (UINT64_C(1) << 40)
#define CP_ORDERS_MAX 256

struct cp_order {
	struct id id;
	uint64_t generation, host_seq;
	Fairlead__V1__Desired desired;
	char *argv[4];
	size_t argc;
	const char *driver, *script;
	uint32_t grace_ms, stop_on_host_after_ms;
	const char *restart; /* policy, NULL: none */
	bool fresh;          /* the newest of its id */
};

struct cp {
	struct nats_server *server;
	struct bus *bus;
	struct bus_sub *requests, *heartbeats, *reports;
	struct mailbox *in;
	struct arena *arena;
	/* answers */
	Fairlead__V1__HelloVerdict verdict;
	uint64_t epoch, host_seq, floor;
	bool mute; /* answers nothing */
	struct cp_order orders[CP_ORDERS_MAX];
	size_t order_count;
	/* what was seen */
	unsigned hellos, syncs, heartbeats_seen, reports_seen;
	int64_t heartbeat_us, heartbeat_gap_us; /* the newest; the longest pause between two */
	uint64_t start_no;
	struct id journal_id;
	Fairlead__V1__Hello *hello; /* newest; dies with the next pump */
	struct {
		struct id id;
		Fairlead__V1__ExecutorState state;
		uint64_t accepted, gone;
		uint32_t incarnation;
		int exit_code;
		bool started;
		char reason[64];
	} rows[CP_ORDERS_MAX];
	size_t row_count;
};

static void
cp_on_message(void *arg, const struct bus_msg *m)
{
	struct cp *cp = arg;
	struct bus_msg *copy = bus_msg_copy(m);
	struct err err;

	if (copy && mailbox_put(cp->in, copy, &err) < 0)
		bus_msg_free(copy);
}

static void
cp_drop(void *item)
{
	bus_msg_free(item);
}

static UNUSED void
cp_connect(struct cp *cp)
{
	static const struct bus_stream streams[] = {
	    {.name = "FL_COMMANDS",
		.subjects = {"fl.cmd.*"},
		.republish_source = "fl.cmd.*",
		.republish_destination = "fl.live.{{wildcard(1)}}"},
	    {.name = "FL_REPORTS", .subjects = {"fl.rpt.*"}},
	};
	struct bus_options options = {.servers = nats_server_url(cp->server), .name = "cp"};
	struct err err;

	assert_int_equal(bus_nats_new(&options, &cp->bus, &err), 0);
	assert_int_equal(bus_wait_connected(cp->bus, 10000, &err), 0);
	for (size_t i = 0; i < COUNT_OF(streams); i++)
		if (bus_stream_ensure(cp->bus, &streams[i], 1, &err) < 0)
			fail_msg("%s", err.text);
	assert_int_equal(
	    bus_subscribe(cp->bus, "fl.req.*.*", NULL, 0, cp_on_message, cp, &cp->requests, &err),
	    0);
	assert_int_equal(
	    bus_subscribe(cp->bus, "fl.hb.*", NULL, 0, cp_on_message, cp, &cp->heartbeats, &err),
	    0);
	assert_int_equal(
	    bus_subscribe(cp->bus, "fl.rpt.*", NULL, 0, cp_on_message, cp, &cp->reports, &err), 0);
	assert_int_equal(bus_flush(cp->bus, 5000, &err), 0);
}

static UNUSED void
cp_init(struct cp *cp)
{
	memset(cp, 0, sizeof(*cp));
	cp->in = mailbox_new(65536, cp_drop);
	cp->arena = arena_new(0);
	cp->verdict = FAIRLEAD__V1__HELLO_VERDICT__HELLO_ACCEPTED;
	cp->epoch = cp->host_seq = cp->floor = CP_TERM;
	cp->server = nats_server_new(NULL);
	assert_non_null(cp->server);
}

static UNUSED void
cp_disconnect(struct cp *cp)
{
	bus_unsubscribe(cp->requests);
	bus_unsubscribe(cp->heartbeats);
	bus_unsubscribe(cp->reports);
	cp->requests = cp->heartbeats = cp->reports = NULL;
	bus_free(cp->bus);
	cp->bus = NULL;
}

static UNUSED void
cp_done(struct cp *cp)
{
	if (cp->bus)
		cp_disconnect(cp);
	mailbox_free(cp->in);
	arena_free(cp->arena);
	nats_server_free(cp->server);
}

static void
cp_publish(struct cp *cp, const char *subject, const char *kind, const ProtobufCMessage *m, bool js)
{
	struct bus_header headers[] = {
	    {"Content-Type", wire_content_type(m->descriptor, WIRE_PROTOBUF, cp->arena)},
	    {"Fl-Kind", kind}};
	struct bus_out out = {.subject = subject, .headers = headers, .header_count = 2};
	struct bus_ack ack;
	struct err err;
	void *data = NULL;

	assert_int_equal(wire_encode(m, WIRE_PROTOBUF, cp->arena, &data, &out.size, &err), 0);
	out.data = data;
	if (js)
		assert_int_equal(bus_js_publish(cp->bus, &out, 5000, &ack, &err), 0);
	else
		assert_int_equal(bus_publish(cp->bus, &out, &err), 0);
}

static ProtobufCMessage *
cp_decode(struct cp *cp, const struct bus_msg *m, const ProtobufCMessageDescriptor *d)
{
	ProtobufCMessage *message = NULL;
	struct err err;

	if (wire_decode(
		d, WIRE_PROTOBUF, bus_msg_data(m), bus_msg_size(m), cp->arena, &message, &err) < 0)
		fail_msg("%s: %s", bus_msg_subject(m), err.text);
	return message;
}

static void
cp_on_hello(struct cp *cp, const struct bus_msg *m)
{
	Fairlead__V1__Hello *q =
	    (Fairlead__V1__Hello *)cp_decode(cp, m, &fairlead__v1__hello__descriptor);
	Fairlead__V1__HelloAnswer a = FAIRLEAD__V1__HELLO_ANSWER__INIT;

	cp->hello = q;
	cp->hellos++;
	if (cp->mute)
		return;
	if (q->start_no != cp->start_no)
		cp->epoch++;
	cp->start_no = q->start_no;
	memcpy(cp->journal_id.bytes, q->journal_id.data, ID_BYTES);
	a.verdict = cp->verdict;
	a.epoch = cp->epoch;
	a.hello_no = q->hello_no;
	a.nonce_id = q->nonce_id;
	a.cp_now_us = clock_real_us(clock_system());
	a.journal_floor = cp->floor;
	cp_publish(cp, bus_msg_reply(m), "hello", &a.base, false);
}

static Fairlead__V1__CommandItem *
cp_item(struct cp *cp, struct cp_order *o)
{
	Fairlead__V1__CommandItem *item = arena_alloc(cp->arena, sizeof(*item));
	Fairlead__V1__ExecutorSpec *spec = arena_alloc(cp->arena, sizeof(*spec));

	fairlead__v1__command_item__init(item);
	fairlead__v1__executor_spec__init(spec);
	item->executor_id = (ProtobufCBinaryData){ID_BYTES, o->id.bytes};
	item->generation = o->generation;
	item->desired = o->desired;
	item->host_seq = o->host_seq;
	item->stop_grace_ms = o->grace_ms;
	item->name = (char *)(uintptr_t)"web/0";
	spec->driver = (char *)(uintptr_t)o->driver;
	spec->command = o->argv;
	spec->n_command = o->argc;
	spec->stop_grace_ms = 2000;
	if (o->script)
		spec->fake_script = (char *)(uintptr_t)o->script;
	spec->stop_on_host_after_ms = o->stop_on_host_after_ms;
	if (o->restart) {
		spec->restart = arena_alloc(cp->arena, sizeof(*spec->restart));
		fairlead__v1__restart_policy__init(spec->restart);
		spec->restart->policy = (char *)(uintptr_t)o->restart;
		spec->restart->backoff_ms = 100;
		spec->restart->backoff_max_ms = 400;
	}
	if (o->desired == FAIRLEAD__V1__DESIRED__RUN)
		item->spec = spec;
	return item;
}

static void
cp_on_sync(struct cp *cp, const struct bus_msg *m)
{
	Fairlead__V1__SyncRequest *q =
	    (Fairlead__V1__SyncRequest *)cp_decode(cp, m, &fairlead__v1__sync_request__descriptor);
	Fairlead__V1__SyncAnswer a = FAIRLEAD__V1__SYNC_ANSWER__INIT;
	Fairlead__V1__CommandItem *items[CP_ORDERS_MAX];

	cp->syncs++;
	if (cp->mute)
		return;
	a.verdict = q->epoch == cp->epoch ? FAIRLEAD__V1__SYNC_VERDICT__SYNC_PAGE
					  : FAIRLEAD__V1__SYNC_VERDICT__SYNC_HELLO_REQUIRED;
	a.nonce_id = q->nonce_id;
	a.cp_now_us = clock_real_us(clock_system());
	a.as_of_seq = cp->host_seq;
	a.items = items;
	for (size_t i = 0; i < cp->order_count; i++)
		if (cp->orders[i].fresh && cp->orders[i].host_seq > q->contiguous_seq)
			items[a.n_items++] = cp_item(cp, &cp->orders[i]);
	a.last = true;
	cp_publish(cp, bus_msg_reply(m), "sync", &a.base, false);
}

static void
cp_on_heartbeat(struct cp *cp, const struct bus_msg *m)
{
	Fairlead__V1__Heartbeat *q =
	    (Fairlead__V1__Heartbeat *)cp_decode(cp, m, &fairlead__v1__heartbeat__descriptor);
	Fairlead__V1__HeartbeatAnswer a = FAIRLEAD__V1__HEARTBEAT_ANSWER__INIT;

	int64_t now_us = clock_mono_us(clock_system());

	if (cp->heartbeat_us > 0 && now_us - cp->heartbeat_us > cp->heartbeat_gap_us)
		cp->heartbeat_gap_us = now_us - cp->heartbeat_us;
	cp->heartbeat_us = now_us;
	cp->heartbeats_seen++;
	if (cp->mute)
		return;
	a.verdict = q->epoch == cp->epoch
			? FAIRLEAD__V1__HEARTBEAT_VERDICT__HEARTBEAT_OK
			: FAIRLEAD__V1__HEARTBEAT_VERDICT__HEARTBEAT_HELLO_REQUIRED;
	a.nonce_id = q->nonce_id;
	a.epoch = cp->epoch;
	a.host_seq = cp->host_seq;
	a.cp_now_us = clock_real_us(clock_system());
	cp_publish(cp, "fl.live." CP_HOST, "heartbeat", &a.base, false);
}

/* Index of the row of an executor, made when missing. */
static UNUSED size_t
cp_row(struct cp *cp, const struct id *id)
{
	for (size_t i = 0; i < cp->row_count; i++)
		if (id_equal(&cp->rows[i].id, id))
			return i;
	assert_true(cp->row_count < CP_ORDERS_MAX);
	cp->rows[cp->row_count].id = *id;
	return cp->row_count++;
}

/* K14 for one host. */
static void
cp_on_report(struct cp *cp, const struct bus_msg *m)
{
	Fairlead__V1__Report *q =
	    (Fairlead__V1__Report *)cp_decode(cp, m, &fairlead__v1__report__descriptor);

	cp->reports_seen++;
	for (size_t i = 0; i < q->n_executors; i++) {
		const Fairlead__V1__ExecutorReport *n = q->executors[i];
		struct id id;
		size_t at;

		memcpy(id.bytes, n->executor_id.data, ID_BYTES);
		at = cp_row(cp, &id);
		if (cp->rows[at].state < 90 && (n->incarnation > cp->rows[at].incarnation ||
						   (int)n->state > (int)cp->rows[at].state)) {
			cp->rows[at].state = n->state;
			cp->rows[at].incarnation = n->incarnation;
			cp->rows[at].exit_code = n->exit_code;
			cp->rows[at].started = n->started;
			snprintf(cp->rows[at].reason, sizeof(cp->rows[at].reason), "%s", n->reason);
		}
		if (n->accepted_generation > cp->rows[at].accepted)
			cp->rows[at].accepted = n->accepted_generation;
		if (n->gone_generation > cp->rows[at].gone)
			cp->rows[at].gone = n->gone_generation;
	}
}

/* Handles everything that arrives within timeout_ms; returns after the first message. */
static UNUSED bool
cp_pump(struct cp *cp, int timeout_ms)
{
	struct bus_msg *m = mailbox_get_wait(cp->in, timeout_ms);
	const char *subject;

	if (!m)
		return false;
	arena_reset(cp->arena);
	cp->hello = NULL;
	subject = bus_msg_subject(m);
	if (strncmp(subject, "fl.hb.", 6) == 0)
		cp_on_heartbeat(cp, m);
	else if (strncmp(subject, "fl.rpt.", 7) == 0)
		cp_on_report(cp, m);
	else if (strstr(subject, ".hello"))
		cp_on_hello(cp, m);
	else
		cp_on_sync(cp, m);
	bus_msg_free(m);
	return true;
}

/* Pumps until done(cp, arg) or timeout_ms. */
static UNUSED bool
cp_wait(struct cp *cp, bool (*done)(struct cp *cp, void *arg), void *arg, int timeout_ms)
{
	int64_t end = clock_mono_us(clock_system()) + timeout_ms * MS_US;

	while (!done(cp, arg)) {
		if (clock_mono_us(clock_system()) > end)
			return false;
		(void)cp_pump(cp, 20);
	}
	return true;
}

/* Writes an order; publish false: only a sync will bring it. */
static UNUSED struct cp_order *
cp_order(struct cp *cp, struct id id, Fairlead__V1__Desired desired, const char *shell)
{
	struct cp_order *o = &cp->orders[cp->order_count];

	assert_true(cp->order_count < CP_ORDERS_MAX);
	memset(o, 0, sizeof(*o));
	for (size_t i = 0; i < cp->order_count; i++) {
		if (!id_equal(&cp->orders[i].id, &id))
			continue;
		cp->orders[i].fresh = false;
		o->generation = cp->orders[i].generation;
	}
	cp->order_count++;
	o->id = id;
	o->generation = (o->generation ? o->generation : CP_TERM) + 1;
	o->host_seq = ++cp->host_seq;
	o->desired = desired;
	o->driver = "process";
	o->grace_ms = 2000;
	o->fresh = true;
	o->argv[0] = (char *)(uintptr_t)"/bin/sh";
	o->argv[1] = (char *)(uintptr_t)"-c";
	o->argv[2] = (char *)(uintptr_t)shell;
	o->argc = 3;
	return o;
}

static UNUSED void
cp_send(struct cp *cp, struct cp_order **orders, size_t n)
{
	Fairlead__V1__Command m = FAIRLEAD__V1__COMMAND__INIT;
	Fairlead__V1__CommandItem *items[64];

	arena_reset(cp->arena);
	for (size_t i = 0; i < n; i++)
		items[i] = cp_item(cp, orders[i]);
	m.host_id = (char *)(uintptr_t)CP_HOST;
	m.journal_id = (ProtobufCBinaryData){ID_BYTES, cp->journal_id.bytes};
	m.host_seq = orders[n - 1]->host_seq;
	m.items = items;
	m.n_items = n;
	cp_publish(cp, "fl.cmd." CP_HOST, "command", &m.base, true);
}

static UNUSED void
cp_send_one(struct cp *cp, struct cp_order *order)
{
	cp_send(cp, &order, 1);
}

/* ---- conditions for cp_wait ---- */

struct cp_expect {
	struct id id;
	int state; /* at least this rank's code, or this end */
	uint64_t gone;
};

static UNUSED bool
cp_has_state(struct cp *cp, void *arg)
{
	const struct cp_expect *x = arg;

	return (int)cp->rows[cp_row(cp, &x->id)].state == x->state;
}

static UNUSED bool
cp_is_gone(struct cp *cp, void *arg)
{
	const struct cp_expect *x = arg;

	return cp->rows[cp_row(cp, &x->id)].gone >= x->gone;
}

static UNUSED bool
cp_heard_hellos(struct cp *cp, void *arg)
{
	return cp->hellos >= *(unsigned *)arg;
}

static UNUSED bool
cp_heard_heartbeats(struct cp *cp, void *arg)
{
	return cp->heartbeats_seen >= *(unsigned *)arg;
}

/* ---- the agent as a child ---- */

struct cp_agent {
	pid_t pid;
	char state_dir[64], log[96];
};

static UNUSED void
cp_agent_init(struct cp_agent *a)
{
	memset(a, 0, sizeof(*a));
	snprintf(a->state_dir, sizeof(a->state_dir), "/tmp/fl-agent-XXXXXX");
	assert_non_null(mkdtemp(a->state_dir));
	snprintf(a->log, sizeof(a->log), "%s/agent.log", a->state_dir);
}

/* more: further "--flag=value" arguments, NULL-terminated, at most 8. */
static UNUSED void
cp_agent_start(struct cp_agent *a, const struct cp *cp, const char *const *more)
{
	char servers[128], state_dir[96];
	const char *argv[20] = {FL_BIN_DIR "/fairlead-agent", servers, state_dir,
	    "--host-id=" CP_HOST, "--cgroup=none", "--enable-fake", "--heartbeat-interval=500ms"};
	size_t n = 7;

	snprintf(servers, sizeof(servers), "--nats-servers=%s", nats_server_url(cp->server));
	snprintf(state_dir, sizeof(state_dir), "--state-dir=%s", a->state_dir);
	for (; more && *more; more++)
		argv[n++] = *more;
	a->pid = fork();
	assert_true(a->pid >= 0);
	if (a->pid == 0) {
		int fd = open(a->log, O_WRONLY | O_CREAT | O_APPEND, 0644);

		if (fd >= 0)
			dup2(fd, STDERR_FILENO);
		execv(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
}

static UNUSED int
cp_agent_wait(struct cp_agent *a, int timeout_ms)
{
	int64_t end = clock_mono_us(clock_system()) + timeout_ms * MS_US;
	int status = 0;

	while (waitpid(a->pid, &status, WNOHANG) == 0) {
		if (clock_mono_us(clock_system()) > end) {
			kill(a->pid, SIGKILL);
			waitpid(a->pid, &status, 0);
			a->pid = 0;
			return -1;
		}
		usleep(5000);
	}
	a->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static UNUSED int
cp_agent_signal(struct cp_agent *a, int signal_no)
{
	kill(a->pid, signal_no);
	return cp_agent_wait(a, 15000);
}

/* Ends the agent, its shims and their executors, and removes the state. */
static UNUSED void
cp_agent_done(struct cp_agent *a)
{
	char command[160];

	if (a->pid > 0)
		(void)cp_agent_signal(a, SIGKILL);
	snprintf(command, sizeof(command), "rm -rf %s", a->state_dir);
	(void)!system(command); /* NOLINT(cert-env33-c): also included where that is checked */
}

#endif
