/* sim_user: declares sessions, changes them, stops executors, closes sessions: each request is
 * answered once, as the API's transaction. */
#include <stdio.h>
#include <string.h>

#include "arena.h"
#include "codec.h"
#include "err.h"
#include "sim.h"

#include "fairlead/v1/host.pb-c.h"

#define USER "sim"

static void
spec_fill(struct world *w, const struct sim_session *s, struct store_session_new *n)
{
	static char driver[] = "fake", on_failure[] = "on-failure";
	Fairlead__V1__ExecutorSpec spec = FAIRLEAD__V1__EXECUTOR_SPEC__INIT;
	Fairlead__V1__RestartPolicy restart = FAIRLEAD__V1__RESTART_POLICY__INIT;
	Fairlead__V1__Resources resources = FAIRLEAD__V1__RESOURCES__INIT;
	struct err err = {0};
	void *body = NULL;

	spec.driver = driver;
	spec.stop_grace_ms = s->stop_grace_ms;
	spec.stop_on_host_after_ms = s->stop_on_host_after_ms;
	spec.resources = &resources;
	resources.cpu_millis = 100;
	resources.slots = 1;
	restart.policy = on_failure;
	restart.max = 2;
	restart.backoff_ms = 200;
	restart.backoff_max_ms = 5000;
	if (s->restarts)
		spec.restart = &restart;
	if (wire_encode(&spec.base, WIRE_PROTOBUF, w->arena, &body, &n->executor_body_size, &err) !=
	    0)
		world_violated(w, "a spec cannot be encoded: %s", err.text);
	n->executor_body = body;
}

static struct store_session_new
wish(struct world *w, const struct sim_session *s)
{
	struct store_session_new n = {.name = s->name,
	    .pool = SIM_POOL,
	    .spec_json = "{}",
	    .driver = "fake",
	    .selector = "",
	    .resources = {.cpu_millis = 100, .slots = 1},
	    .stop_grace_ms = s->stop_grace_ms,
	    .replace_lost = true,
	    .replace_failed = s->restarts,
	    .replicas = s->replicas,
	    .lost_after_ms = s->lost_after_ms,
	    .replace_after_ms = s->lost_after_ms,
	    .accept_timeout_ms = s->accept_timeout_ms,
	    .max_unavailable = s->max_unavailable,
	    .who = USER};

	spec_fill(w, s, &n);
	return n;
}

void
user_declare(struct world *w, const struct sim_session *wanted)
{
	struct sim_session *s = &w->sessions[w->session_count];
	struct store_session_new n;
	struct store_session answer;
	struct err err = {0};
	struct id ids[SIM_REPLICAS_MAX];
	uint64_t now_ms = (uint64_t)w->now_us / 1000, first = w->session_count * 100;
	bool existed;

	if (w->session_count == SIM_SESSIONS_MAX)
		return;
	*s = *wanted;
	s->stop_grace_ms = 1000;
	if (s->max_unavailable == 0)
		s->max_unavailable = 1;
	snprintf(s->name, sizeof(s->name), "web%zu", w->session_count++);
	n = wish(w, s);
	n.session_id = id_from_parts(now_ms, first + 1);
	for (uint32_t i = 0; i < s->replicas; i++)
		ids[i] = id_from_parts(now_ms, first + 2 + i);
	n.executor_ids = ids;
	if (store_session_create(w->store, &n, w->arena, &answer, &existed, &err) != 0)
		world_violated(w, "create %s: %s", s->name, err.text);
	w->rows_changed = true;
	world_say(w, "user creates %s with %u", s->name, s->replicas);
}

static void
user_create(struct world *w)
{
	const uint32_t lost_after_ms[] = {12000, 30000, 70000};
	struct sim_session s = {.replicas = (uint32_t)world_between(w, 1, SIM_REPLICAS_MAX),
	    .restarts = world_chance(w, 500),
	    .max_unavailable = (uint32_t)world_between(w, 1, 2),
	    .accept_timeout_ms = (uint32_t)world_between(w, 20, 60) * 1000,
	    .lost_after_ms = lost_after_ms[world_draw(w, COUNT_OF(lost_after_ms))]};

	if (world_chance(w, 500))
		s.stop_on_host_after_ms =
		    (uint32_t)world_between(w, 12, s.lost_after_ms / 1000) * 1000;
	user_declare(w, &s);
}

static struct sim_session *
any_session(struct world *w)
{
	return &w->sessions[world_draw(w, w->session_count)];
}

static void
update(struct world *w, struct sim_session *s, bool template_changed)
{
	struct store_session_new n = wish(w, s);
	struct store_session answer;
	struct err err = {0};

	if (store_session_update(w->store, &n, 0, template_changed, w->arena, &answer, &err) != 0)
		world_violated(w, "update %s: %s", s->name, err.text);
}

static void
user_scale(struct world *w)
{
	struct sim_session *s = any_session(w);

	if (s->closed)
		return;
	s->replicas = (uint32_t)world_between(w, 0, SIM_REPLICAS_MAX);
	world_say(w, "user scales %s to %u", s->name, s->replicas);
	update(w, s, false);
}

static void
user_roll(struct world *w)
{
	struct sim_session *s = any_session(w);

	if (s->closed)
		return;
	s->stop_grace_ms = s->stop_grace_ms == 1000 ? 2000 : 1000;
	world_say(w, "user changes %s, %u at a time", s->name, s->max_unavailable);
	update(w, s, true);
}

static void
user_close(struct world *w)
{
	struct sim_session *s = any_session(w);
	struct store_session answer;
	struct err err = {0};

	if (store_session_close(
		w->store, s->name, 0, world_chance(w, 300), USER, w->arena, &answer, &err) != 0 &&
	    (!s->closed || err.kind != ERR_NOT_FOUND))
		world_violated(w, "close %s: %s", s->name, err.text);
	s->closed = true;
	world_say(w, "user closes %s", s->name);
}

static void
user_stop(struct world *w)
{
	struct sim_known *k;
	struct err err = {0};

	if (w->known_count == 0)
		return;
	k = &w->known[world_draw(w, w->known_count)];
	if (store_executor_stop(w->store, &k->id, world_chance(w, 300), USER, &err) != 0 &&
	    err.kind != ERR_NOT_FOUND)
		world_violated(w, "stop: %s", err.text);
	k->stop_asked = true;
	world_say(w, "user stops %s/%u.%u", k->session, k->index, k->attempt);
}

static const struct {
	unsigned weight;
	void (*act)(struct world *w);
} acts[] = {
    {30, user_create},
    {10, user_close},
    {25, user_stop},
    {25, user_scale},
    {20, user_roll},
    {8, operator_cordon},
    {10, operator_drain},
    {12, operator_replay},
};

void
user_act(struct world *w)
{
	unsigned sum = 0, drawn;
	size_t i = 0;

	if (w->store_away_us > w->now_us)
		return; /* and is told so */
	w->rows_changed = true;
	if (w->session_count < 2) {
		user_create(w);
		return;
	}
	for (size_t k = 0; k < COUNT_OF(acts); k++)
		sum += acts[k].weight;
	for (drawn = (unsigned)world_draw(w, sum); drawn >= acts[i].weight; i++)
		drawn -= acts[i].weight;
	acts[i].act(w);
}
