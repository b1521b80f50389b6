#include "judge_look.h"

#include <stdio.h>

#include "arena.h"
#include "clock.h"
#include "crash.h"
#include "err.h"
#include "hub.h"
#include "hub_metrics.h"
#include "judge_rules.h"
#include "liveness.h"
#include "log.h"
#include "roster.h"

#define ROSTER_US (5 * SECOND_US)
#define ROSTER_AT_LEAST_US (250 * MS_US) /* between two, however many connections end */
#define VERDICTS_MAX 1024                /* of each kind per look; the rest come with the next */

struct findings {
	struct store_verdict suspect[VERDICTS_MAX], heard[VERDICTS_MAX];
	size_t suspect_count, heard_count;
};

static const char *
reason_of(struct judge_look *l, enum judge_finding finding, const struct judge_case *c)
{
	char text[64];

	if (finding == JUDGE_CUT)
		return "its connection ended";
	if (finding == JUDGE_HEARD)
		return "heard again";
	snprintf(text, sizeof(text), "silent for %.1f s", (double)judge_silence_us(c) / 1e6);
	return arena_strdup(l->arena, text);
}

static void
look_at(struct judge_look *l, const struct roster_host *host, int64_t now_us,
    int64_t listening_since_us, struct findings *f)
{
	const struct judge_case c = {.now_us = now_us,
	    .silent_after_us = (int64_t)l->hub->settings.silent_after_ms * MS_US,
	    .listening_since_us = listening_since_us,
	    .state = host->state,
	    .epoch = host->epoch,
	    .known_since_us = host->known_since_us,
	    .heard = liveness_look(l->hub->liveness, host->host_id)};
	enum judge_finding finding = judge_find(&c);
	struct store_verdict verdict = {.host_id = host->host_id, .epoch = host->epoch};

	if (finding == JUDGE_NOTHING)
		return;
	verdict.reason = reason_of(l, finding, &c);
	if (!verdict.reason)
		return; /* the next look has room */
	if (finding == JUDGE_HEARD && f->heard_count < VERDICTS_MAX)
		f->heard[f->heard_count++] = verdict;
	else if (finding != JUDGE_HEARD && f->suspect_count < VERDICTS_MAX)
		f->suspect[f->suspect_count++] = verdict;
}

static void
wrote(struct judge_look *l, const char *verdict, const char *point, size_t n)
{
	if (n == 0)
		return;
	(void)point; /* where no points are compiled in */
	crash_point(point);
	hub_metrics_verdicts(l->hub->metrics, verdict, n);
	log_info("judge.verdicts", LOG_STR("verdict", verdict), LOG_UINT("hosts", n));
}

/* What the rows say now is what the next look starts from, whether they were ours to change or not.
 */
static void
remember(struct judge_look *l, const struct store_verdict *verdicts, size_t n,
    enum host_state state, int64_t now_us)
{
	for (size_t i = 0; i < n; i++)
		roster_set(l->roster, verdicts[i].host_id, verdicts[i].epoch, state, now_us);
}

static int
verdicts_write(struct judge_look *l, const struct findings *f, int64_t now_us, struct err *err)
{
	size_t n = 0;

	if (store_host_suspect(l->store, &l->lease, f->suspect, f->suspect_count, &n, err) != 0)
		return -1;
	wrote(l, "suspect", "hub.verdict_suspect.after_commit", n);
	remember(l, f->suspect, f->suspect_count, HOST_SUSPECT, now_us);
	if (store_host_heard(l->store, &l->lease, f->heard, f->heard_count, &n, err) != 0)
		return -1;
	wrote(l, "ready", "hub.verdict_ready.after_commit", n);
	remember(l, f->heard, f->heard_count, HOST_READY, now_us);
	return 0;
}

/* LOST is drawn from rows alone, and as rarely as they are read. */
static int
roster_reload(struct judge_look *l, int64_t now_us, struct err *err)
{
	struct store_judged *rows;
	size_t n = 0, count;
	int64_t age_us = now_us - l->roster_us;

	/* Who was cut may be newer than the roster. */
	if (l->roster_us > 0 && age_us < ROSTER_US &&
	    (age_us < ROSTER_AT_LEAST_US || !atomic_exchange(&l->cut, false)))
		return 0;
	if (store_host_lost(l->store, &l->lease, &n, err) != 0)
		return -1;
	wrote(l, "lost", "hub.verdict_lost.after_commit", n);
	if (store_judge_roster(l->store, l->arena, &rows, &count, err) != 0)
		return -1;
	l->roster_us = now_us;
	return roster_load(l->roster, rows, count, now_us, err);
}

int
judge_look(struct judge_look *l, int64_t now_us, int64_t listening_since_us, struct err *err)
{
	struct findings *f = arena_calloc(l->arena, 1, sizeof(*f));

	if (!f)
		return err_set(err, ERR_LIMIT, "no memory for verdicts");
	if (roster_reload(l, now_us, err) != 0)
		return -1;
	for (const struct roster_host *h = roster_first(l->roster); h; h = roster_next(h))
		look_at(l, h, now_us, listening_since_us, f);
	return verdicts_write(l, f, now_us, err);
}

void
judge_look_forget(struct judge_look *l)
{
	roster_clear(l->roster);
	l->roster_us = 0;
}
