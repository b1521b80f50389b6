/* What one turn of the loop hands to an agent is one transaction, however much it is. */
#include "agent_rig.h"

#define G(n) (RIG_TERM + (n))
#define RUN FAIRLEAD__V1__DESIRED__RUN

enum { EXECUTORS = 100, ITEMS = 50, MESSAGES = EXECUTORS / ITEMS };

static uint64_t
commits(const struct rig *r)
{
	return agent_stats(r->agent)->commits;
}

/* MESSAGES command messages of ITEMS items each, as they wait in the mailbox. */
struct batch {
	struct rig_item items[EXECUTORS];
	Fairlead__V1__CommandItem *pointers[EXECUTORS];
	Fairlead__V1__Command messages[MESSAGES];
	struct agent_event events[MESSAGES];
	struct id journal_id;
};

static void
batch_make(struct batch *b, const struct rig *r)
{
	memset(b, 0, sizeof(*b));
	b->journal_id = agent_journal_id(r->agent);
	for (unsigned i = 0; i < EXECUTORS; i++)
		b->pointers[i] = rig_item(&b->items[i], rig_id(i), G(1), RUN, G(1 + i / ITEMS));
	for (unsigned i = 0; i < EXECUTORS; i++)
		b->items[i].resources.cpu_millis = 10;
	for (unsigned k = 0; k < MESSAGES; k++) {
		Fairlead__V1__Command *m = &b->messages[k];

		fairlead__v1__command__init(m);
		m->host_id = (char *)(uintptr_t)RIG_HOST;
		m->journal_id = (ProtobufCBinaryData){ID_BYTES, b->journal_id.bytes};
		m->host_seq = G(1 + k);
		m->items = &b->pointers[k * ITEMS];
		m->n_items = ITEMS;
		b->events[k].type = AGENT_COMMAND;
		b->events[k].u.command.message = m;
	}
}

static void
a_hundred_executors_at_once_are_one_transaction_C12(void **state)
{
	static struct batch b;
	struct rig r;
	uint64_t before;

	(void)state;
	rig_init(&r);
	rig_accept(&r, G(0), G(0));
	batch_make(&b, &r);
	before = commits(&r);
	effects_reset(&r.effects);
	agent_step(r.agent, b.events, MESSAGES, &r.effects);
	assert_int_equal(commits(&r), before + 1);
	assert_int_equal(rig_count(&r, AGENT_DRIVER_START), EXECUTORS);
	for (unsigned i = 0; i < EXECUTORS; i++) {
		const struct record *record = rig_record(&r, rig_id(i));

		assert_non_null(record);
		assert_int_equal(record->accepted_generation, G(1));
	}
	rig_done(&r);
}

/* The transaction comes before anything is done or said about it. */
static int
commit_refused(struct records *records, const struct records_batch *batch, struct err *err)
{
	(void)records;
	(void)batch;
	return err_set(err, ERR_UNAVAILABLE, "disk full");
}

static void
a_batch_that_cannot_be_written_starts_and_reports_nothing_C5_C12(void **state)
{
	static struct batch b;
	struct records_ops refusing;
	const struct records_ops *working;
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_accept(&r, G(0), G(0));
	batch_make(&b, &r);
	working = r.records->ops;
	refusing = *working;
	refusing.commit = commit_refused;
	r.records->ops = &refusing;
	effects_reset(&r.effects);
	agent_step(r.agent, b.events, MESSAGES, &r.effects);
	assert_int_equal(rig_count(&r, AGENT_DRIVER_START), 0);
	assert_int_equal(rig_count(&r, AGENT_SEND_REPORT), 0);
	r.records->ops = working;
	rig_advance(&r, 10 * SECOND_US);
	assert_int_equal(rig_count(&r, AGENT_DRIVER_START), EXECUTORS);
	rig_done(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_hundred_executors_at_once_are_one_transaction_C12),
	    cmocka_unit_test(a_batch_that_cannot_be_written_starts_and_reports_nothing_C5_C12),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
