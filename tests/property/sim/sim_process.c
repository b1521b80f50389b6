/* sim_process: the driver of a host and the processes it holds, which outlive agents. */
#include <string.h>

#include "err.h"
#include "sim.h"

#define EXIT_STOPPED 143

struct sim_process *
host_process(struct sim_host *h, const struct id *id)
{
	for (size_t i = 0; i < h->process_count; i++) {
		if (id_equal(&h->processes[i].id, id))
			return &h->processes[i];
	}
	return NULL;
}

static const char *
short_id(const struct id *id, char hex[ID_HEX_BYTES])
{
	return id_to_hex(id, hex) + 20;
}

/* ---- what the driver says, in order, to the agent that is there ---- */

/* number: the life of the agent << 8 | type << 4; the id and incarnation travel in the message. */
struct word {
	struct id id;
	uint32_t incarnation;
	enum driver_event_type type;
	int exit_code;
};

static void
word_arrives(struct world *w, struct sim_event *e)
{
	struct sim_host *h = e->who;
	struct word word;
	struct driver_event said;
	const struct agent_event event = {.type = AGENT_DRIVER_EVENT, .u.driver = &said};

	(void)w;
	if (!h->agent || h->life != e->number)
		return;
	memcpy(&word, bus_msg_data(e->msg), sizeof(word));
	said = (struct driver_event){.type = word.type,
	    .executor_id = word.id,
	    .incarnation = word.incarnation,
	    .started = true,
	    .exit_code = word.exit_code,
	    .reason = "",
	    .detail = ""};
	host_step(h, &event);
}

static void
say(struct sim_host *h, const struct sim_process *p, enum driver_event_type type)
{
	struct world *w = h->world;
	const struct word word = {p->id, p->incarnation, type, p->exit_code};
	const struct bus_out out = {.subject = "driver", .data = &word, .size = sizeof(word)};
	struct sim_event *e;
	int64_t at = w->now_us + world_between(w, 100, 20000);

	if (!h->agent)
		return; /* adoption will tell */
	if (at <= h->word_us)
		at = h->word_us + 1;
	h->word_us = at;
	e = world_at(w, at - w->now_us, word_arrives, h, h->life);
	e->msg = net_copy(w, &out);
}

/* ---- life of a process ---- */

void
host_exit(struct sim_host *h, struct sim_process *p, int exit_code)
{
	char hex[ID_HEX_BYTES];

	if (!p->alive)
		return;
	p->alive = false;
	p->exit_code = exit_code;
	known_of(h->world, &p->id)->exited = true;
	known_of(h->world, &p->id)->exit_code = exit_code;
	world_say(h->world, "EXIT %s.%u on %s: %d", short_id(&p->id, hex), p->incarnation, h->id,
	    exit_code);
	say(h, p, DRIVER_EXITED);
}

static void
runs(struct world *w, struct sim_event *e)
{
	struct sim_host *h = e->who;

	(void)w;
	for (size_t i = 0; i < h->process_count; i++) {
		struct sim_process *p = &h->processes[i];

		if (!p->alive || p->running || p->started_us != (int64_t)e->number)
			continue;
		p->running = true;
		say(h, p, DRIVER_RUNNING);
	}
}

void
process_start(struct sim_host *h, const struct agent_effect *effect)
{
	struct world *w = h->world;
	struct sim_process *p = host_process(h, &effect->u.executor.executor_id);
	char hex[ID_HEX_BYTES];

	if (p && p->alive)
		world_violated(w, "I1 %s starts %s beside itself", h->id, short_id(&p->id, hex));
	if (!p && h->process_count == SIM_PROCESSES_MAX) {
		world_violated(w, "%s has too many processes", h->id);
		return;
	}
	p = p ? p : &h->processes[h->process_count++];
	*p = (struct sim_process){.id = effect->u.executor.executor_id,
	    .incarnation = effect->u.executor.incarnation,
	    .alive = true,
	    .exit_code = -1,
	    .reason = "",
	    .started_us = w->now_us};
	if (effect->u.executor.spec) {
		p->stop_on_host_after_ms = effect->u.executor.spec->stop_on_host_after_ms;
		p->grace_ms = effect->u.executor.spec->stop_grace_ms;
	} else {
		world_violated(w, "%s starts %s without a spec", h->id, short_id(&p->id, hex));
	}
	world_say(w, "START %s.%u on %s", short_id(&p->id, hex), p->incarnation, h->id);
	check_started(h, p);
	say(h, p, DRIVER_STARTING);
	world_at(w, world_between(w, 1000, 2 * SECOND_US), runs, h, (uint64_t)w->now_us);
}

static void
ends(struct world *w, struct sim_event *e)
{
	struct sim_host *h = e->who;
	struct sim_process *p;
	struct id id;

	(void)w;
	memcpy(&id, bus_msg_data(e->msg), sizeof(id));
	p = host_process(h, &id);
	if (p && p->incarnation == e->number)
		host_exit(h, p, EXIT_STOPPED);
}

/* It obeys at once, or uses some of its grace. */
void
process_stop(struct sim_host *h, const struct agent_effect *effect)
{
	struct world *w = h->world;
	const struct id *id = &effect->u.executor.executor_id;
	const struct sim_process *p = host_process(h, id);
	const struct bus_out out = {.subject = "stop", .data = id, .size = sizeof(*id)};
	int64_t grace_us = effect->u.executor.grace_ms * MS_US;

	if (!p || !p->alive)
		return;
	world_at(w, world_between(w, 0, grace_us), ends, h, p->incarnation)->msg =
	    net_copy(w, &out);
}

void
process_destroy(struct sim_host *h, const struct agent_effect *effect)
{
	struct sim_process *p = host_process(h, &effect->u.executor.executor_id);
	struct sim_process gone = {
	    .id = effect->u.executor.executor_id, .incarnation = effect->u.executor.incarnation};
	char hex[ID_HEX_BYTES];

	world_say(h->world, "DESTROY %s on %s", short_id(&gone.id, hex), h->id);
	if (p)
		*p = h->processes[--h->process_count];
	say(h, &gone, DRIVER_GONE);
}

/* Copies: a step may remove what it is told of. */
void
process_adopt(struct sim_host *h)
{
	struct sim_process found[SIM_PROCESSES_MAX];
	size_t n = h->process_count;

	memcpy(found, h->processes, sizeof(found));
	for (size_t i = 0; i < n && h->agent; i++) {
		const struct driver_found one = {.executor_id = found[i].id,
		    .incarnation = found[i].incarnation,
		    .running = found[i].alive,
		    .ended = {.started = true,
			.exit_code = found[i].exit_code,
			.reason = found[i].reason,
			.detail = ""}};
		const struct agent_event event = {
		    .type = AGENT_FOUND, .u.adoption = {.found = &one, .driver = "fake"}};

		host_step(h, &event);
	}
}
