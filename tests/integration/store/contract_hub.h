/* contract_hub: what every implementation of lib/store promises its hubs, as tests.
 *
 * One suite, run against a factory: Postgres, memory, any other store with the same lines.  A rig
 * is one fresh cell with two connections; its helpers make hosts, sessions and placements through
 * the public functions only. */
#ifndef CONTRACT_HUB_H
#define CONTRACT_HUB_H

#include "test.h"

#include "arena.h"
#include "err.h"
#include "store.h"

struct store_factory {
	const char *name;
	void *(*cell_new)(void); /* a fresh, migrated, empty cell */
	struct store *(*connect)(void *cell);
	void (*cell_free)(void *cell);

	/* What no public function does or shows.  Executors made to stand in states by hand, at one
	 * incarnation; who is QUEUED has no host. */
	void (*executors_stand)(void *cell, const struct id *ids, const enum executor_state *states,
	    size_t n, uint32_t incarnation);
	void (*host_stand)(void *cell, const char *host_id, enum host_state state);
	void (*term_set)(void *cell, uint64_t term);
	/* An operator's label. */
	void (*label_set)(void *cell, const char *host_id, const char *key, const char *value);
	/* Ends that count against hosts, moved so far into the past. */
	void (*avoided_age)(void *cell, int64_t ms);
	/* Every host fell silent, or came back, so much earlier. */
	void (*hosts_age)(void *cell, int64_t ms);
	/* Pauses of what waits in the queue end so much earlier. */
	void (*queue_age)(void *cell, int64_t ms);
	/* The scheduler's work lists: rows that say ended, and gone. */
	void (*work_count)(void *cell, size_t *ret_ended, size_t *ret_gone);
	/* Everything a report can leave behind, in order, as text; the caller frees it. */
	char *(*rows)(void *cell);
	/* Plants the i-th corruption in a cell of contract_verify; the invariant it violates.
	 * NULL: there are no more. */
	const char *(*corrupt)(void *cell, size_t i);
};

struct rig {
	const struct store_factory *factory;
	void *cell;
	struct store *s, *other; /* two connections to one cell */
	struct arena *a;
	struct err err;
	struct store_lease lease;
	uint64_t newest_event; /* as store_event_publish last said */
};

/* Runs all contract groups; the number of failed tests. */
int contract_hub_run(const struct store_factory *f);
/* Setup and teardown of a test on a fresh cell of the factory being run; *state is the rig. */
int rig_setup(void **state);
int rig_teardown(void **state);
/* For tests beside the contract that use rigs of this factory. */
void rig_factory(const struct store_factory *f);

/* Fails the test with the error's text. */
#define OK(rig, call)                                                                              \
	do {                                                                                       \
		err_clear(&(rig)->err);                                                            \
		if ((call) != 0)                                                                   \
			fail_msg("%s: %s", #call, (rig)->err.text);                                \
	} while (0)
#define FAILS(rig, kind_, call)                                                                    \
	do {                                                                                       \
		err_clear(&(rig)->err);                                                            \
		assert_int_equal((call), -1);                                                      \
		if ((rig)->err.kind != (kind_))                                                    \
			fail_msg("%s: kind %d: %s", #call, (int)(rig)->err.kind, (rig)->err.text); \
	} while (0)

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

/* A hello of journal `journal`, first start; enough capacity for every test. */
struct store_hello hello_of(const char *host_id, struct id journal);
struct store_hello_answer hello_say(struct rig *r, const struct store_hello *h);
/* A host that is READY; returns the hello that made it so. */
struct store_hello host_make(struct rig *r, const char *host_id);
struct store_host host_of(struct rig *r, const char *host_id);
/* A session in pool "default" with n executors, spec body "body". */
struct store_session_new session_of(struct rig *r, const char *name, uint32_t replicas);
struct store_session session_make(struct rig *r, const char *name, uint32_t replicas);
/* Places everything that is queued on one host; returns how many. */
size_t place_all(struct rig *r, const char *host_id);
/* Executors of a session, in order of id. */
struct store_executor *executors_of(struct rig *r, const char *session, size_t *ret_n);
struct store_executor executor_of(struct rig *r, const char *session, uint32_t index);
/* A report of that executor by its host. */
struct report report_of(
    const struct store_executor *e, const struct store_hello *h, enum executor_state state);
struct store_join_result join(struct rig *r, struct report *reports, size_t n);
struct store_join_result join_one(struct rig *r, struct report report);
/* Every field of every executor and session and its counters, as text in order of id. */
char *dump(struct rig *r);

extern const struct CMUnitTest contract_session_tests[], contract_hello_tests[],
    contract_host_tests[], contract_join_tests[], contract_row_tests[], contract_unknown_tests[];
extern const size_t contract_session_count, contract_hello_count, contract_host_count,
    contract_join_count, contract_row_count, contract_unknown_count;

#endif
