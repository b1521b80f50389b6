#include "intake.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "arena.h"
#include "bus.h"
#include "clock.h"
#include "crash.h"
#include "dead_letter.h"
#include "err.h"
#include "hub.h"
#include "hub_bounds.h"
#include "hub_metrics.h"
#include "intake_unit.h"
#include "log.h"
#include "mailbox.h"
#include "store.h"
#include "streams.h"
#include "worker.h"

#define FETCH_TIMEOUT_MS 100
/* A fetch asks for what is there and hears when that is all: only a full one leaves more behind. */
#define FETCH_MORE_MS 20
#define JOIN_ARENA_BYTES_MAX (16u * 1024 * 1024)

struct intake {
	struct hub *hub;
	struct mailbox *to_commit, *to_ack; /* struct intake_unit */
	/* While one commit waits for the disk or the network, the next one runs.  Batches are
	 * sorted, and joins of different batches commute, as those of several hubs do. */
	struct worker *fetcher, *committers[COMMITTERS], *acker;
	atomic_bool store_away;   /* stop fetching: what is fetched cannot be committed (K18) */
	struct bus_msg **fetched; /* the fetcher's own, and: */
	bool stalled;             /* a stop was asked for, and nothing is committed */
};

/* ---- fetch ---- */

/* A message that can never be committed.  Kept un-acknowledged when even FL_DEAD is away: it comes
 * again. */
static void
poison(struct intake *s, struct bus_msg *m, const struct err *why)
{
	struct err err = {0};

	if (dead_letter_put(s->hub, m, why, &err) != 0 || bus_msg_term(m, &err) != 0) {
		struct err ignored = {0};

		log_warn("report.dead_letter_failed", LOG_STR("subject", bus_msg_subject(m)),
		    LOG_ERR(&err));
		if (bus_msg_nak(m, NAK_DELAY_MS, &ignored) != 0)
			log_debug("report.nak_failed", LOG_ERR(&ignored));
		return;
	}
	crash_point("hub.dead_letter.after_term");
}

static void
unit_nak(struct intake_unit *u)
{
	struct err err = {0};

	for (size_t i = 0; i < u->msg_count; i++) {
		if (u->msgs[i] && bus_msg_nak(u->msgs[i], NAK_DELAY_MS, &err) != 0)
			log_debug("report.nak_failed", LOG_ERR(&err));
	}
}

/* What is not committed here is another hub's, or comes again. */
static void
unit_give_back_take(void *item)
{
	struct intake_unit *u = item;

	unit_nak(u);
	intake_unit_free(u);
}

static void
unit_send(struct intake *s, struct worker *w, struct intake_unit *u)
{
	struct err err = {0};

	intake_unit_fold(u, 0, u->msg_count);
	if (mailbox_depth(s->to_commit) >= UNITS_AHEAD)
		hub_metrics_queue_full(s->hub->metrics, HUB_QUEUE_REPORTS_AHEAD);
	/* The commit threads go on, unless Postgres stalls: a stop waits for that once, however
	 * many units there still are. */
	while (s->stalled || mailbox_put_wait(s->to_commit, u, FETCH_RETRY_MS, &err) != 0) {
		s->stalled = worker_stopping(w);
		if (s->stalled) {
			unit_give_back_take(u);
			return;
		}
	}
}

/* A unit's memory is for whoever comes first: who finds it used up gets a unit alone before it is
 * called poison. */
static int
unit_add_take(struct intake *s, struct worker *w, struct bus_msg *m, struct intake_unit **unit,
    struct err *why)
{
	if (intake_unit_add_take(*unit, s->hub->settings.prefix, m, why) == 0)
		return 0;
	if (why->kind != ERR_LIMIT || (*unit)->tries <= 1)
		return -1;
	if ((*unit)->msg_count > 0)
		unit_send(s, w, *unit);
	else
		intake_unit_free(*unit);
	*unit = intake_unit_new(s->hub->settings.report_batch);
	if (!*unit)
		return err_set(why, ERR_INTERNAL, "no memory for a batch of reports");
	return intake_unit_add_take(*unit, s->hub->settings.prefix, m, why);
}

/* Puts one message into the unit under way, and sends the unit when it is full. */
static int
unit_fill_take(struct intake *s, struct worker *w, struct bus_msg *m, struct intake_unit **unit,
    struct err *err)
{
	size_t batch = s->hub->settings.report_batch;
	struct err why = {0};

	if (bus_msg_delivered(m) > 1)
		hub_metrics_redelivered(s->hub->metrics);
	if (!*unit)
		*unit = intake_unit_new(batch);
	if (!*unit) {
		bus_msg_free(m); /* not acknowledged: it comes again */
		return err_set(err, ERR_INTERNAL, "no memory for a batch of reports");
	}
	if (unit_add_take(s, w, m, unit, &why) != 0 || !*unit) {
		if (why.kind != ERR_INTERNAL)
			poison(s, m, &why);
		bus_msg_free(m); /* what is no poison comes again */
		return 0;
	}
	if ((*unit)->raw_count >= batch || (*unit)->msg_count >= batch) {
		unit_send(s, w, *unit);
		*unit = NULL;
	}
	return 0;
}

