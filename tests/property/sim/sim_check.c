/* sim_check: what must hold after every event, and what must be true when all is quiet. */
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "digest.h"
#include "err.h"
#include "sim.h"

#define ROWS_MAX 4096
#define K24_SLACK_US (3 * SECOND_US)

/* Those of store_verify that hold at any moment; the others give people a minute. */
static const char *const always[] = {
    "capacity_is_the_sum_of_reservations",
    "session_counters_equal_a_recount",
    "queued_executors_are_in_the_queue",
    "the_queue_holds_queued_executors",
    "a_placed_executor_has_a_command",
    "a_living_placed_executor_is_on_its_hosts_books",
    "a_hosts_books_name_known_executors",
    "host_seq_covers_every_command",
    "accepted_never_exceeds_generation",
    "one_living_attempt_per_index",
    "a_closed_session_has_no_living_executor",
    "events_are_numbered_without_holes",
};

struct sim_known *
known_of(struct world *w, const struct id *id)
{
	for (size_t i = 0; i < w->known_count; i++) {
		if (id_equal(&w->known[i].id, id))
			return &w->known[i];
	}
	if (w->known_count == SIM_EXECUTORS_MAX) {
		world_violated(w, "more executors than this simulation has room for");
		return &w->known[0];
	}
	w->known[w->known_count] = (struct sim_known){.id = *id, .host = -1};
	return &w->known[w->known_count++];
}

/* ---- rows ---- */

/* "web0/1.2": session, index, attempt. */
static const char *
name_of(struct world *w, const struct sim_known *k)
{
	const char *name = arena_printf(w->arena, "%s/%u.%u", k->session, k->index, k->attempt);

	return name ? name : "?";
}

static void
row_goes_up(struct world *w, const struct sim_known *k, const struct store_executor *e)
{
	int before = executor_state_rank(k->state), after = executor_state_rank(e->state);

	if (e->generation < k->generation || e->accepted_generation < k->accepted ||
	    e->gone_generation < k->gone)
		world_violated(w, "I3 a counter of %s went down", name_of(w, k));
	if (executor_state_ended(k->state) && e->state != k->state)
		world_violated(w, "I3 %s ended %s and is %s", name_of(w, k),
		    executor_state_text(k->state), executor_state_text(e->state));
	if (!executor_state_ended(e->state) &&
	    (e->incarnation < k->incarnation ||
		(e->incarnation == k->incarnation && after < before)))
		world_violated(w, "I3 %s went back from %s/%u to %s/%u", name_of(w, k),
		    executor_state_text(k->state), k->incarnation, executor_state_text(e->state),
		    e->incarnation);
}

static const struct sim_host *
host_named(const struct world *w, const char *id)
{
	for (size_t i = 0; i < w->host_count; i++) {
		if (strcmp(w->hosts[i].id, id) == 0)
			return &w->hosts[i];
	}
	return NULL;
}

/* LOST because its host was silent for too long, or EXPIRED where nobody can tell: then there may
 * be two for a while, by the user's own choice of lost_after (K24). */
static bool
given_up(struct world *w, const struct store_executor *e)
{
	struct store_host host;
	struct err err = {0};

	if (e->state == EXECUTOR_LOST)
		return strcmp(e->reason, "host_lost") == 0;
	return e->state == EXECUTOR_EXPIRED && *e->host_id &&
	       store_host_get(w->store, e->host_id, w->arena, &host, &err) == 0 &&
	       host.state != HOST_READY;
}

/* K5: nobody is said to have lost what his journal still has; whose reports were wiped may have
 * forgotten it by right. */
static void
journal_lost_check(struct world *w, const struct sim_known *k, const struct store_executor *e)
{
	const struct sim_host *h = host_named(w, e->host_id);

	if (e->state == EXECUTOR_LOST && strcmp(e->reason, "journal_lost") == 0 && h &&
	    !k->unheard && !w->past &&
	    (k->placed_us > h->journal_since_us || h->journal_since_us == 0))
		world_violated(
		    w, "I7 %s is said journal_lost, and %s has its journal", name_of(w, k), h->id);
}

