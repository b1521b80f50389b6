/* agent_sync: commands as they come, and what was missed, page by page (K10, K11). */
#include "agent_bounds.h"
#include "agent_private.h"

#include <string.h>

#include "clock.h"
#include "codec.h"
#include "err.h"
#include "mutant.h"

#define LAG_US SECOND_US
#define TERM_SHIFT 40

static void
sync_ask(struct agent *a)
{
	if (a->sync_active)
		return; /* its as_of_seq may be too old for what is missed now: another one follows
			 */
	a->want_sync = false;
	if (!a->answered || a->want_hello)
		return; /* the answer to the hello brings a sync */
	a->sync_active = true;
	a->sync_base_seq = a->meta.contiguous_seq;
	a->sync_as_of_seq = 0;
	a->sync_after = (struct id){0};
	a->send_sync = true;
}

void
sync_cancel(struct agent *a)
{
	a->sync_active = a->send_sync = false;
	a->sync_deadline_us = NEVER;
	a->sync_nonce = (struct id){0};
}

static void
advance_through_pending(struct agent *a)
{
	struct records_meta *m = &a->meta;
	size_t drop = 0;

	while (drop < m->pending_count && m->pending[drop] <= m->contiguous_seq + 1) {
		if (m->pending[drop] > m->contiguous_seq)
			m->contiguous_seq = m->pending[drop];
		drop++;
	}
	m->pending_count -= drop;
	memmove(m->pending, m->pending + drop, m->pending_count * sizeof(m->pending[0]));
}

void
sync_raise(struct agent *a, uint64_t host_seq)
{
	uint64_t before = a->meta.contiguous_seq;

	if (host_seq > a->meta.contiguous_seq)
		a->meta.contiguous_seq = host_seq;
	advance_through_pending(a);
	if (a->meta.contiguous_seq != before) {
		a->meta_dirty = true;
		a->scan = true; /* a tombstone may be forgotten now (K9) */
	}
	if (a->meta.contiguous_seq >= a->target_seq)
		a->lag_since_us = 0;
}

/* host_seq exists at the control plane; a lag of more than a second means sync. */
void
sync_target(struct agent *a, uint64_t host_seq)
{
	if (host_seq > a->target_seq)
		a->target_seq = host_seq;
	if (a->target_seq <= a->meta.contiguous_seq)
		a->lag_since_us = 0;
	else if (a->lag_since_us == 0)
		a->lag_since_us = agent_now(a);
	if (a->target_seq >> TERM_SHIFT != a->meta.contiguous_seq >> TERM_SHIFT &&
	    a->target_seq > a->meta.contiguous_seq)
		a->want_sync = true; /* a new term does not count on from the old one */
}

/* The item of this number is journaled; numbers between may still be missing. */
static void
sync_seen(struct agent *a, uint64_t host_seq)
{
	struct records_meta *m = &a->meta;
	size_t at = m->pending_count;

	if (host_seq <= m->contiguous_seq)
		return;
	while (at > 0 && m->pending[at - 1] > host_seq)
		at--;
	if (at > 0 && m->pending[at - 1] == host_seq)
		return;
	if (m->pending_count == RECORDS_PENDING_MAX) {
		a->want_sync = true;
		return;
	}
	memmove(
	    m->pending + at + 1, m->pending + at, (m->pending_count - at) * sizeof(m->pending[0]));
	m->pending[at] = host_seq;
	m->pending_count++;
	a->meta_dirty = true;
	sync_raise(a, 0);
	sync_target(a, host_seq);
}

/* C11: the stream says which message came before this one on our subject. */
static void
check_gap(struct agent *a, uint64_t stream_seq, uint64_t last_seq)
{
	if (stream_seq == 0)
		return;
	if (a->stream_seq != 0 && stream_seq != a->stream_seq && last_seq != a->stream_seq) {
		a->stats.gaps++;
		a->want_sync = true;
		agent_note(a, false, "command.gap", NULL, "messages are missing, asking for sync");
	}
	a->stream_seq = stream_seq;
}

static const char *
refusal(const struct agent *a, const Fairlead__V1__Command *m)
{
	if (!a->answered)
		return "no hello was answered yet"; /* K3 */
	if (a->leaving)
		return "this agent is leaving";
	if (strcmp(m->host_id, a->config.host_id) != 0)
		return "it is for another host";
	if (m->journal_id.len != ID_BYTES ||
	    memcmp(m->journal_id.data, a->meta.journal_id.bytes, ID_BYTES) != 0)
		return "it is for another journal"; /* K25 */
	if (m->n_items == 0 || m->n_items > COMMAND_ITEMS_MAX || m->host_seq == 0)
		return "it has no number, no items, or too many";
	return NULL;
}

void
sync_command(
    struct agent *a, const Fairlead__V1__Command *m, uint64_t stream_seq, uint64_t last_seq)
{
	const char *why = refusal(a, m);

	check_gap(a, stream_seq, last_seq);
	if (why) {
		a->stats.refused_messages++;
		agent_note(a, true, "command.refused", NULL, why);
		return;
	}
	a->stats.commands++;
	for (size_t i = 0; i < m->n_items; i++)
		take_item(
		    a, m->items[i], m->items[i]->host_seq ? m->items[i]->host_seq : m->host_seq);
	sync_seen(a, m->host_seq);
}

