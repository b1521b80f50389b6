#include "watch.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena.h"
#include "bus.h"
#include "cli.h"
#include "cli_bounds.h"
#include "clock.h"
#include "courier.h"
#include "event_text.h"
#include "headers.h"
#include "mailbox.h"
#include "outlet.h"
#include "pace.h"
#include "patience.h"
#include "subjects.h"

#define ARENA_BYTES_MAX (64u * 1024 * 1024)

struct watch {
	struct cli cli; /* the caller's, but for the arena and the time of a call */
	struct follow follow;
	struct outlet out;
	struct mailbox *queue; /* struct bus_msg */
	struct bus_sub *sub;
	unsigned queue_max;
	struct patience patience;
	bool over; /* printing ended it */
	/* Shared with the bus's thread. */
	atomic_bool listening; /* what is heard is queued; else the rows will tell */
	atomic_bool reading;   /* the rows are being asked: their delay is not the reader's */
	atomic_bool slow;
	atomic_uint_fast64_t seen; /* follow.cursor */
};

/* ---- what is heard, on a thread of the bus ---- */

static void
drop(void *item)
{
	bus_msg_free(item);
}

static uint64_t
cursor_of(const struct bus_msg *m)
{
	const char *text = bus_msg_header(m, HEADER_CURSOR);

	return text ? strtoull(text, NULL, 10) : 0;
}

static void
heard(void *arg, const struct bus_msg *m)
{
	struct watch *w = arg;
	struct bus_msg *copy;
	struct err err;

	/* A stream that is filled again from the rows says much that is known. */
	if (!atomic_load(&w->listening) || cursor_of(m) <= atomic_load(&w->seen))
		return;
	copy = bus_msg_copy(m);
	if (!copy) {
		atomic_store(&w->listening, false);
		return;
	}
	if (mailbox_put(w->queue, copy, &err) == 0)
		return;
	bus_msg_free(copy);
	if (atomic_load(&w->reading))
		atomic_store(&w->listening, false);
	else
		atomic_store(&w->slow, true);
}

static void
queue_empty(struct watch *w)
{
	struct bus_msg *m;

	while ((m = mailbox_get(w->queue)) != NULL)
		bus_msg_free(m);
}

/* ---- printing ---- */

static bool
may_wait(void *arg)
{
	struct watch *w = arg;

	return pace_signal() == 0 && !atomic_load(&w->slow);
}

static int
too_slow(const struct watch *w, struct err *err)
{
	err_set(err, ERR_LIMIT,
	    "this watcher is too slow: more than %u events waited to be printed; it printed all up "
	    "to cursor %" PRIu64,
	    w->queue_max, w->follow.cursor);
	return err_hint(
	    err, "`--cursor %" PRIu64 " --follow` goes on from there", w->follow.cursor);
}

static int
print(struct watch *w, const Fairlead__V1__Event *e, struct err *err)
{
	const char *text;

	if (event_text(&w->cli, e, &text, err) != 0)
		return -1;
	if (outlet_write(&w->out, text, strlen(text), err) == 0)
		return 0;
	w->over = true;
	return atomic_load(&w->slow) ? too_slow(w, err) : -1;
}

static void
seen(struct watch *w, uint64_t cursor)
{
	if (cursor > w->follow.cursor)
		w->follow.cursor = cursor;
	atomic_store(&w->seen, w->follow.cursor);
}

/* ---- the rows ---- */

/* Is it worth asking again?  An error that ends it names where to go on. */
static int
still_patient(struct watch *w, struct err *err)
{
	if (w->over)
		return -1;
	if (patience_lasts(&w->patience, err))
		return 0;
	if (err->kind != ERR_UNAVAILABLE)
		return -1;
	return err_hint(err, "nothing was heard for %d s; `--cursor %" PRIu64 " --follow` goes on",
	    w->patience.silent_ms / 1000, w->follow.cursor);
}

static int
ask(struct watch *w, uint32_t limit, const Fairlead__V1__EventListAnswer **ret, struct err *err)
{
	Fairlead__V1__EventListRequest q = FAIRLEAD__V1__EVENT_LIST_REQUEST__INIT;
	ProtobufCMessage *m;
	int r;

	arena_reset(w->cli.arena);
	if (w->follow.session)
		q.session = (char *)(uintptr_t)w->follow.session;
	if (w->follow.host)
		q.host = (char *)(uintptr_t)w->follow.host;
	q.after_cursor = w->follow.cursor;
	q.since_us = w->follow.since_us;
	q.limit = limit;
	atomic_store(&w->reading, true);
	r = cli_call(&w->cli, "event", "list", &q.base,
	    &fairlead__v1__event_list_answer__descriptor, &m, err);
	atomic_store(&w->reading, false);
	if (r != 0)
		return -1;
	patience_heard(&w->patience);
	*ret = (const Fairlead__V1__EventListAnswer *)m;
	return 0;
}