/* An end that a host saw is the end that there was, however often it was told. */
static void
end_true(struct world *w, const struct sim_known *k, const struct store_executor *e)
{
	bool seen = e->state == EXECUTOR_SUCCEEDED || e->state == EXECUTOR_FAILED ||
		    e->state == EXECUTOR_STOPPED;

	if (!seen || e->exit_code < 0)
		return; /* between two incarnations, or with its host */
	if (!k->exited || k->exit_code != e->exit_code)
		world_violated(w, "I7 %s is %s with %d, its process %s with %d", name_of(w, k),
		    executor_state_text(e->state), e->exit_code,
		    k->exited ? "ended" : "has not ended", k->exit_code);
}

/* Who was cancelled in the queue was nobody's loss. */
static bool
was_moved(const struct store_executor *e)
{
	return e->state != EXECUTOR_CANCELLED &&
	       (strcmp(e->stopped_for, "roll") == 0 || strcmp(e->stopped_for, "drain") == 0);
}

static void
row_seen(struct world *w, const struct store_executor *e)
{
	struct sim_known *k = known_of(w, &e->executor_id);

	if (!*k->session) {
		memcpy(k->session, e->session, strnlen(e->session, sizeof(k->session) - 1));
		k->index = e->index;
		k->attempt = e->attempt;
	} else {
		row_goes_up(w, k, e);
	}
	if (e->state != k->state)
		world_say(w, "row %s is %s on %s, %s", name_of(w, k), executor_state_text(e->state),
		    *e->host_id ? e->host_id : "-", e->reason);
	if (e->state != k->state)
		end_true(w, k, e);
	if (k->placed_us == 0 && *e->host_id)
		k->placed_us = w->now_us;
	k->generation = e->generation;
	k->accepted = e->accepted_generation;
	k->gone = e->gone_generation;
	k->incarnation = e->incarnation;
	k->state = e->state;
	k->revision = e->revision;
	k->taken = k->taken || e->state == EXECUTOR_RUNNING || executor_state_ended(e->state);
	k->moved = k->moved || was_moved(e);
	k->excused = k->excused || given_up(w, e);
	k->forgotten = k->forgotten || strcmp(e->reason, "restored") == 0;
	journal_lost_check(w, k, e);
}

static size_t
rows_load(struct world *w, struct store_executor **ret)
{
	const struct store_executor_query q = {.all = true, .limit = ROWS_MAX};
	struct err err = {0};
	size_t n = 0;

	*ret = NULL;
	if (store_executor_list(w->store, &q, w->arena, ret, &n, &err) != 0)
		world_violated(w, "list of executors: %s", err.text);
	return n;
}

/* ---- hosts ---- */

static void
hosts_check(struct world *w)
{
	struct store_host *rows = NULL;
	struct err err = {0};
	size_t n = 0;

	if (store_host_list(w->store, NULL, true, "", 100, w->arena, &rows, &n, &err) != 0)
		world_violated(w, "list of hosts: %s", err.text);
	for (size_t i = 0; i < n; i++) {
		const struct sim_host *h = host_named(w, rows[i].host_id);
		const struct resources nothing = {0};
		size_t at = host_index(h);

		if (rows[i].epoch < w->epochs[at] || rows[i].host_seq < w->host_seqs[at])
			world_violated(w, "I3 epoch or host_seq of %s went down", h->id);
		w->epochs[at] = rows[i].epoch;
		w->host_seqs[at] = rows[i].host_seq;
		if (!resources_fit(&rows[i].capacity, &rows[i].used, &nothing, NULL))
			world_violated(w, "I6 %s holds more than it has", h->id);
	}
}

static struct sim_session *
session_of(struct world *w, const struct sim_known *k)
{
	for (size_t i = 0; i < w->session_count; i++) {
		if (strcmp(w->sessions[i].name, k->session) == 0)
			return &w->sessions[i];
	}
	return NULL;
}

