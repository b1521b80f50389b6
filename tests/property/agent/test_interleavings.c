/* A small control plane and one host under random duplication, reordering, loss, crashes: it must
 * end in the newest desired state, nothing may start twice, and nothing may run that was given up.
 *
 * AGENT_SEED=n replays one seed, AGENT_SEEDS=n runs that many. */
#include "agent_rig.h"

#include <stdio.h>
#include <stdlib.h>

#define EXECUTORS 6u
#define LETTERS_MAX 512u
#define PAGE_ITEMS 2u
#define SEEDS_DEFAULT 2000
#define CHAOS_STEPS 250
#define SETTLE_STEPS 400

/* What the control plane believes of one executor. */
struct row {
	uint64_t generation, host_seq;
	Fairlead__V1__Desired desired; /* 0: never ordered */
	uint64_t accepted, gone;
	uint32_t incarnation;
	Fairlead__V1__ExecutorState state;
};

/* The truth about its process: the newest incarnation. */
struct process {
	bool exists, alive;
	uint32_t incarnation;
};

enum letter_type { TO_COMMAND, TO_HELLO, TO_SYNC, TO_HEARTBEAT, TO_ACK, TO_DRIVER };

/* On its way to the host. */
struct letter {
	enum letter_type type;
	unsigned executor;
	uint32_t incarnation; /* DRIVER */
	struct row row;       /* COMMAND */
	uint8_t nonce[ID_BYTES];
	uint64_t number; /* hello_no, report counter, base of a sync */
	struct id after;
	uint64_t as_of;
	bool stored;
	enum driver_event_type event;
};

struct world {
	struct rig rig;
	uint64_t random;
	bool chaos;
	uint64_t host_seq, epoch, floor, start_no;
	bool floor_known;
	struct row rows[EXECUTORS];
	struct process processes[EXECUTORS];
	struct letter letters[LETTERS_MAX];
	size_t count;
};

static unsigned
draw(struct world *w, unsigned n)
{
	w->random = w->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(w->random >> 33) % n;
}

static bool
chance(struct world *w, unsigned percent)
{
	return w->chaos && draw(w, 100) < percent;
}

static void
post(struct world *w, const struct letter *letter)
{
	if (w->count < LETTERS_MAX)
		w->letters[w->count++] = *letter;
}

/* Messages may vanish or come twice. */
static void
mail(struct world *w, const struct letter *letter)
{
	if (chance(w, 15))
		return;
	post(w, letter);
	if (chance(w, 15))
		post(w, letter);
}

static void step(struct world *w, const struct agent_event *event);

/* ---- the host's drivers ---- */

static void
driver_letter(struct world *w, unsigned executor, enum driver_event_type event)
{
	struct letter letter = {.type = TO_DRIVER,
	    .executor = executor,
	    .incarnation = w->processes[executor].incarnation,
	    .event = event};

	post(w, &letter);
}

static unsigned
index_of(struct id id)
{
	for (unsigned i = 0; i < EXECUTORS; i++) {
		struct id own = rig_id(i);

		if (id_equal(&own, &id))
			return i;
	}
	fail_msg("an id nobody made");
	return 0;
}

static void
on_start(struct world *w, const struct agent_effect *effect)
{
	unsigned i = index_of(effect->u.executor.executor_id);
	const struct record *record = rig_record(&w->rig, rig_id(i));

	assert_non_null(record); /* journaled before it was started */
	assert_non_null(effect->u.executor.spec);
	/* each incarnation once, and never two of them at a time */
	assert_int_equal(effect->u.executor.incarnation, ++w->processes[i].incarnation);
	assert_false(w->processes[i].alive);
	w->processes[i].exists = w->processes[i].alive = true;
	driver_letter(w, i, DRIVER_STARTING);
	driver_letter(w, i, DRIVER_RUNNING);
}

static void
end_process(struct world *w, unsigned i)
{
	if (!w->processes[i].alive)
		return;
	w->processes[i].alive = false;
	driver_letter(w, i, DRIVER_EXITED);
}

