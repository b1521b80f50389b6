#include "fake_engine.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* The default function falls through switch labels, which clang does not let pass. */
#define HASH_FUNCTION HASH_FNV
#include <uthash.h>

#include "err.h"
#include "fake_script.h"

#define FAKE_PID_FIRST 1000000 /* above what kernels use by default */

enum fake_phase { FAKE_STARTING, FAKE_PREPARING, FAKE_RUNNING, FAKE_ENDED };

struct fake_executor {
	struct id id;
	uint32_t incarnation;
	enum fake_phase phase;
	bool stopped, destroying;
	struct fake_script script;
	int64_t due_us; /* of the next step; FAKE_NEVER: none */
	size_t slot;    /* in the heap */
	int64_t pid;
	UT_hash_handle hh;
};

struct fake_engine {
	void (*on_event)(void *arg, const struct driver_event *event);
	void *arg;
	struct fake_executor *executors;
	struct fake_executor **heap; /* every executor, the earliest first */
	size_t n, room;
	int64_t next_pid;
};

static void
place(struct fake_engine *e, size_t slot, struct fake_executor *x)
{
	e->heap[slot] = x;
	x->slot = slot;
}

static void
sift(struct fake_engine *e, struct fake_executor *x)
{
	size_t slot = x->slot;
	while (slot > 0 && e->heap[(slot - 1) / 2]->due_us > x->due_us) {
		place(e, slot, e->heap[(slot - 1) / 2]);
		slot = (slot - 1) / 2;
	}
	for (;;) {
		size_t child = 2 * slot + 1;
		if (child + 1 < e->n && e->heap[child + 1]->due_us < e->heap[child]->due_us)
			child++;
		if (child >= e->n || e->heap[child]->due_us >= x->due_us)
			break;
		place(e, slot, e->heap[child]);
		slot = child;
	}
	place(e, slot, x);
}

static void
set_due(struct fake_engine *e, struct fake_executor *x, int64_t due_us)
{
	x->due_us = due_us;
	sift(e, x);
}

/* uthash macros are large functions to the linter, and their table a mystery to the analyzer. */
/* NOLINTBEGIN(readability-function-size,clang-analyzer-*) */
static struct fake_executor *
find(const struct fake_engine *e, const struct id *id)
{
	struct fake_executor *x = NULL;
	HASH_FIND(hh, e->executors, id, sizeof(*id), x);
	return x;
}

static struct fake_executor *
add(struct fake_engine *e, const struct id *id, uint32_t incarnation)
{
	if (e->n == e->room) {
		size_t room = e->room ? e->room * 2 : 8;
		struct fake_executor **heap = realloc(e->heap, room * sizeof(*heap));
		if (!heap)
			return NULL;
		e->heap = heap;
		e->room = room;
	}
	struct fake_executor *x = calloc(1, sizeof(*x));
	if (!x)
		return NULL;
	x->id = *id;
	x->incarnation = incarnation;
	x->due_us = FAKE_NEVER;
	HASH_ADD(hh, e->executors, id, sizeof(x->id), x);
	place(e, e->n++, x);
	return x;
}

static void
drop(struct fake_engine *e, struct fake_executor *x)
{
	struct fake_executor *last = e->heap[--e->n];
	HASH_DELETE(hh, e->executors, x);
	if (last != x) {
		place(e, x->slot, last);
		sift(e, last);
	}
	free(x);
}

int
fake_engine_new(void (*on_event)(void *arg, const struct driver_event *event), void *arg,
    struct fake_engine **ret, struct err *err)
{
	struct fake_engine *e = calloc(1, sizeof(*e));
	if (!e)
		return err_set(err, ERR_UNAVAILABLE, "no memory");
	e->on_event = on_event;
	e->arg = arg;
	e->next_pid = FAKE_PID_FIRST;
	*ret = e;
	return 0;
}

void
fake_engine_free(struct fake_engine *e)
{
	if (!e)
		return;
	struct fake_executor *x, *next;
	HASH_ITER(hh, e->executors, x, next)
	{
		HASH_DELETE(hh, e->executors, x);
		free(x);
	}
	free(e->heap);
	free(e);
}
/* NOLINTEND(readability-function-size,clang-analyzer-*) */

int
fake_engine_start(struct fake_engine *e, int64_t now_us, const struct id *executor_id,
    uint32_t incarnation, const char *script_text, struct err *err)
{
	struct fake_script script;
	struct fake_executor *x = find(e, executor_id);
	if (x && x->phase != FAKE_ENDED && x->incarnation == incarnation && !x->destroying)
		return 0;
	if (x && (x->phase != FAKE_ENDED || x->destroying || x->incarnation >= incarnation))
		return err_set(err, ERR_CONFLICT, "incarnation %u of this executor is still here",
		    x->incarnation);
	if (fake_script_parse(script_text, &script, err))
		return -1;
	if (script.failure == FAKE_FAILS_START)
		return err_set(err, ERR_UNAVAILABLE, "fake start failed, as its script says");
	if (x)
		drop(e, x);
	x = add(e, executor_id, incarnation);
	if (!x)
		return err_set(err, ERR_UNAVAILABLE, "no memory");
	x->script = script;
	x->pid = e->next_pid++;
	set_due(e, x, now_us);
	return 0;
}