/* Its place is taken, or nobody wants it any more. */
static bool
place_taken(struct world *w, const struct sim_known *k, const struct sim_session *s)
{
	if (s->closed || k->stop_asked || k->index >= s->replicas || k->state == EXECUTOR_SUCCEEDED)
		return true;
	for (size_t i = 0; i < w->known_count; i++) {
		const struct sim_known *other = &w->known[i];

		if (other > k && other->taken && !other->forgotten && other->index == k->index &&
		    strcmp(other->session, k->session) == 0)
			return true;
	}
	return false;
}

/* Rollouts and drains of one session share one budget. */
static void
budget_check(struct world *w)
{
	unsigned used[SIM_SESSIONS_MAX] = {0};

	for (size_t i = 0; i < w->known_count; i++) {
		struct sim_known *k = &w->known[i];
		const struct sim_session *s =
		    k->moved && !k->replaced && !k->forgotten ? session_of(w, k) : NULL;
		size_t at;

		if (!s)
			continue;
		if (place_taken(w, k, s)) {
			k->replaced = true;
			continue;
		}
		at = (size_t)(s - w->sessions);
		if (++used[at] > s->max_unavailable && !w->hurries)
			world_violated(
			    w, "I8 more than %u of %s are moved", s->max_unavailable, s->name);
	}
}

static bool
is_always(const char *invariant)
{
	for (size_t i = 0; i < COUNT_OF(always); i++) {
		if (strcmp(always[i], invariant) == 0)
			return true;
	}
	return false;
}

static void
verify(struct world *w, bool quiet)
{
	struct store_violation *rows = NULL;
	struct err err = {0};
	size_t n = 0;

	if (store_verify(w->store, w->arena, &rows, &n, &err) != 0)
		world_violated(w, "verify: %s", err.text);
	for (size_t i = 0; i < n; i++) {
		if (quiet || is_always(rows[i].invariant))
			world_violated(w, "I6 %s: %s", rows[i].invariant, rows[i].detail);
	}
}

/* ---- processes ---- */

static void
check_alone(struct world *w, const struct sim_known *k, const struct sim_host *h)
{
	for (size_t i = 0; i < h->process_count; i++) {
		const struct sim_known *other = known_of(w, &h->processes[i].id);
		const struct sim_known *older = other < k ? other : k;

		if (other == k || !h->processes[i].alive || other->index != k->index ||
		    strcmp(other->session, k->session) != 0)
			continue;
		if (!older->excused && !k->forgotten && !other->forgotten)
			world_violated(w, "I2 %s starts while %s lives on %s", name_of(w, k),
			    name_of(w, other), h->id);
	}
}

/* A process begins: the first of its incarnation, where the rows say, and its predecessor is over
 * or was given up. */
void
check_started(struct sim_host *h, const struct sim_process *p)
{
	struct world *w = h->world;
	struct sim_known *k = known_of(w, &p->id);
	struct store_executor row;
	struct err err = {0};

	if (store_executor_get(w->store, &p->id, w->arena, &row, &err) == 0)
		row_seen(w, &row);
	else if (!k->forgotten)
		world_violated(w, "I1 %s starts what nobody ordered: %s", h->id, err.text);
	if (!k->forgotten && strcmp(row.host_id, h->id) != 0)
		world_violated(w, "I1 %s starts on %s and is %s on %s", name_of(w, k), h->id,
		    executor_state_text(row.state), *row.host_id ? row.host_id : "no host");
	if (k->host >= 0 && (size_t)k->host != host_index(h))
		world_violated(w, "I1 %s runs on a second host, %s", name_of(w, k), h->id);
	if (p->incarnation <= k->started)
		world_violated(w, "I1 incarnation %u of %s starts a second time", p->incarnation,
		    name_of(w, k));
	k->host = (int)host_index(h);
	k->started = p->incarnation;
	k->exited = false;
	for (size_t i = 0; i < w->host_count; i++)
		check_alone(w, k, &w->hosts[i]);
}

/* K24, from outside: who was not answered for so long has stopped it, counted from the sending of
 * the newest question that was answered. */