static void
on_destroy(struct world *w, const struct agent_effect *effect)
{
	unsigned i = index_of(effect->u.executor.executor_id);

	assert_false(w->processes[i].alive);
	w->processes[i].exists = false;
	driver_letter(w, i, DRIVER_GONE);
}

/* ---- the control plane ---- */

/* K5: what the host must have journaled and does not name is gone. */
static void
find_gone(struct world *w, const Fairlead__V1__Hello *m)
{
	uint64_t upto = m->contiguous_seq > w->floor ? m->contiguous_seq : w->floor;

	for (unsigned i = 0; i < EXECUTORS; i++) {
		struct id id = rig_id(i);
		bool named = false;

		for (size_t k = 0; k < m->n_records; k++)
			named = named ||
				memcmp(m->records[k]->executor_id.data, id.bytes, ID_BYTES) == 0;
		if (w->rows[i].desired && w->rows[i].host_seq <= upto && !named)
			w->rows[i].gone = w->rows[i].generation;
	}
}

/* K10: what was not accepted is said again, with its old number. */
static void
sweep(struct world *w)
{
	for (unsigned i = 0; i < EXECUTORS; i++) {
		struct letter letter = {.type = TO_COMMAND, .executor = i, .row = w->rows[i]};

		if (w->rows[i].desired && w->rows[i].accepted < w->rows[i].generation &&
		    w->rows[i].gone < w->rows[i].generation)
			mail(w, &letter);
	}
}

static void
on_hello(struct world *w, const Fairlead__V1__Hello *m)
{
	struct letter letter = {.type = TO_HELLO, .number = m->hello_no};

	if (chance(w, 30))
		return;
	if (m->start_no != w->start_no) {
		w->start_no = m->start_no;
		w->epoch++;
	}
	if (!w->floor_known) {
		w->floor = w->host_seq;
		w->floor_known = true;
	}
	find_gone(w, m);
	memcpy(letter.nonce, m->nonce_id.data, ID_BYTES);
	mail(w, &letter);
}

static void
on_sync(struct world *w, const Fairlead__V1__SyncRequest *m)
{
	struct letter letter = {.type = TO_SYNC, .number = m->contiguous_seq};

	if (m->epoch != w->epoch || chance(w, 20))
		return;
	memcpy(letter.nonce, m->nonce_id.data, ID_BYTES);
	if (m->after_executor_id.len == ID_BYTES)
		memcpy(letter.after.bytes, m->after_executor_id.data, ID_BYTES);
	letter.as_of = m->as_of_seq ? m->as_of_seq : w->host_seq;
	mail(w, &letter);
}

static void
on_heartbeat(struct world *w, const Fairlead__V1__Heartbeat *m)
{
	struct letter letter = {.type = TO_HEARTBEAT, .number = m->epoch};

	memcpy(letter.nonce, m->nonce_id.data, ID_BYTES);
	mail(w, &letter);
}

/* K14, and the report of a single host. */
static void
join(struct row *row, const Fairlead__V1__ExecutorReport *n)
{
	if (row->state < 90 && (n->state >= 90 || n->incarnation > row->incarnation ||
				   (n->incarnation == row->incarnation && n->state > row->state))) {
		row->state = n->state;
		row->incarnation = n->incarnation;
	}
	if (n->accepted_generation > row->accepted)
		row->accepted = n->accepted_generation;
	if (n->gone_generation > row->gone)
		row->gone = n->gone_generation;
}

static void
on_report(struct world *w, const struct agent_effect *effect)
{
	const Fairlead__V1__Report *m = effect->u.report.message;
	struct letter letter = {.type = TO_ACK, .number = effect->u.report.counter};

	letter.stored = !chance(w, 25);
	for (size_t i = 0; letter.stored && i < m->n_executors; i++) {
		struct id id;

		memcpy(id.bytes, m->executors[i]->executor_id.data, ID_BYTES);
		join(&w->rows[index_of(id)], m->executors[i]);
	}
	if (!chance(w, 15))
		post(w, &letter);
}

