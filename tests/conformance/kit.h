/* kit: plays the control plane of one host against one agent, over a private bus alone.
 *
 * A case starts the agent it was given (kit_start), lets the control plane answer while it waits
 * for something (kit_expect), and changes the fields it answers from.  What the agent did is read
 * from its messages, and from the lines that what it ran wrote into a file of its own (kit_runs).
 *
 * Threads:  one; messages wait in a mailbox until kit_pump.
 * Errors:   a case ends with a sentence and the rule it is about (cmocka's fail_msg). */
#ifndef KIT_H
#define KIT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "arena.h"
#include "bus.h"
#include "clock.h"
#include "codec.h"
#include "compiler.h"
#include "digest.h"
#include "err.h"
#include "fairlead/v1/host.pb-c.h"
#include "id.h"
#include "mailbox.h"
#include "nats_server.h"
#include "state.h"
#include "test.h"

#define KIT_TERM (UINT64_C(1) << 40)
#define KIT_ORDERS_MAX 256
#define KIT_SEEN_MAX 16384
#define KIT_PATH_BYTES 256
#define KIT_TEXT_BYTES 96
#define KIT_HEARTBEAT_MS 500

#define RUN FAIRLEAD__V1__DESIRED__RUN
#define STOP FAIRLEAD__V1__DESIRED__STOP
#define ABSENT FAIRLEAD__V1__DESIRED__ABSENT

struct kit_options {
	const char *agent; /* {servers} {host} {state} are filled in */
	const char *driver;
	unsigned revision; /* the newest that the control plane speaks */
	int patience_ms;
};

/* Desired state of one executor, as the control plane wrote it. */
struct kit_order {
	struct id id;
	uint64_t generation, host_seq;
	Fairlead__V1__Desired desired;
	int64_t deadline_us;
	uint32_t grace_ms, slots, stop_on_host_after_ms;
	const char *driver, *restart; /* restart NULL: no policy */
	char script[512];
	bool newest; /* of its executor: what a sync brings */
};

/* One executor in one report, in the order of arrival. */
struct kit_seen {
	struct id id;
	uint64_t accepted, gone, change_no;
	uint32_t incarnation;
	enum executor_state state;
	bool started;
	int exit_code, signal;
	char reason[KIT_TEXT_BYTES], msg_id[KIT_TEXT_BYTES];
};

/* A command as it went out, to be sent again. */
struct kit_sent {
	const void *data;
	size_t size;
	const char *content_type;
};

/* The newest of each question: a copy, the kit's own until the next one of its kind. */
struct kit_question {
	struct arena *arena;
	union {
		ProtobufCMessage *any;
		Fairlead__V1__Hello *hello;
		Fairlead__V1__SyncRequest *sync;
		Fairlead__V1__Heartbeat *heartbeat;
	} m;
	struct bus_msg *msg;
	unsigned count;
};

struct kit {
	const struct kit_options *options;
	struct nats_server *server;
	struct bus *bus;
	struct bus_sub *subs[3];
	struct mailbox *in;
	struct arena *arena;
	char host[32], dir[KIT_PATH_BYTES];
	pid_t agent; /* 0: not running */
	int exit_status;

	/* answers */
	Fairlead__V1__HelloVerdict verdict;
	bool mute_hello, mute_sync, mute_heartbeat;
	bool strange_heartbeat_nonce; /* answers echo what no heartbeat carried */
	bool hello_required;          /* by the next heartbeat's answer, until a hello comes */
	bool report_all;
	uint64_t epoch, ticket, host_seq, floor, as_of;
	int64_t cp_offset_us; /* control-plane time - this machine's */
	size_t page_items;
	struct kit_order orders[KIT_ORDERS_MAX];
	size_t order_count;
	const struct kit_order *absent, *unknown; /* said by the next hello answer; NULL: none */
	struct arena *sent_arena;
	struct kit_sent sent[KIT_ORDERS_MAX];
	size_t sent_count;

	/* what was seen */
	struct kit_question hello, sync, heartbeat;
	enum wire_encoding encoding;
	struct id journal_id, instance_id;
	uint64_t start_no;
	unsigned newest_said; /* the revision of the agent's first hello */
	unsigned accepted;    /* hellos answered so */
	struct kit_seen *seen;
	size_t seen_count;
	unsigned reports;
};

/* ---- kit.c: a case's life ---- */
/* Before anything else; borrowed. */
void kit_choose(const struct kit_options *options);
int kit_group_setup(void **state);
int kit_group_teardown(void **state);
int kit_setup(void **state);
int kit_teardown(void **state);
int64_t kit_deadline(const struct kit *k);
/* Handles the next message; false when the deadline has passed. */
bool kit_pump(struct kit *k, int64_t deadline_us);
void kit_fail(struct kit *k, const char *what, const char *condition);