static void
check_contact(struct world *w, const struct sim_host *h, const struct sim_process *p)
{
	int64_t from = h->contact_us + p->stop_on_host_after_ms * MS_US;

	if (!p->alive || p->stop_on_host_after_ms == 0 || !h->agent)
		return;
	if (from < h->up_us)
		from = h->up_us;
	if (from < p->started_us)
		from = p->started_us;
	if (w->now_us > from + p->grace_ms * MS_US + K24_SLACK_US)
		world_violated(w, "K24 %s runs on %s, unanswered for %lld ms",
		    name_of(w, known_of(w, &p->id)), h->id,
		    (long long)((w->now_us - h->contact_us) / MS_US));
}

void
check_step(struct world *w)
{
	struct store_executor *rows;
	size_t n;

	for (size_t i = 0; i < w->host_count; i++) {
		for (size_t k = 0; k < w->hosts[i].process_count; k++)
			check_contact(w, &w->hosts[i], &w->hosts[i].processes[k]);
	}
	if (!w->rows_changed)
		return;
	w->rows_changed = false;
	n = rows_load(w, &rows);
	for (size_t i = 0; i < n; i++)
		row_seen(w, &rows[i]);
	hosts_check(w);
	budget_check(w);
	verify(w, false);
}

/* ---- the end ---- */

/* Who is queued waits for room, and for nothing else. */
static bool
room_left(struct world *w)
{
	struct store_host row;
	struct err err = {0};

	for (size_t i = 0; i < w->host_count; i++) {
		if (store_host_get(w->store, w->hosts[i].id, w->arena, &row, &err) == 0 &&
		    row.used.slots < row.capacity.slots)
			return true;
	}
	return false;
}

static void
end_row(struct world *w, const struct store_executor *e)
{
	const struct sim_known *k = known_of(w, &e->executor_id);
	struct sim_host *h = (struct sim_host *)(uintptr_t)host_named(w, e->host_id);
	const struct sim_process *p = h ? host_process(h, &e->executor_id) : NULL;
	if (e->state == EXECUTOR_QUEUED && !room_left(w))
		return;
	if (!executor_state_ended(e->state)) {
		if (e->state != EXECUTOR_RUNNING || !p || !p->alive ||
		    p->incarnation != e->incarnation)
			world_violated(w, "I4 %s is %s/%u on %s, desired %d, its process %s",
			    name_of(w, k), executor_state_text(e->state), e->incarnation,
			    h ? h->id : "no host", (int)e->desired,
			    !p         ? "is not there"
			    : p->alive ? "is another"
				       : "ended");
		return;
	}
	if (p)
		world_violated(w, "I4 %s is %s, its process is still on %s", name_of(w, k),
		    executor_state_text(e->state), h->id);
	if (h && e->gone_generation < e->generation)
		world_violated(w, "I4 %s is %s and not gone from %s", name_of(w, k),
		    executor_state_text(e->state), h->id);
}

/* The host's records and the rows say the same (K19). */
static void
end_digest(struct world *w, const struct sim_host *h, const struct store_executor *rows, size_t n)
{
	struct digest ours = {0, 0}, theirs = {0, 0};

	for (size_t i = 0; i < n; i++) {
		const struct store_executor *e = &rows[i];
		const struct record *r = agent_record(h->agent, &e->executor_id);

		if (strcmp(e->host_id, h->id) == 0 && e->accepted_generation > 0 &&
		    e->gone_generation < e->generation)
			digest_add(&ours, &e->executor_id, e->accepted_generation, e->incarnation,
			    executor_state_rank(e->state));
		if (r && !r->gone_generation)
			digest_add(&theirs, &r->executor_id, r->accepted_generation, r->incarnation,
			    executor_state_rank(r->state));
	}
	if (ours.count != theirs.count || ours.sum != theirs.sum ||
	    theirs.count != agent_record_count(h->agent))
		world_violated(w, "I4 %s has %zu records, rows say %llu", h->id,
		    agent_record_count(h->agent), (unsigned long long)ours.count);
}