static void
effects(struct world *w)
{
	for (size_t i = 0; i < w->rig.effects.count; i++) {
		const struct agent_effect *e = &w->rig.effects.rows[i];

		if (e->type == AGENT_SEND_HELLO)
			on_hello(w, e->u.hello);
		else if (e->type == AGENT_SEND_SYNC)
			on_sync(w, e->u.sync);
		else if (e->type == AGENT_SEND_HEARTBEAT)
			on_heartbeat(w, e->u.heartbeat);
		else if (e->type == AGENT_SEND_REPORT)
			on_report(w, e);
		else if (e->type == AGENT_DRIVER_START)
			on_start(w, e);
		else if (e->type == AGENT_DRIVER_STOP)
			end_process(w, index_of(e->u.executor.executor_id));
		else if (e->type == AGENT_DRIVER_DESTROY)
			on_destroy(w, e);
		else
			assert_int_not_equal(e->type, AGENT_EXIT);
	}
}

static void
step(struct world *w, const struct agent_event *event)
{
	rig_step(&w->rig, event);
	effects(w);
}

static void
plain(struct world *w, enum agent_event_type type)
{
	struct agent_event event = {.type = type};

	step(w, &event);
}

/* A user changes her mind: RUN, then STOP or ABSENT, never back. */
static void
order(struct world *w)
{
	unsigned i = draw(w, EXECUTORS);
	struct row *row = &w->rows[i];
	struct letter letter = {.type = TO_COMMAND, .executor = i};

	if (row->desired == FAIRLEAD__V1__DESIRED__ABSENT)
		return;
	row->generation = (row->generation ? row->generation : RIG_TERM) + 1 + draw(w, 2);
	row->desired = !row->desired ? FAIRLEAD__V1__DESIRED__RUN
		       : draw(w, 2)  ? FAIRLEAD__V1__DESIRED__STOP
				     : FAIRLEAD__V1__DESIRED__ABSENT;
	row->host_seq = ++w->host_seq;
	letter.row = *row;
	mail(w, &letter);
}

/* ---- arrivals ---- */

/* Every second executor starts again in place. */
static Fairlead__V1__CommandItem *
item_of(struct rig_item *item, unsigned executor, const struct row *row)
{
	static char always[] = "always";
	static Fairlead__V1__RestartPolicy restart;

	fairlead__v1__restart_policy__init(&restart);
	restart.policy = always;
	restart.backoff_ms = 200;
	restart.backoff_max_ms = 2000;
	(void)rig_item(item, rig_id(executor), row->generation, row->desired, row->host_seq);
	if (executor % 2)
		item->spec.restart = &restart;
	return &item->item;
}

static void
arrive_command(struct world *w, const struct letter *l)
{
	struct rig_item item;
	Fairlead__V1__CommandItem *items[] = {item_of(&item, l->executor, &l->row)};

	rig_send(&w->rig, items, 1, l->row.host_seq, 0, 0);
	effects(w);
}

static void
arrive_hello(struct world *w, const struct letter *l)
{
	Fairlead__V1__HelloAnswer m = FAIRLEAD__V1__HELLO_ANSWER__INIT;
	struct agent_event event = {.type = AGENT_HELLO_ANSWER, .u.hello_answer = &m};
	uint8_t nonce[ID_BYTES];

	memcpy(nonce, l->nonce, ID_BYTES);
	m.nonce_id = (ProtobufCBinaryData){ID_BYTES, nonce};
	m.hello_no = l->number;
	m.verdict = FAIRLEAD__V1__HELLO_VERDICT__HELLO_ACCEPTED;
	m.epoch = w->epoch;
	m.journal_floor = w->floor;
	step(w, &event);
}

