/* memory: a whole cell inside this process: what the files of the memory store share.
 *
 * The tables are structs that point at each other; Postgres' columns are their fields, and a row of
 * a work list or of a host's books is a membership in a list.  One lock for everything: an
 * operation takes it whole, so each is one transaction.  An operation refuses first and writes
 * then, so one that fails has changed nothing; only an answer that finds no room in the caller's
 * arena may come after the write, as it does after a commit.
 * Time is the clock the cell was made with, and moves with every operation: no two have the same.
 * Without memory the process aborts: this is for simulation, tests and development. */
#ifndef MEMORY_H
#define MEMORY_H

#include <pthread.h>
#include <stdlib.h>

#define uthash_fatal(why) abort()
/* The default hash is one switch of fall-throughs, which clang refuses. */
#define HASH_FUNCTION(key, size, hash) HASH_FNV(key, size, hash)
#include <uthash.h>
#include <utlist.h>

#include "store_internal.h"

#define MEMORY_STATES 100 /* by enum executor_state */
/* Counters of the control plane in one term start at term << TERM_BITS. */
#define MEMORY_TERM_BITS 40

/* Executors that wait for one step of the fold, oldest first. */
struct memory_work {
	struct memory_work *prev, *next;
	struct id executor_id;
	int64_t at_us;
};

enum memory_intent_kind { MEMORY_INTENT_END, MEMORY_INTENT_RECONCILE, MEMORY_INTENT_REPLAY };

struct memory_intent {
	struct memory_intent *prev, *next;
	enum memory_intent_kind kind;
	struct id session_id, executor_id; /* executor_id zero: the whole session */
	bool now;
	uint64_t generation; /* of a command */
	char who[65];
};

/* Hosts given up in one minute. */
struct memory_minute {
	struct memory_minute *next;
	int64_t minute; /* since 1970 */
	size_t hosts;
};

struct memory_pool {
	UT_hash_handle hh;
	struct memory_executor *queue; /* oldest first */
	struct memory_message *outbox;
	struct memory_intent *intents;
	/* An end goes from the first list to the second, when its reservation is freed. */
	struct memory_work *ended, *folded, *gone;
	/* Verdicts (K22): see the columns of table pool. */
	uint32_t lost_after_ms, verdicts_max, verdicts_percent;
	struct memory_minute *minutes; /* the newest first */
	char name[];
};

struct memory_lease {
	UT_hash_handle hh;
	char *holder;
	uint64_t epoch;
	int64_t expires_us, taken_us;
	char name[];
};

/* Of a host, known or not. */
struct memory_beat {
	UT_hash_handle hh;
	char *server;
	int64_t at_us, rtt_us;
	uint64_t contiguous_seq;
	char host_id[];
};

struct memory_journal {
	struct memory_journal *next;
	struct id journal_id;
};

/* Table host_unknown. */
struct memory_unknown {
	struct memory_unknown *next;
	struct id executor_id;
	uint64_t generation;
	int64_t since_us, told_us; /* told_us 0: nobody wants it stopped */
	char *told_by;
};

struct memory_host {
	UT_hash_handle hh;
	struct memory_pool *pool;
	enum host_state state;
	uint64_t epoch, host_seq, journal_floor, start_no, hello_no;
	struct id journal_id, instance_id;
	struct memory_journal *superseded;
	/* One allocation each time a hello replaces them. */
	struct arena *facts;
	const char *boot_id, *agent_version, *encoding, *arch, *kernel, *capabilities;
	uint32_t protocol_revision;
	struct label *labels;
	size_t label_count;
	struct store_driver *drivers;
	size_t driver_count;
	struct arena *operator_facts;
	struct label *operator_labels;
	size_t operator_label_count;
	struct resources capacity, used;
	char *cordoned_by, *cordon_reason;
	int64_t verdict_us, verdict_held_us, returned_us;
	const char *verdict_held_for; /* RULES_HELD_BY_...; while verdict_held_us is set */
	char *suspect_reason, *verdict_by;
	char *drained_by;
	int64_t draining_us, drain_deadline_us;
	int64_t cordoned_us, suspect_since_us, first_seen_us, last_hello_us, retired_us;
	struct memory_executor *books;  /* from placement to GONE, RETIRED or back in the queue */
	struct memory_unknown *unknown; /* by id */
	struct memory_message *open;    /* scratch of memory_commands_write */
	char host_id[];
};