/* One fetch; a unit is sent when it is full, or when the stream runs short: no linger. */
static int
fetch_once(struct intake *s, struct worker *w, struct bus_pull *pull, struct intake_unit **unit,
    struct err *err)
{
	size_t n = 0;
	int r = 0;

	if (bus_pull_fetch(pull, FETCH_MESSAGES, *unit ? FETCH_MORE_MS : FETCH_TIMEOUT_MS,
		s->fetched, &n, err) != 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (unit_fill_take(s, w, s->fetched[i], unit, err) != 0)
			r = -1;
	}
	if (n < FETCH_MESSAGES && *unit) {
		unit_send(s, w, *unit);
		*unit = NULL;
	}
	return r;
}

/* Binds, making what is missing again (K12).  NULL while the worker is to stop. */
static struct bus_pull *
pull_bind(struct intake *s, struct worker *w)
{
	struct bus_pull *pull;
	struct err err = {0};

	do {
		if (bus_pull_bind(
			s->hub->intake_bus, STREAM_REPORTS, CONSUMER_HUB_REPORTS, &pull, &err) == 0)
			return pull;
		log_warn("intake.bind_failed", LOG_ERR(&err));
		if (streams_ensure(
			s->hub->bus, s->hub->settings.prefix, s->hub->settings.replicas, &err) != 0)
			log_warn("intake.ensure_failed", LOG_ERR(&err));
	} while (worker_wait(w, FETCH_RETRY_MS));
	return NULL;
}

static void
fetcher(struct worker *w, void *arg)
{
	struct intake *s = arg;
	struct bus_pull *pull = pull_bind(s, w);
	struct intake_unit *unit = NULL;
	struct err err = {0};

	while (pull && !worker_stopping(w)) {
		if (atomic_load(&s->store_away)) {
			worker_wait(w, FETCH_RETRY_MS);
			continue;
		}
		if (fetch_once(s, w, pull, &unit, &err) == 0)
			continue;
		log_debug("intake.fetch_failed", LOG_ERR(&err));
		worker_wait(w, FETCH_RETRY_MS);
		if (err.kind == ERR_NOT_FOUND || err.kind == ERR_UNAVAILABLE) {
			bus_pull_free(pull);
			pull = pull_bind(s, w);
		}
	}
	if (unit)
		unit_send(s, w, unit);
	bus_pull_free(pull);
}

/* ---- commit ---- */

static void
joined(struct intake *s, const struct intake_unit *u, size_t n, const struct store_join_result *r,
    int64_t took_us)
{
	hub_metrics_batch(s->hub->metrics, &(struct hub_batch){.messages = n,
					       .transitions = u->folded_count,
					       .applied = r->applied,
					       .superseded = r->superseded,
					       .accepted = r->accepted,
					       .rejected = r->rejected,
					       .took_us = took_us});
	for (size_t i = 0; i < r->pool_count; i++)
		hub_nudge(s->hub, r->pools[i]);
}

static int
join_folded(struct intake *s, struct store *store, struct intake_unit *u, size_t n, struct arena *a,
    struct err *err)
{
	int64_t from = clock_mono_us(clock_system());
	struct store_join_result r = {0};

	arena_reset(a);
	crash_point("hub.report.before_commit");
	if (u->folded_count > 0 &&
	    store_executor_join(store, u->folded, u->folded_count, a, &r, err) != 0)
		return -1;
	crash_point("hub.report.after_commit");
	joined(s, u, n, &r, clock_mono_us(clock_system()) - from);
	return 0;
}

/* The database refuses the data itself: halves, until the message that is refused alone is found.
 */
static int
join_bisected(struct intake *s, struct store *store, struct intake_unit *u, size_t first, size_t n,
    struct arena *a, struct err *err)
{
	intake_unit_fold(u, first, n);
	if (join_folded(s, store, u, n, a, err) == 0)
		return 0;
	if (err->kind != ERR_INVALID && err->kind != ERR_LIMIT)
		return -1;
	if (n == 1) {
		poison(s, u->msgs[first], err);
		bus_msg_free(TAKE(u->msgs[first]));
		return 0;
	}
	if (join_bisected(s, store, u, first, n / 2, a, err) != 0)
		return -1;
	return join_bisected(s, store, u, first + n / 2, n - n / 2, a, err);
}

/* Waits until the database answers; fetching stands still meanwhile. */
static void
wait_for_store(struct intake *s, struct worker *w, struct store *store, const struct err *why)
{
	struct err err = *why;
	int64_t now_us;

	atomic_store(&s->store_away, true);
	log_warn("intake.store_away", LOG_ERR(why));
	while (worker_wait(w, FETCH_RETRY_MS) && store_ping(store, &now_us, &err) != 0)
		log_debug("intake.store_still_away", LOG_ERR(&err));
	atomic_store(&s->store_away, false);
}