/* Answers until the condition holds; the case fails with the sentence when the patience ends. */
#define kit_expect(k, what, condition)                                                             \
	do {                                                                                       \
		int64_t end_ = kit_deadline(k);                                                    \
		while (!(condition))                                                               \
			if (!kit_pump((k), end_))                                                  \
				kit_fail((k), what, #condition);                                   \
	} while (0)
#define kit_require(k, what, condition)                                                            \
	do {                                                                                       \
		if (!(condition))                                                                  \
			kit_fail((k), what, #condition);                                           \
	} while (0)

/* ---- kit_agent.c: the agent and what it runs ---- */
void kit_start(struct kit *k);
/* SIGKILL to the agent's process group; what it runs is in sessions of its own. */
void kit_kill(struct kit *k);
bool kit_exited(struct kit *k);
/* How often an executor was run, and whether its newest process lives. */
unsigned kit_runs(struct kit *k, const struct id *id);
bool kit_lives(struct kit *k, const struct id *id);
char *kit_file(struct kit *k, const struct id *id, const char *suffix, char path[KIT_PATH_BYTES]);
void kit_touch(struct kit *k, const struct id *id, const char *suffix);
bool kit_present(struct kit *k, const struct id *id, const char *suffix);
/* Ends every process that came from the agent. */
void kit_sweep(struct kit *k);
/* Calls visit for every process that came from the agent; true if there was one. */
bool kit_each_process(struct kit *k, void (*visit)(pid_t pid));
void kit_print_log(struct kit *k);

/* ---- kit_evidence.c: what a failed case leaves behind, on stderr ---- */
void kit_print_evidence(struct kit *k);

/* ---- kit_answer.c: what the control plane says when asked ---- */
void kit_handle(struct kit *k, const struct bus_msg *m);
void kit_answer_hello(struct kit *k, const Fairlead__V1__Hello *q, const struct bus_msg *m,
    Fairlead__V1__HelloVerdict verdict);

/* ---- kit_order.c: what the control plane orders ---- */
/* A new executor, RUN at the first generation, by the next host_seq; not sent. */
struct kit_order *kit_order(struct kit *k, const char *script);
/* The next generation of the same executor. */
struct kit_order *kit_next(
    struct kit *k, const struct kit_order *of, Fairlead__V1__Desired desired);
/* As one message, numbered by the newest of them, through the stream. */
void kit_send(struct kit *k, struct kit_order **orders, size_t n);
void kit_send_one(struct kit *k, struct kit_order *order);
/* The same for another host id or journal (NULL: the right one). */
void kit_send_as(
    struct kit *k, struct kit_order *order, const char *host_id, const struct id *journal_id);
/* Past the stream, with the numbers a republished message would carry. */
void kit_send_live(struct kit *k, struct kit_order *order, uint64_t seq, uint64_t last_seq);
/* Every command that was sent, once more: what somebody who listened could do. */
void kit_replay(struct kit *k, bool newest_first);
void kit_send_bytes(struct kit *k, const void *data, size_t size, const char *content_type);
Fairlead__V1__CommandItem *kit_item(struct kit *k, const struct kit_order *o);

/* ---- kit_seen.c: what was reported, joined as the control plane does (K14) ---- */
void kit_report(struct kit *k, const struct bus_msg *m);
struct kit_seen kit_joined(const struct kit *k, const struct id *id);
enum executor_state kit_state(const struct kit *k, const struct kit_order *o);
bool kit_ended(const struct kit *k, const struct kit_order *o);
uint64_t kit_accepted(const struct kit *k, const struct kit_order *o);
uint64_t kit_gone(const struct kit *k, const struct kit_order *o);
/* Is any row about it? */
bool kit_reported(const struct kit *k, const struct kit_order *o);
struct digest kit_digest(const struct kit *k);
bool kit_digest_agrees(const struct kit *k);
bool kit_hello_names(const struct kit *k, const struct kit_order *o);

/* ---- what most cases begin with ---- */
/* Starts the agent; returns when its hello, its sync and a heartbeat after them were answered. */
void kit_settled_start(struct kit *k);
void kit_settle(struct kit *k);
/* Asks for a hello and waits for it. */
void kit_ask_hello(struct kit *k);
/* Asks for hellos until one does not name it any more. */
void kit_forgets(struct kit *k, const struct kit_order *o);
/* A command after everything so far: when it has run, what came before was looked at. */
void kit_fence(struct kit *k);

struct kit_case {
	const char *name;
	CMUnitTestFunction run;
	const char *group; /* NULL: every agent; else may be left out with --without */
	bool instead;      /* for agents that leave the group out */
};
#define KIT_CASE(name) {#name, name, NULL, false}
#define KIT_CASE_OF(group, name) {#name, name, group, false}
#define KIT_CASE_WITHOUT(group, name) {#name, name, group, true}
extern const struct kit_case cases_hello[], cases_command[], cases_verdict[], cases_sync[],
    cases_crash[], cases_option[];

#endif
