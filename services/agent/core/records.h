/* records: what a host knows durably: one record per executor, and the counters of its journal.
 *
 * The records are the outbox too (K18): a record is its whole current report plus change_no and
 * acked_no.  Two implementations pass one contract suite (tests/unit/agent/test_records.c): SQLite,
 * and memory for the fleet simulator.
 *
 * Threads:  one owner.
 * Errors:   ERR_LIMIT, ERR_UNAVAILABLE: the disk is full or fails, try again; ERR_INTERNAL: the
 *           file is damaged and only the next open can help. */
#ifndef RECORDS_H
#define RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent_bounds.h"
#include "compiler.h"
#include "id.h"
#include "name.h"
#include "resources.h"
#include "state.h"

struct err;

#define RECORD_DRIVER_BYTES 32
#define RECORD_REASON_BYTES 40
#define RECORD_DETAIL_BYTES 200
#define RECORD_BOOT_ID_BYTES 96
/* absent_seq of an ABSENT that came with a hello answer, until the sync after it is complete. */
#define RECORD_SEQ_UNKNOWN ((uint64_t)INT64_MAX)

enum restart_mode { RESTART_NEVER, RESTART_ON_FAILURE, RESTART_ALWAYS };

/* When an executor starts again in place; from its spec. */
struct record_restart {
	enum restart_mode mode;
	uint32_t max; /* in a row, 0: no bound */
	uint32_t backoff_ms, backoff_max_ms, reset_after_ms;
};

struct record {
	struct id executor_id;
	char name[EXECUTOR_NAME_BYTES];
	char driver[RECORD_DRIVER_BYTES];
	uint32_t attempt;
	uint32_t stop_grace_ms; /* of the newest STOP or ABSENT */
	struct resources reserved;
	struct record_restart restart;
	uint32_t stop_on_host_after_ms; /* 0: never (K24) */
	/* desired, from commands */
	enum desired_state desired;
	uint64_t accepted_generation, gone_generation;
	uint64_t absent_seq; /* host_seq of the newest ABSENT, 0: none (K9) */
	/* observed */
	enum executor_state state;
	uint32_t incarnation;
	bool started, oom;
	int32_t exit_code, signal; /* -1: no exit code */
	char reason[RECORD_REASON_BYTES];
	char detail[RECORD_DETAIL_BYTES];
	int64_t at_us;          /* wall clock of the newest change, for display */
	int64_t accepted_at_us; /* clock_mono_us at acceptance; means nothing in another boot */
	int64_t starting_after_us, running_after_us, ended_after_us;
	/* restarting in place; times are clock_mono_us and mean nothing in another boot */
	uint32_t restarts;     /* in a row */
	int64_t restart_at_us; /* BACKOFF: the next start */
	int64_t running_at_us; /* since when this incarnation runs, 0: it did not yet */
	/* outbox */
	uint64_t change_no, acked_no;
};

struct records_meta {
	struct id journal_id;
	uint64_t start_no, hello_no;
	uint64_t contiguous_seq;
	uint64_t change_no;                    /* the newest drawn, of the journal (K18) */
	char boot_id[RECORD_BOOT_ID_BYTES];    /* in which a sync was last complete (K24) */
	int64_t contact_us;                    /* clock_mono_us of that boot, a lower bound (K24) */
	uint64_t pending[RECORDS_PENDING_MAX]; /* above contiguous_seq, ascending */
	size_t pending_count;
};

struct records_put {
	const struct record *record;
	const void *spec; /* an encoded ExecutorSpec; NULL: what is stored stays */
	size_t spec_size;
};

/* One durable transaction: deletes happen before puts. */
struct records_batch {
	const struct records_meta *meta; /* NULL: unchanged */
	const struct records_put *puts;
	size_t put_count;
	const struct id *deletes;
	size_t delete_count;
};

struct records;
struct records_ops {
	int (*load)(struct records *r, struct records_meta *ret_meta,
	    int (*each)(void *arg, const struct record *record), void *arg, struct err *err);
	int (*commit)(struct records *r, const struct records_batch *batch, struct err *err);
	int (*spec)(struct records *r, const struct id *executor_id, void **ret_spec,
	    size_t *ret_size, struct err *err);
	void (*free)(struct records *r);
};
struct records {
	const struct records_ops *ops;
};

/* Reads the counters, then calls each (which returns 0, or -1 to stop) once per record. */
MUST_USE int records_load(struct records *r, struct records_meta *ret_meta,
    int (*each)(void *arg, const struct record *record), void *arg, struct err *err);
/* All of it is durable when 0 is returned, and nothing otherwise. */
MUST_USE int records_commit(struct records *r, const struct records_batch *batch, struct err *err);
/* The encoded spec of a record, the caller's to free().  ERR_NOT_FOUND: it has none. */
MUST_USE int records_spec(struct records *r, const struct id *executor_id, void **ret_spec,
    size_t *ret_size, struct err *err);
void records_free(struct records *r);
DEFINE_CLEANUP(struct records *, records_free);

/* A journal that dies with the process.  NULL: no memory. */
struct records *records_memory_new(void);

/* Opens or creates state_dir/records.db: WAL, synchronous=FULL.  A damaged database is moved aside,
 * kept, and replaced by a new journal; *ret_moved (at least 256 bytes) is where it went, "" when it
 * was sound.  ERR_INVALID: it was written by a newer agent. */
#define RECORDS_PATH_BYTES 256
MUST_USE int records_sqlite_open(const char *state_dir, struct records **ret,
    char ret_moved[RECORDS_PATH_BYTES], struct err *err);

/* Moves a closed state_dir/records.db away: it is kept as records.db.<why>-<stamp>.  Nothing there
 * is not an error. */
MUST_USE int records_sqlite_set_aside(
    const char *state_dir, const char *why, char ret_moved[RECORDS_PATH_BYTES], struct err *err);

#endif