/* Tombstones of a hello answer wait for the number that was current after it (K6, K9). */
static void
resolve_unknown_seqs(struct agent *a, uint64_t as_of_seq)
{
	for (struct entry *e = a->entries; e; e = e->hh.next) {
		if (e->r.absent_seq != RECORD_SEQ_UNKNOWN)
			continue;
		e->r.absent_seq = as_of_seq;
		e->dirty = true;
		a->meta_dirty = a->scan = true;
	}
}

/* A planted defect: see mutant.h. */
static void
absent_unnamed(struct agent *a, const Fairlead__V1__SyncAnswer *m)
{
	for (struct entry *e = a->entries; e; e = e->hh.next) {
		bool named = false;

		for (size_t i = 0; i < m->n_items; i++)
			named = named || memcmp(m->items[i]->executor_id.data,
					     e->r.executor_id.bytes, ID_BYTES) == 0;
		if (!named)
			take_absent(a, &e->r.executor_id, e->r.accepted_generation + 1,
			    a->sync_as_of_seq, 0);
	}
}

static void
last_page(struct agent *a)
{
	uint64_t as_of_seq = a->sync_as_of_seq;

	sync_cancel(a);
	resolve_unknown_seqs(a, as_of_seq);
	sync_raise(a, as_of_seq);
	session_boot_known(a);
	if (a->target_seq > a->meta.contiguous_seq)
		a->lag_since_us = agent_now(a);
}

void
sync_answer(struct agent *a, const Fairlead__V1__SyncAnswer *m)
{
	struct err ignored;

	if (!a->sync_active || id_is_zero(&a->sync_nonce) || m->nonce_id.len != ID_BYTES ||
	    memcmp(m->nonce_id.data, a->sync_nonce.bytes, ID_BYTES) != 0) {
		a->stats.refused_messages++;
		return;
	}
	a->sync_nonce = (struct id){0};
	if (m->verdict == FAIRLEAD__V1__SYNC_VERDICT__SYNC_HELLO_REQUIRED) {
		session_hello_required(a);
		return;
	}
	if (m->verdict != FAIRLEAD__V1__SYNC_VERDICT__SYNC_PAGE || (m->n_items == 0 && !m->last)) {
		a->stats.refused_messages++;
		return; /* the page times out and the sync starts again */
	}
	a->stats.sync_pages++;
	session_cp_now(a, m->cp_now_us);
	contact_heard(a, a->sync_sent_us);
	if (a->sync_as_of_seq == 0)
		a->sync_as_of_seq = m->as_of_seq;
	for (size_t i = 0; i < m->n_items; i++)
		take_item(a, m->items[i],
		    MUTANT(run_by_as_of_seq) ? a->sync_as_of_seq : m->items[i]->host_seq);
	if (MUTANT(contiguous_before_last_page))
		sync_raise(a, a->sync_as_of_seq);
	if (MUTANT(absence_is_an_order))
		absent_unnamed(a, m);
	if (m->last) {
		last_page(a);
		return;
	}
	if (wire_id(&m->items[m->n_items - 1]->executor_id, "items.executor_id", &a->sync_after,
		&ignored) < 0) {
		sync_cancel(a);
		a->want_sync = true;
		return;
	}
	a->send_sync = true;
}

void
sync_due(struct agent *a)
{
	int64_t now = agent_now(a);

	if (!a->connected || a->leaving)
		return;
	if (a->sync_active && now >= a->sync_deadline_us) {
		sync_cancel(a);
		a->want_sync = true;
	}
	if (a->lag_since_us != 0 && now >= a->lag_since_us + LAG_US && !a->sync_active) {
		a->want_sync = true;
		a->lag_since_us = now;
	}
	if (a->want_sync)
		sync_ask(a);
}

void
sync_emit(struct agent *a)
{
	Fairlead__V1__SyncRequest *m = effects_alloc(a->out, sizeof(*m));

	fairlead__v1__sync_request__init(m);
	a->send_sync = false;
	a->sync_nonce = id_new();
	a->sync_sent_us = agent_now(a);
	a->sync_deadline_us = a->sync_sent_us + SYNC_TIMEOUT_MS * MS_US;
	m->host_id = effects_copy(a->out, a->config.host_id);
	m->epoch = a->epoch;
	m->contiguous_seq = a->sync_base_seq;
	m->as_of_seq = a->sync_as_of_seq;
	m->nonce_id = effects_id(a->out, &a->sync_nonce);
	if (!id_is_zero(&a->sync_after))
		m->after_executor_id = effects_id(a->out, &a->sync_after);
	effects_add(a->out, AGENT_SEND_SYNC)->u.sync = m;
	a->stats.syncs++;
}

int64_t
sync_deadline(const struct agent *a)
{
	int64_t at = NEVER;

	if (!a->connected || a->leaving)
		return NEVER;
	if (a->sync_active && a->sync_deadline_us < at)
		at = a->sync_deadline_us;
	if (a->lag_since_us != 0 && !a->sync_active && a->answered && !a->want_hello &&
	    a->lag_since_us + LAG_US < at)
		at = a->lag_since_us + LAG_US;
	return at;
}