/* What executors of a session run: one per change of template. */
struct memory_template {
	struct memory_template *older;
	uint64_t revision;
	void *body;
	size_t body_size;
	char *driver, *selector, *needs, *spread_by, *apart_by;
	uint32_t spread_skew, apart_max;
	bool limits_required;
	struct resources resources;
	uint32_t stop_grace_ms, accept_timeout_ms;
};

/* Stopped to be moved, until its successor runs. */
struct memory_displaced {
	struct memory_displaced *next;
	struct id executor_id;
	uint32_t index, attempt;
	bool roll; /* else a drain */
};

struct memory_session {
	UT_hash_handle hh;
	struct memory_session *older; /* of the same name */
	struct id session_id;
	struct memory_pool *pool;
	char *name, *spec_json, *who;
	enum session_state state;
	uint64_t revision;
	uint32_t replicas, lost_after_ms, replace_after_ms, replacements_max;
	bool replace_lost, replace_failed, keep_replacement;
	/* See the columns of table session. */
	uint32_t max_unavailable, indexes;
	uint64_t template_revision;
	bool rolling;
	char *rollout_paused, *previous_spec_json;
	int64_t rollout_since_us;
	struct memory_displaced *displaced;
	int32_t priority;
	int64_t created_us, closed_us;
	struct memory_template *templates; /* the newest first */
	struct memory_executor *executors;
	/* Their sum is exact; edges wait in the second until they are folded into the first. */
	int64_t counters[MEMORY_STATES], edges[MEMORY_STATES];
};

/* Sessions of one name, the newest first: only that one may be living. */
struct memory_name {
	UT_hash_handle hh;
	struct memory_session *newest;
	char name[];
};

struct memory_key {
	UT_hash_handle hh;
	struct id session_id;
	int64_t at_us;
	char key[];
};

enum memory_outcome { MEMORY_OUTCOME_NONE, MEMORY_OUTCOME_EXPIRED, MEMORY_OUTCOME_DEAD };

/* Desired state of one executor at one generation. */
struct memory_command {
	struct memory_command *older;           /* of the same executor */
	struct memory_command *m_prev, *m_next; /* of the same message */
	struct memory_executor *executor;
	struct memory_message *message;
	uint64_t generation;
	enum desired_state desired;
	uint32_t stop_grace_ms;
	enum memory_outcome outcome;
	char *reason, *settled_by; /* NULL: "" */
	const char *settled;       /* a literal; NULL: "" */
	uint32_t deliveries;
	int64_t deadline_us, sent_us, last_sent_us, outcome_us, settled_us;
};

/* Stays as long as it has commands; waiting: it is in the outbox. */
struct memory_message {
	UT_hash_handle hh;
	struct memory_message *prev, *next; /* of the pool's outbox */
	struct id message_id;
	struct memory_pool *pool;
	struct memory_host *host;
	uint64_t host_seq;
	struct memory_command *commands; /* in order of executor id */
	size_t command_count;
	bool waiting;
	int64_t created_us, sent_us, next_look_us;
};

struct memory_why {
	struct memory_why *next;
	uint32_t hosts;
	char reason[];
};

struct memory_executor {
	UT_hash_handle hh;
	struct id executor_id;
	struct memory_session *session;
	struct memory_executor *s_prev, *s_next; /* of the same session */
	uint32_t index, attempt, incarnation;
	const struct memory_template *template;
	const char *stopped_for;  /* a literal; "": nobody stopped it */
	struct memory_host *host; /* NULL: none yet; stays when the books are closed */
	enum desired_state desired;
	uint64_t generation, accepted_generation, gone_generation;
	enum executor_state state;
	int32_t exit_code, signal;
	bool oom, started;
	bool replaced;     /* it has a successor */
	bool relieved;     /* one beside it, while its host is silent (K24) */
	int64_t blamed_us; /* its end counts against its host since then; 0: it does not */
	bool marked;       /* scratch of memory_verify */
	int64_t left_us;   /* the fold that last took it from the list of the gone */
	char *reason, *detail, *late_outcome;
	int64_t late_us, starting_after_us, running_after_us, ended_after_us;
	int64_t queued_us, placed_us, accepted_us, starting_us, running_us, ended_us, gone_us;
	struct memory_command *commands; /* the newest first */