void
fake_engine_stop(
    struct fake_engine *e, int64_t now_us, const struct id *executor_id, uint32_t grace_ms)
{
	struct fake_executor *x = find(e, executor_id);
	if (!x || x->phase == FAKE_ENDED)
		return;
	int64_t kill_us = now_us + (int64_t)grace_ms * 1000;
	int64_t term_us = kill_us;
	if (x->script.stop_us < kill_us - now_us)
		term_us = now_us + x->script.stop_us;
	/* Its own end may come first; a second stop can only make it shorter. */
	if (x->phase == FAKE_RUNNING && x->due_us <= term_us)
		return;
	if (!x->stopped || x->due_us > term_us) {
		x->script.exit_code = -1;
		x->script.signal = term_us < kill_us ? SIGTERM : SIGKILL;
		x->script.oom = x->script.lost = false;
	}
	x->stopped = true;
	if (x->phase == FAKE_RUNNING)
		set_due(e, x, term_us);
	else
		x->script.run_us = term_us > now_us ? term_us - now_us : 0;
}

int
fake_engine_destroy(
    struct fake_engine *e, int64_t now_us, const struct id *executor_id, struct err *err)
{
	struct fake_executor *x = find(e, executor_id);
	if (x && x->phase != FAKE_ENDED) {
		fake_engine_stop(e, now_us, executor_id, 0);
		x->destroying = true;
		return 0;
	}
	if (!x)
		x = add(e, executor_id, 0);
	if (!x)
		return err_set(err, ERR_UNAVAILABLE, "no memory");
	x->phase = FAKE_ENDED;
	x->destroying = true;
	set_due(e, x, now_us);
	return 0;
}

bool
fake_engine_has(const struct fake_engine *e, const struct id *executor_id)
{
	return find(e, executor_id) != NULL;
}

size_t
fake_engine_count(const struct fake_engine *e)
{
	return e->n;
}

int64_t
fake_engine_next_us(const struct fake_engine *e)
{
	return e->n ? e->heap[0]->due_us : FAKE_NEVER;
}

static int64_t
after(int64_t now_us, int64_t wait_us)
{
	return wait_us == FAKE_NEVER ? FAKE_NEVER : now_us + wait_us;
}

static void
describe_end(const struct fake_executor *x, bool started, struct driver_event *event)
{
	const struct fake_script *script = &x->script;
	event->type = DRIVER_EXITED;
	event->started = started;
	if (!started) {
		bool exec = script->failure == FAKE_FAILS_EXEC;
		event->reason = exec ? "exec_failed" : "prepare_failed";
		event->detail = "as its fake script says";
	} else if (script->lost) {
		event->reason = "lost";
	} else {
		event->exit_code = script->signal ? -1 : script->exit_code;
		event->signal = script->signal;
		event->oom = script->oom;
		event->reason = script->oom ? "oom" : "";
	}
}

/* One step of one executor; on_event may change anything, so it comes last. */
static void
step(struct fake_engine *e, struct fake_executor *x, int64_t now_us)
{
	struct driver_event event = {.executor_id = x->id,
	    .incarnation = x->incarnation,
	    .exit_code = -1,
	    .reason = "",
	    .detail = ""};
	switch (x->phase) {
	case FAKE_STARTING:
		event.type = DRIVER_STARTING;
		x->phase = FAKE_PREPARING;
		set_due(e, x, now_us + x->script.start_us);
		break;
	case FAKE_PREPARING:
		if (x->script.failure != FAKE_WORKS) {
			describe_end(x, false, &event);
			x->phase = FAKE_ENDED;
			set_due(e, x, x->destroying ? now_us : FAKE_NEVER);
			break;
		}
		event.type = DRIVER_RUNNING;
		event.started = true;
		event.pid = x->pid;
		x->phase = FAKE_RUNNING;
		set_due(e, x, after(now_us, x->script.run_us));
		break;
	case FAKE_RUNNING:
		describe_end(x, true, &event);
		x->phase = FAKE_ENDED;
		set_due(e, x, x->destroying ? now_us : FAKE_NEVER);
		break;
	case FAKE_ENDED:
		event.type = DRIVER_GONE;
		drop(e, x);
		break;
	}
	e->on_event(e->arg, &event);
}

void
fake_engine_tick(struct fake_engine *e, int64_t now_us)
{
	/* What becomes due while it is said belongs to the next tick, or two executors that restart
	 * each other would never let go. */
	size_t budget = 4 * e->n + 4;
	/* The analyzer cannot see that drop takes what it frees out of the heap. */
	while (budget-- > 0 && e->n > 0 && /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
	       e->heap[0]->due_us <= now_us)
		step(e, e->heap[0], now_us);
}
