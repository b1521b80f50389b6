/* rules: what both implementations decide alike, without a look at more than they are given. Pure.
 */
#ifndef RULES_H
#define RULES_H

#include "store.h"

/* Room for headers and the frame below the subject's limit of 256 KiB. */
#define RULES_MESSAGE_SPEC_BYTES_MAX (200u * 1024)

/* A host's row as a hello finds it, locked. */
struct rules_host {
	bool exists;
	enum host_state state;
	uint64_t epoch, host_seq, journal_floor, start_no, hello_no, term_floor;
	struct id journal_id, instance_id;
	bool same_pool, has_executors, journal_superseded;
};
struct rules_ruling {
	enum store_hello_verdict verdict;
	const char *reason;
	bool new_journal; /* supersedes the current one */
	bool raise_epoch;
	bool late; /* an older hello of this very start: answered, changes nothing */
};
/* K1, K2, and the pool rule of K16. */
struct rules_ruling rules_hello(const struct rules_host *now, const struct store_hello *h);
/* What the event of an accepted hello says; "": nothing happened. */
const char *rules_hello_event(const struct rules_host *now, const struct rules_ruling *ruling);
/* What a host named and the cell does not know, as an event of the host (A2, K6): how many, and the
 * first of them by id.  NULL: no memory. */
#define RULES_EVENT_UNKNOWN_STOPPED "host.unknown_stopped"
#define RULES_EVENT_UNKNOWN_KEPT "host.unknown_kept"
#define RULES_EVENT_UNKNOWN_STOPPING "host.unknown_stopping"
const char *rules_unknown_event(const struct store_absent *rows, size_t n, struct arena *a);
/* By id. */
void rules_absent_sort(struct store_absent *rows, size_t n);

/* Why a verdict is held (K22); longer than so many minutes after lost_after it is not held for
 * hosts that come back. */
#define RULES_RETURN_MINUTES 10
#define RULES_HELD_BY_CAP                                                                          \
	"too many hosts given up in ten minutes: waits for an operator (host lost --confirm)"
#define RULES_HELD_BY_RETURN                                                                       \
	"many hosts of the pool were silent and are coming back: waits for them, or for an"        \
	" operator (host lost --confirm)"

/* States only the control plane may observe are not a host's to report (E1): ERR_INVALID. */
MUST_USE int rules_reports_check(const struct report *reports, size_t n, struct err *err);
/* "failed, exit 3": an end as it is kept when it comes late; "" for no end, NULL: no memory. */
const char *rules_outcome(const struct report *n, struct arena *a);

/* Is it on its way, or does it wait for a person? */
bool rules_command_open(const struct store_command *c);
/* It was replayed, or has its successor: to ask again changes nothing. */
bool rules_command_replayed(const struct store_command *c);
/* K8, K16: why it cannot be replayed, "" when it can; NULL: no memory. */
const char *rules_replay_refused(const struct store_command *c, struct arena *a);
MUST_USE int rules_replay_check(const struct store_command *c, struct err *err);
MUST_USE int rules_drop_check(const struct store_command *c, struct err *err);

#endif
