/* sim_operator: cordons and drains hosts, says again what was given up, and lets rollouts that
 * stand still go on.  What is done here is lifted when faults are over. */
#include "arena.h"
#include "err.h"
#include "sim.h"

#define OPERATOR "operator"

static struct sim_host *
any_host(struct world *w)
{
	return &w->hosts[world_draw(w, w->host_count)];
}

/* A host that never said hello is nobody's to cordon. */
static void
expect(struct world *w, const char *what, int r, enum err_kind allowed, const struct err *err)
{
	if (r != 0 && err->kind != allowed)
		world_violated(w, "%s: %s", what, err->text);
	w->rows_changed = true;
}

static void
lift(struct world *w, const struct sim_host *h)
{
	struct err err = {0};

	expect(w, "undrain", store_host_drain(w->store, h->id, false, 0, "done", OPERATOR, &err),
	    ERR_NOT_FOUND, &err);
	expect(w, "uncordon", store_host_cordon(w->store, h->id, false, "done", OPERATOR, &err),
	    ERR_NOT_FOUND, &err);
}

static void
lift_later(struct world *w, struct sim_event *e)
{
	const struct sim_host *h = e->who;

	world_say(w, "operator lifts what holds %s", h->id);
	lift(w, h);
}

void
operator_cordon(struct world *w)
{
	struct sim_host *h = any_host(w);
	struct err err = {0};

	world_say(w, "operator cordons %s", h->id);
	expect(w, "cordon", store_host_cordon(w->store, h->id, true, "look", OPERATOR, &err),
	    ERR_NOT_FOUND, &err);
	world_at(w, world_between(w, 5, 60) * SECOND_US, lift_later, h, 0);
}

void
operator_drain(struct world *w)
{
	struct sim_host *h = any_host(w);
	int64_t deadline_ms = w->hurries ? world_between(w, 0, 20) * 1000 : 0;
	struct err err = {0};

	world_say(w, "operator drains %s within %lld ms", h->id, (long long)deadline_ms);
	expect(w, "drain",
	    store_host_drain(w->store, h->id, true, deadline_ms, "repair", OPERATOR, &err),
	    ERR_NOT_FOUND, &err);
	world_at(w, world_between(w, 5, 90) * SECOND_US, lift_later, h, 0);
}

static struct store_command *
commands_list(struct world *w, uint32_t states, size_t *ret_n)
{
	const struct store_command_query q = {.states = states, .limit = 100};
	struct store_command *rows;
	struct err err = {0};

	*ret_n = 0;
	if (store_command_list(w->store, &q, w->arena, &rows, ret_n, &err) == 0)
		return rows;
	world_violated(w, "list of commands: %s", err.text);
	return NULL;
}

static void
replay(struct world *w, const struct store_command *c)
{
	struct store_command answer;
	struct err err = {0};

	world_say(w, "operator replays %s/%u.%u", c->session, c->index, c->attempt);
	expect(w, "replay",
	    store_command_replay(
		w->store, &c->executor_id, c->generation, OPERATOR, w->arena, &answer, &err),
	    ERR_CONFLICT, &err);
}

void
operator_replay(struct world *w)
{
	size_t n;
	const struct store_command *rows =
	    commands_list(w, 1u << COMMAND_DEAD | 1u << COMMAND_EXPIRED, &n);

	if (n > 0)
		replay(w, &rows[world_draw(w, n)]);
}

/* What was said so often and not answered waits for a person: of what was never accepted no digest
 * tells. */
static void
dead_replay(struct world *w)
{
	size_t n;
	const struct store_command *rows = commands_list(w, 1u << COMMAND_DEAD, &n);

	for (size_t i = 0; i < n; i++)
		replay(w, &rows[i]);
}

void
operator_tidies(struct world *w)
{
	struct store_session answer;
	struct err err = {0};
	size_t stopped;

	for (size_t i = 0; i < w->host_count; i++) {
		lift(w, &w->hosts[i]);
		expect(w, "stop of what is unknown",
		    store_unknown_stop(w->store, w->hosts[i].id, OPERATOR, &stopped, &err),
		    ERR_NOT_FOUND, &err);
	}
	dead_replay(w);
	for (size_t i = 0; i < w->session_count; i++) {
		const struct sim_session *s = &w->sessions[i];

		if (!s->closed)
			expect(w, "resume",
			    store_session_resume(
				w->store, s->name, OPERATOR, w->arena, &answer, &err),
			    ERR_CONFLICT, &err);
	}
}