	/* The host's books: membership and reservation (K16). */
	struct memory_host *books; /* NULL: on nobody's */
	struct memory_executor *b_prev, *b_next;
	bool reserved;
	struct resources resources;
	uint64_t host_seq; /* of its newest command */

	/* The placement queue. */
	bool queued;
	struct memory_executor *q_prev, *q_next;
	uint64_t enqueued;
	int64_t not_before_us;
	struct memory_why *why;
};

struct memory_event {
	struct memory_event *next;
	struct id executor_id;
	uint64_t cursor; /* 0: not published */
	int64_t at_us;
	char *kind, *session, *executor, *host, *who, *text;
};

struct memory_cell {
	pthread_mutex_t lock;
	unsigned refs; /* by store handles, under the lock */
	const struct clock *clock;
	int64_t start_real_us, start_mono_us;
	int64_t now_us; /* of this operation */
	uint64_t term;
	struct memory_pool *pools;
	struct memory_lease *leases;
	struct memory_host *hosts;
	struct memory_beat *beats;
	struct memory_session *sessions;
	struct memory_name *names;
	struct memory_key *keys;
	struct memory_executor *executors;
	struct memory_message *messages;
	uint64_t enqueued, ids; /* ever */
	uint64_t edge_count;    /* edges not folded yet */
	/* Facts of the outbox wait at the end of the published ones. */
	struct memory_event *events, *unpublished, *last_event;
	uint64_t cursor;
};

extern const struct store_ops memory_ops;
#define MEMORY_OP_DECLARE(name, parameters, arguments) int memory_store_##name parameters;
STORE_OPS(MEMORY_OP_DECLARE)
#undef MEMORY_OP_DECLARE

/* ---- memory.c ---- */
/* Takes the lock and moves the time; memory_cell_end (by CLEANUP) gives it back. */
struct memory_cell *memory_cell_begin(struct store *s);
void memory_cell_end(struct memory_cell *c);
DEFINE_CLEANUP(struct memory_cell *, memory_cell_end);
int memory_no_room(struct err *err); /* for the answer */
void *memory_alloc(size_t size);     /* zeroed */
char *memory_text(const char *text); /* NULL: "" */
void memory_text_set(char **slot, const char *text);

/* ---- memory_table.c: finding, making and unlinking rows ---- */
struct memory_pool *memory_pool_find(struct memory_cell *c, const char *name);
struct memory_lease *memory_lease_find(struct memory_cell *c, const char *name);
struct memory_host *memory_host_find(struct memory_cell *c, const char *host_id);
struct memory_beat *memory_beat_find(struct memory_cell *c, const char *host_id);
struct memory_name *memory_name_find(struct memory_cell *c, const char *name);
struct memory_key *memory_key_find(struct memory_cell *c, const char *key);
struct memory_session *memory_session_find(struct memory_cell *c, const struct id *id);
struct memory_executor *memory_executor_find(struct memory_cell *c, const struct id *id);
struct memory_message *memory_message_find(struct memory_cell *c, const struct id *id);
/* The newest of that name. */
struct memory_session *memory_session_named(struct memory_cell *c, const char *name);
/* The row that is there, or a new one. */
struct memory_pool *memory_pool_make(struct memory_cell *c, const char *name);
struct memory_lease *memory_lease_make(struct memory_cell *c, const char *name);
struct memory_host *memory_host_make(struct memory_cell *c, const char *host_id);
struct memory_beat *memory_beat_make(struct memory_cell *c, const char *host_id);
struct memory_name *memory_name_make(struct memory_cell *c, const char *name);
struct memory_key *memory_key_make(struct memory_cell *c, const char *key);
void memory_session_add(struct memory_cell *c, struct memory_session *row);
void memory_executor_add(struct memory_cell *c, struct memory_executor *row);
void memory_message_add(struct memory_cell *c, struct memory_message *row);
/* Unlinks it everywhere, with its commands. */
void memory_executor_free(struct memory_cell *c, struct memory_executor *e);
void memory_session_free(struct memory_cell *c, struct memory_session *s);
/* Out of the outbox. */
void memory_message_drop(struct memory_cell *c, struct memory_message *m);
void memory_key_free(struct memory_cell *c, struct memory_key *key);
void memory_event_free(struct memory_event *v);
void memory_cell_clear(struct memory_cell *c);