/* *ret_more: there is more in the rows, or something was not queued meanwhile. */
static int
page(struct watch *w, bool *ret_more, struct err *err)
{
	bool listening = atomic_load(&w->listening);
	const Fairlead__V1__EventListAnswer *a;

	if (ask(w, WATCH_PAGE, &a, err) != 0 || follow_check(&w->follow, a, err) != 0)
		return -1;
	for (size_t i = 0; i < a->n_events; i++) {
		if (print(w, a->events[i], err) != 0)
			return -1;
		seen(w, a->events[i]->cursor);
	}
	*ret_more = follow_page_done(&w->follow, a, WATCH_PAGE);
	seen(w, w->follow.cursor);
	patience_heard(&w->patience); /* printing may have taken its time */
	*ret_more = *ret_more || atomic_load(&w->listening) != listening;
	return 0;
}

/* Listening begins before the last page is asked for, so that nothing falls in between. */
static int
catch_up(struct watch *w, struct err *err)
{
	struct pace pace;
	bool more = true;

	pace_begin(&pace, 0);
	while (pace_signal() == 0 && outlet_open(&w->out)) {
		if (page(w, &more, err) != 0) {
			if (still_patient(w, err) != 0)
				return -1;
			(void)!pace_again(&pace);
			continue;
		}
		if (!more && atomic_load(&w->listening))
			return 0;
		if (more) { /* by pages is faster */
			atomic_store(&w->listening, false);
			queue_empty(w);
		} else {
			atomic_store(&w->listening, true);
		}
	}
	return 0;
}

/* ---- the bus ---- */

static int
take(struct watch *w, const struct bus_msg *m, struct err *err)
{
	const Fairlead__V1__Event *e;
	ProtobufCMessage *body;

	if (atomic_load(&w->slow))
		return too_slow(w, err);
	switch (follow_heard(&w->follow, cursor_of(m))) {
	case FOLLOW_KNOWN:
		return 0;
	case FOLLOW_MISSING:
		return catch_up(w, err);
	case FOLLOW_NEXT:
		break;
	}
	arena_reset(w->cli.arena);
	if (courier_decode(m, &fairlead__v1__event__descriptor, w->cli.arena, &body, err) != 0)
		return catch_up(w, err); /* not ours: the rows know */
	e = (const Fairlead__V1__Event *)body;
	patience_heard(&w->patience);
	if (follow_wants(&w->follow, e) && print(w, e, err) != 0)
		return -1;
	seen(w, e->cursor);
	return 0;
}

/* Nothing was heard for a while: was something missed, or is nobody there? */
static int
silence(struct watch *w, struct err *err)
{
	bool more = false;

	if (page(w, &more, err) != 0)
		return still_patient(w, err);
	return more ? catch_up(w, err) : 0;
}

static int
listen(struct watch *w, struct err *err)
{
	int r = catch_up(w, err);

	while (r == 0 && pace_signal() == 0 && outlet_open(&w->out)) {
		CLEANUP(bus_msg_free)
		struct bus_msg *m = mailbox_get_wait(w->queue, WATCH_SILENCE_MS);

		if (!atomic_load(&w->listening))
			r = catch_up(w, err);
		else
			r = m ? take(w, m, err) : silence(w, err);
	}
	return r;
}

/* ---- life ---- */

static int
subscribe(struct watch *w, struct err *err)
{
	char subject[SUBJECT_BYTES];

	snprintf(subject, sizeof(subject), "%s.evt.>", w->cli.prefix);
	return bus_subscribe(w->cli.bus, subject, NULL, 0, heard, w, &w->sub, err);
}

static int
begin(struct watch *w, const struct watch_options *o, struct err *err)
{
	const Fairlead__V1__EventListAnswer *a;

	if (subscribe(w, err) != 0)
		return -1;
	if (!o->from_now)
		return 0;
	if (ask(w, 1, &a, err) != 0)
		return -1;
	seen(w, a->newest_cursor);
	return 0;
}

int
watch_run(struct cli *c, const struct watch_options *o)
{
	struct watch w = {.follow = o->from, .queue_max = o->queue};
	struct err err = {0};
	int r;

	pace_catch_signals();
	w.out = (struct outlet){.fd = STDOUT_FILENO, .go_on = may_wait, .arg = &w};
	if (cli_connect(c, &err) != 0)
		return cli_fail(&err);
	w.cli = *c;
	w.cli.arena = arena_new(ARENA_BYTES_MAX);
	w.queue = mailbox_new(o->queue, drop);
	if (c->timeout_ms > WATCH_CALL_MS)
		w.cli.timeout_ms = WATCH_CALL_MS;
	atomic_store(&w.seen, w.follow.cursor);
	patience_begin(&w.patience, c->timeout_ms);
	if (!w.cli.arena || !w.queue)
		r = err_set(&err, ERR_LIMIT, "no memory to follow events");
	else
		r = begin(&w, o, &err);
	if (r == 0)
		r = listen(&w, &err);
	bus_unsubscribe(w.sub);
	mailbox_free(w.queue);
	arena_free(w.cli.arena);
	return r == 0 || w.out.closed || pace_signal() != 0 ? 0 : cli_fail(&err);
}