static void
end_host(struct world *w, const struct sim_host *h, const struct store_executor *rows, size_t n)
{
	struct store_host row;
	struct err err = {0};

	if (!h->agent) {
		world_violated(w, "I5 the agent of %s has left", h->id);
		return;
	}
	if (store_host_get(w->store, h->id, w->arena, &row, &err) != 0) {
		world_violated(w, "I5 %s: %s", h->id, err.text);
		return;
	}
	if (row.state != HOST_READY)
		world_violated(w, "I5 %s is in state %d", h->id, (int)row.state);
	if (agent_contiguous_seq(h->agent) != row.host_seq)
		world_violated(w, "I9 %s is at %llu of %llu", h->id,
		    (unsigned long long)agent_contiguous_seq(h->agent),
		    (unsigned long long)row.host_seq);
	for (size_t i = 0; i < h->process_count; i++) {
		if (!agent_record(h->agent, &h->processes[i].id))
			world_violated(w, "I4 %s holds a process without a record", h->id);
	}
	end_digest(w, h, rows, n);
}

/* Every index that was asked for has an executor that runs, or ended as its policy lets it; what
 * retention has removed is remembered here. */
static void
end_index(struct world *w, const struct sim_session *s, uint64_t revision, uint32_t index)
{
	const struct sim_known *newest = NULL;

	for (size_t i = 0; i < w->known_count; i++) {
		const struct sim_known *k = &w->known[i];

		if (strcmp(k->session, s->name) == 0 && k->index == index && !k->forgotten)
			newest = k; /* they are known in the order in which they were made */
	}
	if (newest && newest->state == EXECUTOR_RUNNING && newest->revision != revision &&
	    room_left(w))
		world_violated(w, "I5 %s runs an old template", name_of(w, newest));
	if (newest && (newest->state == EXECUTOR_RUNNING || newest->stop_asked ||
			  newest->state == EXECUTOR_SUCCEEDED ||
			  (newest->state == EXECUTOR_QUEUED && !room_left(w)) ||
			  (newest->state == EXECUTOR_FAILED && !s->restarts)))
		return;
	world_violated(w, "I5 %s/%u: attempt %u is %s", s->name, index,
	    newest ? newest->attempt : 0, newest ? executor_state_text(newest->state) : "nowhere");
}

static void
end_session(struct world *w, const struct sim_session *s)
{
	struct store_session row;
	struct err err = {0};

	if (store_session_get(w->store, s->name, w->arena, &row, &err) != 0) {
		if (!s->closed)
			world_violated(w, "I5 session %s: %s", s->name, err.text);
		return;
	}
	if (s->closed && row.state != SESSION_CLOSED)
		world_violated(w, "I5 session %s does not close", s->name);
	for (uint32_t i = 0; i < s->replicas && !s->closed; i++)
		end_index(w, s, row.template_revision, i);
	for (size_t i = 0; i < w->known_count && !s->closed; i++) {
		const struct sim_known *k = &w->known[i];

		if (k->index >= s->replicas && strcmp(k->session, s->name) == 0 && !k->forgotten &&
		    !executor_state_ended(k->state))
			world_violated(w, "I5 %s is one too many", name_of(w, k));
	}
	if (row.rolling && room_left(w) && !s->closed)
		world_violated(w, "I5 the rollout of %s does not end: %s", s->name,
		    *row.rollout_paused ? row.rollout_paused : "it is not paused");
}

void
check_end(struct world *w)
{
	struct store_executor *rows;
	size_t n;

	arena_reset(w->arena);
	n = rows_load(w, &rows);
	for (size_t i = 0; i < n; i++)
		end_row(w, &rows[i]);
	for (size_t i = 0; i < w->host_count; i++)
		end_host(w, &w->hosts[i], rows, n);
	for (size_t i = 0; i < w->session_count; i++)
		end_session(w, &w->sessions[i]);
	if (w->streams.reports)
		world_violated(w, "I5 %zu reports were never joined", stream_report_count(w));
	verify(w, true);
}