/* ---- memory_executor.c: what happens to one ---- */
/* Of the cell's time and a count: nothing is drawn at random. */
struct id memory_id_new(struct memory_cell *c);
uint64_t memory_floor(const struct memory_cell *c); /* the first counter of this term */
uint64_t memory_raise(const struct memory_cell *c, uint64_t counter);
void memory_edge_add(struct memory_cell *c, struct memory_session *s, enum executor_state from,
    enum executor_state to);
/* One edge, counted. */
void memory_executor_move(
    struct memory_cell *c, struct memory_executor *e, enum executor_state state);
/* An end the control plane observed. */
void memory_executor_end(struct memory_cell *c, struct memory_executor *e,
    enum executor_state state, const char *reason);
void memory_enqueue(struct memory_cell *c, struct memory_executor *e);
void memory_dequeue(struct memory_executor *e);
void memory_books_add(struct memory_executor *e, const struct resources *r);
void memory_books_free(struct memory_executor *e); /* the reservation, once */
void memory_books_remove(struct memory_executor *e);
void memory_why_clear(struct memory_executor *e);
/* Of pointers to executors, by id. */
int memory_executor_order(const void *a, const void *b);
void memory_work_add(struct memory_work **list, const struct memory_executor *e, int64_t at_us);

/* ---- memory_replace.c ---- */
struct memory_executor *memory_executor_new(
    struct memory_cell *c, struct memory_session *s, const struct id *id, uint32_t index);
/* Stopped by a drain or a rollout. */
bool memory_executor_is_moved(const struct memory_executor *e);
/* Its successor, where the session wants one: see pg_replace.  true: there is a new one. */
bool memory_replace(struct memory_cell *c, struct memory_executor *e);
/* One that a person asks for: no bound, no pause. */
bool memory_replace_asked(struct memory_cell *c, struct memory_executor *e);
/* Beside one that may live on a silent host (K24). */
bool memory_replace_early(struct memory_cell *c, struct memory_executor *e);

/* ---- memory_verdict.c ---- */
/* The host was heard, or said hello. */
void memory_verdict_clear(struct memory_host *h);

/* ---- memory_command.c ---- */
struct memory_message *memory_message_new(struct memory_cell *c, struct memory_host *h);
/* Raises the generation; the executor is on the message's host. */
struct memory_command *memory_command_add(struct memory_cell *c, struct memory_executor *e,
    struct memory_message *m, enum desired_state desired);
struct memory_target {
	struct memory_executor *executor;
	uint32_t stop_grace_ms;
	const char *stopped_for; /* NULL: leave what is there */
};
/* Sorts the targets; messages of up to 64 items.  ret_ids has room for one per target, *ret_n is
 * raised.  Those whose host is RETIRED, or who have none, are passed over: nobody listens there. */
void memory_commands_write(struct memory_cell *c, struct memory_target *targets, size_t n,
    enum desired_state desired, struct id *ret_ids, size_t *ret_n);
/* What a session's executors run, copied once for neighbours of one session.  NULL: no room. */
struct memory_body {
	const struct memory_template *template;
	const void *body;
};
const void *memory_body_copy(
    const struct memory_template *t, struct memory_body *last, struct arena *a);
/* The item of a command, copied. */
MUST_USE int memory_item_copy(const struct memory_command *command, struct memory_body *last,
    struct arena *a, struct store_item *ret, struct err *err);
/* Messages still waiting, with the items that still are the newest word about their executor. */
MUST_USE int memory_messages_load(struct memory_cell *c, const struct id *ids, size_t n,
    struct arena *a, struct store_message **ret, size_t *ret_n, struct err *err);