static void
arrive_sync(struct world *w, const struct letter *l)
{
	Fairlead__V1__SyncAnswer m = FAIRLEAD__V1__SYNC_ANSWER__INIT;
	struct agent_event event = {.type = AGENT_SYNC_ANSWER, .u.sync_answer = &m};
	struct rig_item items[EXECUTORS];
	Fairlead__V1__CommandItem *list[EXECUTORS];
	uint8_t nonce[ID_BYTES];

	memcpy(nonce, l->nonce, ID_BYTES);
	m.nonce_id = (ProtobufCBinaryData){ID_BYTES, nonce};
	m.verdict = FAIRLEAD__V1__SYNC_VERDICT__SYNC_PAGE;
	m.as_of_seq = l->as_of;
	m.items = list;
	m.last = true;
	for (unsigned i = 0; i < EXECUTORS; i++) {
		const struct row *row = &w->rows[i];
		struct id id = rig_id(i);

		if (!row->desired || row->host_seq <= l->number || id_compare(&id, &l->after) <= 0)
			continue;
		if (m.n_items == PAGE_ITEMS) {
			m.last = false;
			break;
		}
		list[m.n_items] = item_of(&items[m.n_items], i, row);
		m.n_items++;
	}
	step(w, &event);
}

static void
arrive_heartbeat(struct world *w, const struct letter *l)
{
	Fairlead__V1__HeartbeatAnswer m = FAIRLEAD__V1__HEARTBEAT_ANSWER__INIT;
	struct agent_event event = {.type = AGENT_HEARTBEAT_ANSWER, .u.heartbeat_answer = &m};
	uint8_t nonce[ID_BYTES];

	memcpy(nonce, l->nonce, ID_BYTES);
	m.nonce_id = (ProtobufCBinaryData){ID_BYTES, nonce};
	m.verdict = l->number == w->epoch
			? FAIRLEAD__V1__HEARTBEAT_VERDICT__HEARTBEAT_OK
			: FAIRLEAD__V1__HEARTBEAT_VERDICT__HEARTBEAT_HELLO_REQUIRED;
	m.epoch = w->epoch;
	m.host_seq = w->host_seq;
	step(w, &event);
}

static void
arrive(struct world *w, const struct letter *l)
{
	struct agent_event ack = {.type = AGENT_REPORT_ACK};

	switch (l->type) {
	case TO_COMMAND:
		arrive_command(w, l);
		break;
	case TO_HELLO:
		arrive_hello(w, l);
		break;
	case TO_SYNC:
		arrive_sync(w, l);
		break;
	case TO_HEARTBEAT:
		arrive_heartbeat(w, l);
		break;
	case TO_ACK:
		ack.u.report_ack.counter = l->number;
		ack.u.report_ack.stored = l->stored;
		step(w, &ack);
		break;
	case TO_DRIVER:
		rig_driver_of(&w->rig, rig_id(l->executor), l->incarnation, l->event, 0);
		effects(w);
		break;
	}
}

/* Bus messages in any order; what a driver says keeps its order. */
static void
deliver_one(struct world *w)
{
	size_t at;
	struct letter letter;

	if (w->count == 0)
		return;
	at = w->chaos ? draw(w, (unsigned)w->count) : 0;
	for (size_t i = 0; w->letters[at].type == TO_DRIVER && i < at; i++)
		if (w->letters[i].type == TO_DRIVER)
			at = i;
	letter = w->letters[at];
	memmove(w->letters + at, w->letters + at + 1, (--w->count - at) * sizeof(letter));
	arrive(w, &letter);
}

/* kill -9: answers and driver words of the old process are lost, shims live on. */
static void
restart(struct world *w)
{
	size_t kept = 0;

	for (size_t i = 0; i < w->count; i++)
		if (w->letters[i].type == TO_COMMAND)
			w->letters[kept++] = w->letters[i];
	w->count = kept;
	rig_restart(&w->rig);
	for (unsigned i = 0; i < EXECUTORS; i++) {
		struct driver_found found = {.executor_id = rig_id(i),
		    .incarnation = w->processes[i].incarnation,
		    .running = w->processes[i].alive};
		struct agent_event event = {
		    .type = AGENT_FOUND, .u.adoption = {.found = &found, .driver = "fake"}};

		if (w->processes[i].exists)
			step(w, &event);
	}
	plain(w, AGENT_START);
	plain(w, AGENT_CONNECTED);
}

