/* agent_private: the state of one agent, shared by the files of this directory only.
 *
 * agent.c          events in, one commit, effects out
 * agent_table.c    the records in memory: find, create, forget, sums, digest
 * agent_session.c  hello, heartbeat, and what their answers say (K1-K6, K11)
 * agent_sync.c     commands and sync pages, contiguous_seq (K10, K11)
 * agent_take.c     one desired state into one record (K7, K9, K13)
 * agent_act.c      records -> driver calls, driver events -> records (K20, adoption)
 * agent_restart.c  what ended starts again in place, by policy (E10)
 * agent_contact.c  who was cut off for too long stops (K24)
 * agent_report.c   records -> reports, PubAcks (K18) */
#ifndef AGENT_PRIVATE_H
#define AGENT_PRIVATE_H

#include "agent.h"
#include "agent_bounds.h"
#include "backoff.h"
#include "digest.h"
#include "hash.h"

#define NEVER INT64_MAX
#define STOP_NOT_SENT UINT32_MAX

/* One executor: its record, and what this process did about it. */
struct entry {
	UT_hash_handle hh;
	struct record r;
	bool dirty; /* not committed yet */
	void *spec; /* of a new record, until it is committed */
	size_t spec_size;
	uint64_t sent_no;      /* change_no of the newest report in flight */
	bool unknown;          /* the control plane does not know it: no part of the digest (K6) */
	bool live;             /* a driver holds an instance, or was asked to start one */
	bool destroying;       /* a driver was asked to destroy it */
	int64_t retry_us;      /* no driver call before, 0: none failed */
	uint32_t stop_sent_ms; /* grace of the stop that was sent, STOP_NOT_SENT: none */
};

/* What is reported without a record: GONE of an unknown id, a RUN beyond the limit (K9, K3).
 * Repeated until its PubAck while this process lives; after that the sweep asks again. */
struct loose {
	struct id executor_id;
	uint64_t generation;
	bool rejected;
	uint64_t sent_in; /* counter of the report in flight, 0: none */
};

struct report_flight {
	uint64_t counter; /* 0: free */
	int64_t deadline_us;
	size_t count;
	struct {
		struct id executor_id;
		uint64_t change_no;
	} items[REPORT_ITEMS_MAX];
};

enum leaving { LEAVING_NOT, LEAVING_ASKED, LEAVING_VERDICT };

#define HEARTBEATS_REMEMBERED 4u
#define HELLOS_REMEMBERED 8u

struct agent {
	struct agent_config config;
	struct records *records;
	const struct clock *clock;
	uint64_t random;
	struct id instance_id;
	struct agent_stats stats;

	struct records_meta meta;
	bool meta_dirty;
	struct entry *entries;
	struct id *deletes;
	size_t delete_count, delete_capacity;

	/* commit */
	bool commit_failed;
	int64_t commit_retry_us;
	int64_t lazy_us; /* acknowledgements and deletions are written by then */
	uint64_t durable_contiguous_seq;
	struct digest durable_digest;

	/* session */
	bool started, connected, answered;
	bool booted; /* no sync was complete since this boot (K24) */
	uint64_t epoch, ticket;
	uint32_t revision;    /* that the next hello speaks */
	int64_t cp_offset_us; /* control-plane time - mono, of the last answer (K13) */
	bool want_hello, send_hello;
	int64_t hello_at_us, hello_sent_us;
	struct id hello_nonce; /* zero: none is waited for */
	struct {
		struct id nonce;
		int64_t sent_us;
	} hellos[HELLOS_REMEMBERED]; /* by hello_no */
	struct backoff hello_backoff;
	int64_t interval_us, heartbeat_at_us;
	struct {
		struct id nonce;
		int64_t sent_us;
	} heartbeats[HEARTBEATS_REMEMBERED];
	uint64_t heartbeat_counter;
	unsigned unanswered;
	bool send_heartbeat;

	/* commands */
	uint64_t stream_seq; /* of the newest command, 0: unknown */
	uint64_t target_seq; /* the highest host_seq known to be committed */
	int64_t lag_since_us;
	bool want_sync, sync_active, send_sync;
	struct id sync_nonce;
	int64_t sync_sent_us;
	uint64_t sync_base_seq, sync_as_of_seq;
	struct id sync_after; /* zero: first page */
	int64_t sync_deadline_us;

	/* reports */
	bool scan; /* a record may need a driver call or a report */
	uint64_t report_counter;
	struct report_flight flights[REPORT_WINDOW];
	struct backoff report_backoff;
	int64_t report_at_us;
	struct loose *loose;
	size_t loose_count, loose_capacity;

	/* contact */
	int64_t contact_us;    /* sending of the newest request that was answered */
	int64_t stop_after_us; /* the shortest of those who have one; NEVER: nobody */

	int64_t retry_us;   /* the next driver call that failed before */
	int64_t restart_us; /* the next start of an executor in BACKOFF */