/* Is it the newest word about its executor, without an outcome, and not accepted yet? */
bool memory_command_unaccepted(const struct memory_command *command);
/* The same, and not said to be gone either. */
bool memory_command_unanswered(const struct memory_command *command);
/* EXPIRED or DEAD; the reason is copied. */
void memory_command_end(struct memory_cell *c, struct memory_command *command,
    enum memory_outcome outcome, const char *reason);

/* ---- memory_command_row.c ---- */
/* A wish to replay, carried out; messages go to ret_ids, which has room for one. */
void memory_fold_replay(struct memory_cell *c, const struct memory_intent *i, struct id *ret_ids,
    size_t *ret_n, struct store_fold_result *result);

/* ---- memory_lease.c ---- */
/* ERR_DENIED: another epoch holds the lease. */
MUST_USE int memory_fence(struct memory_cell *c, const struct store_lease *l, struct err *err);

/* ---- memory_event.c ---- */
/* e's texts may be NULL; cursor and at_us are ignored. */
void memory_event_add(struct memory_cell *c, const struct store_event *e);
void memory_executor_event(struct memory_cell *c, const struct memory_executor *e, const char *kind,
    const char *who, const char *text);

/* ---- memory_session_update.c ---- */
/* What is not the template's: how many, and what becomes of those that end. */
void memory_policy_set(struct memory_session *s, const struct store_session_new *n);
/* The newest template of the session, from what a hub declared. */
void memory_template_add(struct memory_session *s, const struct store_session_new *n);

/* ---- memory_relieve.c ---- */
#define MEMORY_RELIEVE_MAX 1024
/* Its host has been silent for so long that its session wants a replacement beside it. */
bool memory_executor_is_early(const struct memory_cell *c, const struct memory_executor *e);
/* See pg_relieve.  targets: room for MEMORY_RELIEVE_MAX; messages are added to ret_ids. */
void memory_relieve(struct memory_cell *c, struct memory_pool *pool, bool judge_listens,
    struct memory_target *targets, struct id *ret_ids, size_t *ret_n,
    struct store_lost_result *result);

/* ---- memory_displace.c ---- */
/* Of one that has no command: it leaves the queue, and is gone. */
void memory_executor_cancel(
    struct memory_cell *c, struct memory_executor *e, const char *why, const char *stopped_for);
/* See pg_reconcile.  true: done.  targets has room for 1024. */
bool memory_reconcile(struct memory_cell *c, struct memory_session *s,
    struct memory_target *targets, struct id *ret_ids, size_t *ret_n,
    struct store_fold_result *result);

/* ---- memory_session.c ---- */
/* The newest session of that name. */
MUST_USE int memory_session_read(struct memory_cell *c, const char *name, struct arena *a,
    struct store_session *ret, struct err *err);
/* e NULL: nobody waits. */
MUST_USE int memory_why_copy(const struct memory_executor *e, struct arena *a,
    struct store_why **ret, size_t *ret_n, struct err *err);

/* ---- memory_hello.c ---- */
bool memory_journal_superseded(const struct memory_host *h, const struct id *journal_id);

/* ---- memory_unknown.c ---- */
/* See pg_unknown_refresh. */
MUST_USE int memory_unknown_refresh(struct memory_cell *c, struct memory_host *h,
    struct store_hello_answer *answer, struct arena *a, struct err *err);
/* See pg_unknown_say. */
MUST_USE int memory_unknown_say(struct memory_cell *c, const char *host_id, const char *kind,
    const char *who, const struct store_absent *rows, size_t n, struct arena *a, struct err *err);
void memory_unknown_forget(struct memory_host *h, const struct id *executor_id);
void memory_unknown_clear(struct memory_host *h);

/* ---- memory_facts.c ---- */
/* Replaces borrowed texts by copies.  false: no room. */
bool memory_labels_dup(struct label *labels, size_t n, struct arena *a);
struct store_driver *memory_drivers_dup(
    const struct store_driver *drivers, size_t n, struct arena *a);
/* What a hello says of its host, copied. */
void memory_host_facts_set(struct memory_host *h, const struct store_hello *hello);
/* An operator's label (A8). */
void memory_operator_label_set(struct memory_host *h, const char *key, const char *value);

#endif
