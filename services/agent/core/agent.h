/* agent: the host half of the contract (K1-K25) as a step function over (events, records, clock).
 *
 * It has no globals, opens nothing and waits for nothing: the loop feeds it events and carries out
 * the effects it answers with.  Simulation and the fleet drive thousands of them in one process.
 *
 * One step is one durable transaction: all events are merged into the records, the records are
 * committed, and only then there are effects: reports before starts, starts last.  When a commit
 * fails nothing that needs it leaves; heartbeats go on, and the commit is tried again. */
#ifndef AGENT_H
#define AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "crash.h"
#include "driver.h"
#include "effects.h"
#include "fairlead/v1/host.pb-c.h"
#include "id.h"
#include "records.h"
#include "resources.h"
#include "selector.h"

struct clock;
struct err;
struct agent;

#define AGENT_PROTOCOL_REVISION 2u
#define AGENT_DRIVERS_MAX 8u
#define AGENT_LABELS_MAX 64u
#define AGENT_HEARTBEAT_MS 5000

struct agent_driver {
	const char *name;
	struct driver_probe probe;
};

/* Borrowed for the agent's life. */
struct agent_config {
	const char *host_id, *pool, *boot_id, *version, *arch, *kernel;
	struct resources capacity;
	const struct label *labels;
	size_t label_count;
	const struct agent_driver *drivers;
	size_t driver_count;
	int64_t heartbeat_interval_us;
	bool stop_executors_on_exit;
	uint64_t random; /* seed of every jitter */
};

enum agent_event_type {
	AGENT_FOUND,     /* adoption at start: what a driver found; before AGENT_START */
	AGENT_START,     /* every driver was asked */
	AGENT_TICK,      /* agent_deadline has passed */
	AGENT_CONNECTED, /* the bus, also after each reconnect */
	AGENT_DISCONNECTED,
	AGENT_COMMAND,          /* from fl.live.<host> */
	AGENT_HEARTBEAT_ANSWER, /* from fl.live.<host> */
	AGENT_HELLO_ANSWER,     /* from the inbox */
	AGENT_SYNC_ANSWER,      /* from the inbox */
	AGENT_OVERFLOW,         /* messages were dropped before the agent saw them */
	AGENT_DRIVER_EVENT,
	AGENT_START_FAILED, /* the driver refused to start it; nothing runs */
	AGENT_CALL_FAILED,  /* a stop or destroy could not be asked for; tried again later */
	AGENT_REPORT_ACK,   /* PubAck of a report, or that there is none */
	AGENT_STOP,         /* SIGTERM */
};

/* Everything pointed at is borrowed for the step. */
struct agent_event {
	enum agent_event_type type;
	union {
		struct {
			const struct driver_found *found;
			const char *driver;
		} adoption;
		struct {
			const Fairlead__V1__Command *message;
			uint64_t stream_seq, last_seq; /* Nats-Sequence, Nats-Last-Sequence */
		} command;
		const Fairlead__V1__HeartbeatAnswer *heartbeat_answer;
		const Fairlead__V1__HelloAnswer *hello_answer;
		const Fairlead__V1__SyncAnswer *sync_answer;
		const struct driver_event *driver;
		struct {
			struct id executor_id;
			const char *reason, *detail;
		} start_failed;
		struct id call_failed;
		struct {
			uint64_t counter;
			bool stored;
		} report_ack;
	} u;
};

struct agent_stats {
	uint64_t hellos, hello_answers, heartbeats, heartbeat_answers, syncs, sync_pages;
	uint64_t late_answers; /* to a hello that was said again meanwhile */
	uint64_t commands, items, refused_messages, reports, reports_acked, executors_reported;
	uint64_t starts, commits, commit_failures, gaps, overflows;
};

/* Reads the records and draws a new start_no, durably.  records and clock are borrowed. */
MUST_USE int agent_new(const struct agent_config *config, struct records *records,
    const struct clock *clock, struct agent **ret, struct err *err);
void agent_free(struct agent *a);
DEFINE_CLEANUP(struct agent *, agent_free);

/* Effects are added to *out; they and what they point at live until effects_reset. */
void agent_step(
    struct agent *a, const struct agent_event *events, size_t n, struct agent_effects *out);
/* clock_mono_us of the next AGENT_TICK it wants; INT64_MAX: none. */
int64_t agent_deadline(const struct agent *a);

const struct agent_stats *agent_stats(const struct agent *a);
/* Has a hello been accepted since the start? */
bool agent_answered(const struct agent *a);
uint64_t agent_epoch(const struct agent *a);
struct id agent_journal_id(const struct agent *a);
uint64_t agent_contiguous_seq(const struct agent *a);
size_t agent_record_count(const struct agent *a);
/* NULL: no such record.  Borrowed until the next step. */
const struct record *agent_record(const struct agent *a, const struct id *executor_id);

/* The crash points of the agent (base/crash.h). */
extern const struct crash_row agent_crash_points[];

#endif