	/* the end */
	enum leaving leaving;
	int64_t leave_kill_us, leave_flush_us, leave_exit_us;
	bool leave_killing;
	bool exited;
	int exit_code;

	struct agent_effects *out; /* during a step */
};

/* agent.c */
int64_t agent_now(const struct agent *a);
uint64_t agent_random(struct agent *a);
void agent_note(struct agent *a, bool warning, const char *event, const struct id *executor_id,
    const char *detail);

/* agent_table.c */
struct entry *table_find(const struct agent *a, const struct id *executor_id);
/* NULL: no memory. */
struct entry *table_add(struct agent *a, const struct record *record);
void table_remove(struct agent *a, struct entry *e);
void table_free(struct agent *a);
/* The record changed: it is committed in this step and reported again (K18). */
void table_touch(struct agent *a, struct entry *e);
/* What executors that have not ended hold. */
struct resources table_reserved(const struct agent *a);
struct digest table_digest(const struct agent *a);
/* Copies text into a record, cut at a whole UTF-8 character; what is not UTF-8 becomes '?'. */
void table_text(char *to, size_t size, const char *text);

/* agent_session.c */
void session_start(struct agent *a);
void session_connected(struct agent *a);
void session_disconnected(struct agent *a);
void session_heartbeat_answer(struct agent *a, const Fairlead__V1__HeartbeatAnswer *m);
void session_hello_answer(struct agent *a, const Fairlead__V1__HelloAnswer *m);
void session_hello_required(struct agent *a);
/* Sets send_hello and send_heartbeat; hello_no is drawn here, before the commit. */
void session_due(struct agent *a);
void session_emit_hello(struct agent *a);
void session_emit_heartbeat(struct agent *a);
int64_t session_deadline(const struct agent *a);
void session_cp_now(struct agent *a, int64_t cp_now_us);
/* Hello was answered and a sync is complete: what waits for it since a reboot may start. */
void session_boot_known(struct agent *a);

/* agent_sync.c */
void sync_cancel(struct agent *a);
void sync_command(
    struct agent *a, const Fairlead__V1__Command *m, uint64_t stream_seq, uint64_t last_seq);
void sync_answer(struct agent *a, const Fairlead__V1__SyncAnswer *m);
void sync_target(struct agent *a, uint64_t host_seq);
void sync_raise(struct agent *a, uint64_t host_seq);
void sync_due(struct agent *a);
void sync_emit(struct agent *a);
int64_t sync_deadline(const struct agent *a);

/* agent_take.c: host_seq is the item's own. */
void take_item(struct agent *a, const Fairlead__V1__CommandItem *item, uint64_t host_seq);
void take_absent(struct agent *a, const struct id *executor_id, uint64_t generation,
    uint64_t host_seq, uint32_t grace_ms);

/* agent_act.c */
/* Changes that need no driver call; before the commit. */
void act_settle(struct agent *a, struct entry *e);
void act_found(struct agent *a, const struct driver_found *found, const char *driver);
void act_adopted(struct agent *a);
void act_driver_event(struct agent *a, const struct driver_event *event);
void act_start_failed(
    struct agent *a, const struct id *executor_id, const char *reason, const char *detail);
void act_call_failed(struct agent *a, const struct id *executor_id);
/* Stops an executor that is still wanted; its end keeps the reason. */
void act_stop(struct agent *a, struct entry *e, const char *reason, const char *detail);
void act_emit(struct agent *a, struct entry *e);
/* K9: GONE is acknowledged and no older command can be taken any more. */
bool act_forgettable(const struct agent *a, const struct entry *e);
bool act_driver_known(const struct agent *a, const char *name, bool *ret_usable);
void act_leave(struct agent *a, enum leaving why, int exit_code);

/* agent_restart.c */
/* An incarnation is over: end, or BACKOFF when the policy starts it again (the pause is drawn). */
enum executor_state restart_or_end(struct agent *a, struct entry *e, enum executor_state end);
/* Of an executor in BACKOFF: the next incarnation is STARTING. */
void restart_begin(struct agent *a, struct entry *e);
/* Is this the incarnation that an executor in BACKOFF waits for? */
bool restart_is_next(const struct entry *e, uint32_t incarnation);
void restart_after_boot(struct agent *a, struct entry *e);
/* Of an executor in BACKOFF: is its pause over?  If not, restart_us is when. */
bool restart_due(struct agent *a, const struct entry *e);

/* agent_contact.c */
void contact_start(struct agent *a);
/* A request of that time was answered as ours. */
void contact_heard(struct agent *a, int64_t sent_us);
/* A record is new. */
void contact_watch(struct agent *a, const struct entry *e);
void contact_due(struct agent *a);
int64_t contact_deadline(const struct agent *a);

/* agent_report.c */
void report_loose(
    struct agent *a, const struct id *executor_id, uint64_t generation, bool rejected);
void report_ack(struct agent *a, uint64_t counter, bool stored);
void report_due(struct agent *a);
void report_emit(struct agent *a);
int64_t report_deadline(const struct agent *a);
void report_all(struct agent *a);

#endif