static int
unit_commit(
    struct intake *s, struct worker *w, struct store *store, struct intake_unit *u, struct arena *a)
{
	struct err err = {0};
	int r = join_folded(s, store, u, u->msg_count, a, &err);

	if (r != 0 && (err.kind == ERR_INVALID || err.kind == ERR_LIMIT) && u->msg_count > 0)
		r = join_bisected(s, store, u, 0, u->msg_count, a, &err);
	if (r != 0) {
		unit_give_back_take(u);
		wait_for_store(s, w, store, &err);
		return -1;
	}
	if (mailbox_depth(s->to_ack) >= UNITS_TO_ACK)
		hub_metrics_queue_full(s->hub->metrics, HUB_QUEUE_REPORTS_TO_ACK);
	if (mailbox_put_wait(s->to_ack, u, -1, &err) != 0)
		intake_unit_free(u); /* unacknowledged messages come again and change nothing */
	return 0;
}

static void
committer(struct worker *w, void *arg)
{
	struct intake *s = arg;
	struct arena *a = arena_new(JOIN_ARENA_BYTES_MAX);
	struct store *store = NULL;
	struct err err = {0};
	struct intake_unit *u;

	if (!a || hub_store_new(s->hub, "intake", &store, &err) != 0) {
		log_error("intake.worker_failed", LOG_ERR(&err));
	} else {
		while (!worker_stopping(w) || mailbox_depth(s->to_commit) > 0) {
			u = mailbox_get_wait(s->to_commit, FETCH_RETRY_MS);
			/* Postgres is away and a stop was asked for: the rest goes back. */
			if (u && unit_commit(s, w, store, u, a) != 0 && worker_stopping(w))
				break;
		}
	}
	store_free(store);
	arena_free(a);
}

/* ---- acknowledge ---- */

static void
acker(struct worker *w, void *arg)
{
	struct intake *s = arg;
	struct err err = {0};

	while (!worker_stopping(w) || mailbox_depth(s->to_ack) > 0) {
		struct intake_unit *u = mailbox_get_wait(s->to_ack, FETCH_RETRY_MS);

		if (!u)
			continue;
		crash_point("hub.report.before_ack");
		for (size_t i = 0; i < u->msg_count; i++) {
			if (u->msgs[i] && bus_msg_ack(u->msgs[i], &err) != 0)
				log_debug("report.ack_failed", LOG_ERR(&err));
		}
		crash_point("hub.report.after_ack");
		intake_unit_free(u);
	}
	if (bus_flush(s->hub->intake_bus, FETCH_RETRY_MS, &err) != 0)
		log_debug("report.flush_failed", LOG_ERR(&err));
}

/* ---- life ---- */

static void
unit_drop(void *item)
{
	intake_unit_free(item);
}

static int
committers_start(struct intake *s, struct err *err)
{
	for (size_t i = 0; i < COUNT_OF(s->committers); i++) {
		s->committers[i] = worker_start("commit", committer, s, err);
		if (!s->committers[i])
			return -1;
	}
	return 0;
}

int
intake_start(struct hub *h, struct intake **ret, struct err *err)
{
	struct intake *s = calloc(1, sizeof(*s));

	if (!s)
		return err_set(err, ERR_INTERNAL, "no memory for the intake");
	s->hub = h;
	s->to_commit = mailbox_new(UNITS_AHEAD, unit_give_back_take);
	s->to_ack = mailbox_new(UNITS_TO_ACK, unit_drop);
	s->fetched = calloc(FETCH_MESSAGES, sizeof(struct bus_msg *));
	if (!s->to_commit || !s->to_ack || !s->fetched) {
		intake_stop(s);
		return err_set(err, ERR_INTERNAL, "no memory for the intake");
	}
	s->acker = worker_start("ack", acker, s, err);
	s->fetcher = s->acker ? worker_start("fetch", fetcher, s, err) : NULL;
	if (!s->fetcher || committers_start(s, err) != 0) {
		intake_stop(s);
		return -1;
	}
	*ret = s;
	return 0;
}

void
intake_close(struct intake *s)
{
	if (s && s->fetcher)
		worker_stop(s->fetcher);
}

/* In the order of the flow, so that what was fetched is committed, and what was committed is
 * acknowledged.  Both commit threads are asked at once: their waits are one wait. */
void
intake_stop(struct intake *s)
{
	if (!s)
		return;
	intake_close(s);
	worker_free(s->fetcher);
	for (size_t i = 0; i < COUNT_OF(s->committers); i++) {
		if (s->committers[i])
			worker_stop(s->committers[i]);
	}
	for (size_t i = 0; i < COUNT_OF(s->committers); i++)
		worker_free(s->committers[i]);
	worker_free(s->acker);
	mailbox_free(s->to_commit);
	mailbox_free(s->to_ack);
	free(s->fetched);
	free(s);
}
