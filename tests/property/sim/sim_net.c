/* sim_net: messages that vanish, come twice, late and out of order; two streams that keep what they
 * acknowledged until somebody wipes them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "codec.h"
#include "err.h"
#include "sim.h"
#include "subjects.h"

#include "fairlead/v1/host.pb-c.h"

#define ACK_WAIT_US (15 * SECOND_US)
#define TOLD_MAX 64

static int64_t
hop_us(struct world *w)
{
	int64_t us = world_between(w, 200, 5000);

	if (world_fault(w, w->overtake))
		us += world_between(w, 0, 3 * SECOND_US); /* others overtake it */
	if (world_fault(w, w->hold))
		us += world_between(w, 5 * SECOND_US, 70 * SECOND_US);
	return us;
}

static struct bus_msg *
copy(const struct bus_msg *m)
{
	struct bus_msg *c = bus_msg_copy(m);

	if (!c)
		abort();
	return c;
}

void
net_send_take(struct world *w, void (*fn)(struct world *w, struct sim_event *e), void *who,
    uint64_t number, int64_t sent_us, struct bus_msg *msg)
{
	unsigned copies = world_fault(w, w->lose) ? 0 : world_fault(w, w->repeat) ? 2 : 1;

	for (; msg && copies > 0; copies--) {
		struct sim_event *e = world_at(w, hop_us(w), fn, who, number);

		e->sent_us = sent_us;
		e->msg = copy(msg);
	}
	bus_msg_free(msg);
}

struct bus_msg *
net_copy(struct world *w, const struct bus_out *out)
{
	struct bus_msg view = bus_msg_of(w->bus, out);
	struct bus_msg *m = bus_msg_flat(w->bus, &view, NULL, NULL, 0);

	if (!m)
		abort();
	return m;
}

struct bus_msg *
net_encode(struct world *w, const struct courier_message *m)
{
	struct bus_out out;
	struct err err = {0};

	if (courier_encode(m, w->arena, &out, &err) != 0) {
		world_violated(w, "cannot be encoded: %s", err.text);
		return NULL;
	}
	return net_copy(w, &out);
}

/* ---- what hubs say unasked ---- */

static void
passed_on(void *arg, const struct bus_msg *m)
{
	struct world *w = arg;
	struct subject_match match;
	struct err err = {0};

	if (subject_parse(SIM_PREFIX, bus_msg_subject(m), &match, &err) != 0)
		abort();
	for (size_t i = 0; i < w->host_count; i++) {
		if (strcmp(w->hosts[i].id, match.tokens[0]) == 0)
			net_send_take(w, host_told, &w->hosts[i], 0, w->now_us, copy(m));
	}
}

void
net_init(struct world *w)
{
	struct err err = {0};

	w->bus = bus_memory_new(&w->clock.clock, true);
	if (!w->bus || bus_subscribe(w->bus, SIM_PREFIX ".live.*", NULL, TOLD_MAX, passed_on, w,
			   &w->told, &err) != 0)
		abort();
}

void
net_done(struct world *w)
{
	bus_unsubscribe(w->told);
	bus_free(w->bus);
}

void
net_pass_on(struct world *w)
{
	while (bus_memory_step(w->bus))
		;
}

/* ---- FL_COMMANDS: stores, and republishes what it stored, once per Msg-Id ---- */

static bool
seen_before(struct sim_streams *s, const char *msg_id)
{
	struct sim_seen *known;

	for (known = s->seen; known; known = known->next) {
		if (strcmp(known->msg_id, msg_id) == 0)
			return true;
	}
	known = calloc(1, sizeof(*known));
	if (!known)
		abort();
	snprintf(known->msg_id, sizeof(known->msg_id), "%s", msg_id);
	known->next = s->seen;
	s->seen = known;
	return false;
}

/* What was republished before a wipe arrives all the same, as long as it was already out. */
void
stream_command(struct world *w, const struct bus_out *out, size_t host)
{
	struct sim_streams *s = &w->streams;
	char seq[24], last[24];
	const struct bus_header more[] = {{"Nats-Sequence", seq}, {"Nats-Last-Sequence", last}};
	struct bus_msg view = bus_msg_of(w->bus, out);

	if (seen_before(s, out->msg_id))
		return;
	s->command_seq++;
	snprintf(seq, sizeof(seq), "%llu", (unsigned long long)s->command_seq);
	snprintf(last, sizeof(last), "%llu", (unsigned long long)s->last_seq[host]);
	s->last_seq[host] = s->command_seq;
	net_send_take(w, host_live, &w->hosts[host], s->commands_generation, w->now_us,
	    bus_msg_flat(w->bus, &view, NULL, more, COUNT_OF(more)));
}

void
stream_wipe_commands(struct world *w)
{
	struct sim_streams *s = &w->streams;

	while (s->seen) {
		struct sim_seen *known = s->seen;

		s->seen = known->next;
		free(known);
	}
	s->command_seq = 0;
	memset(s->last_seq, 0, sizeof(s->last_seq));
	s->commands_generation++;
}

/* ---- FL_REPORTS: keeps until acknowledged, delivers again after the wait ---- */

void
stream_report_take(struct world *w, struct bus_msg *msg)
{
	struct sim_report *r = calloc(1, sizeof(*r)), **end = &w->streams.reports;

	if (!r)
		abort();
	r->msg = msg;
	r->seq = ++w->streams.report_seq;
	while (*end)
		end = &(*end)->next;
	*end = r;
}

size_t
stream_fetch(struct world *w, struct bus_msg **ret, uint64_t *ret_seqs, size_t n)
{
	size_t got = 0;

	for (struct sim_report *r = w->streams.reports; r && got < n; r = r->next) {
		if (r->not_before_us > w->now_us || world_fault(w, 200))
			continue;
		r->not_before_us = w->now_us + ACK_WAIT_US;
		ret_seqs[got] = r->seq;
		ret[got++] = r->msg;
	}
	return got;
}

void
stream_ack(struct world *w, uint64_t seq)
{
	struct sim_report **at = &w->streams.reports;

	while (*at && (*at)->seq != seq)
		at = &(*at)->next;
	if (*at) {
		struct sim_report *r = *at;

		*at = r->next;
		bus_msg_free(r->msg);
		free(r);
	}
}

/* Who is in a report that nobody will join may be gone without an end (K19). */
static void
unheard(struct world *w, const struct bus_msg *m)
{
	ProtobufCMessage *message;
	const Fairlead__V1__Report *r;
	struct err err = {0};
	struct id id;

	if (courier_decode(m, &fairlead__v1__report__descriptor, w->arena, &message, &err) != 0)
		return;
	r = (const Fairlead__V1__Report *)message;
	for (size_t i = 0; i < r->n_executors; i++) {
		if (wire_id(&r->executors[i]->executor_id, "executor_id", &id, &err) == 0)
			known_of(w, &id)->unheard = true;
	}
}

/* Sequences go on: an acknowledgement of a forgotten message must not hit another one. */
void
stream_wipe_reports(struct world *w)
{
	while (w->streams.reports) {
		unheard(w, w->streams.reports->msg);
		stream_ack(w, w->streams.reports->seq);
	}
}

size_t
stream_report_count(const struct world *w)
{
	size_t n = 0;

	for (const struct sim_report *r = w->streams.reports; r; r = r->next)
		n++;
	return n;
}