static void
chaos_step(struct world *w)
{
	unsigned what = draw(w, 100);

	if (what < 20) {
		order(w);
	} else if (what < 70) {
		deliver_one(w);
	} else if (what < 92) {
		clock_manual_advance(&w->rig.clock, draw(w, 1500) * MS_US);
		plain(w, AGENT_TICK);
	} else if (what < 93) {
		sweep(w);
	} else if (what < 94) {
		end_process(w, draw(w, EXECUTORS));
	} else if (what < 96) {
		plain(w, AGENT_DISCONNECTED);
		plain(w, AGENT_CONNECTED);
	} else if (what < 98) {
		restart(w);
	} else {
		plain(w, AGENT_OVERFLOW);
	}
}

static void
settle(struct world *w)
{
	w->chaos = false;
	for (int i = 0; i < SETTLE_STEPS; i++) {
		for (int k = 0; w->count > 0 && k < 1000; k++)
			deliver_one(w);
		clock_manual_advance(&w->rig.clock, SECOND_US / 2);
		plain(w, AGENT_TICK);
		if (i % 20 == 19)
			sweep(w);
	}
}

static void
check(const struct world *w)
{
	assert_int_equal(agent_contiguous_seq(w->rig.agent), w->host_seq);
	for (unsigned i = 0; i < EXECUTORS; i++) {
		const struct row *row = &w->rows[i];
		const struct record *record = rig_record(&w->rig, rig_id(i));

		if (!row->desired) {
			assert_null(record);
			continue;
		}
		assert_true(row->accepted >= row->generation || row->gone >= row->generation);
		if (row->gone >= row->generation) { /* said to be gone, so it is */
			assert_null(record);
			assert_false(w->processes[i].exists);
			continue;
		}
		if (row->desired == FAIRLEAD__V1__DESIRED__ABSENT) {
			assert_null(record);
			assert_true(row->gone >= row->generation);
			assert_false(w->processes[i].exists);
			continue;
		}
		assert_non_null(record);
		assert_int_equal(record->accepted_generation, row->generation);
		assert_int_equal((int)record->state, (int)row->state);
		assert_int_equal(record->acked_no, record->change_no);
		if (row->desired == FAIRLEAD__V1__DESIRED__STOP)
			assert_false(w->processes[i].alive);
		else if (record->state == EXECUTOR_RUNNING)
			assert_true(w->processes[i].alive);
		else if (i % 2) /* "always": no end but the one that was asked for */
			fail_msg("executor %u ended by itself", i);
		else
			assert_true(executor_state_ended(record->state));
	}
}

static void
run_seed(uint64_t seed)
{
	static struct world world;
	struct world *w = &world;

	memset(w, 0, sizeof(*w));
	w->random = seed * 2 + 1;
	w->chaos = true;
	w->host_seq = RIG_TERM;
	w->epoch = RIG_TERM;
	rig_init(&w->rig);
	plain(w, AGENT_START);
	plain(w, AGENT_CONNECTED);
	for (int i = 0; i < CHAOS_STEPS; i++)
		chaos_step(w);
	settle(w);
	check(w);
	rig_done(&w->rig);
}

static void
any_interleaving_ends_in_the_newest_desired_state_C2_C3_C4(void **state)
{
	const char *one = getenv("AGENT_SEED"), *many = getenv("AGENT_SEEDS");
	unsigned long seeds = many ? strtoul(many, NULL, 10) : SEEDS_DEFAULT;

	(void)state;
	for (unsigned long seed = one ? strtoul(one, NULL, 10) : 1;; seed++) {
		print_message("\rseed %lu ", seed);
		run_seed(seed);
		if (one || seed >= seeds)
			break;
	}
	print_message("\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(any_interleaving_ends_in_the_newest_desired_state_C2_C3_C4),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
