/* sim_faults: what happens to processes, hosts, streams and services besides lost messages.  When
 * faults are over, everybody who is down comes up. */
#include "sim.h"

#define ACTS 250 /* per mille of the looks */

static void
start_again(struct world *w, struct sim_event *e)
{
	(void)w;
	host_start(e->who);
}

static struct sim_host *
any_host(struct world *w)
{
	return &w->hosts[world_draw(w, w->host_count)];
}

static void
fault_exit(struct world *w)
{
	const int codes[] = {0, 1, 2};
	struct sim_host *h = any_host(w);

	if (h->process_count > 0)
		host_exit(h, &h->processes[world_draw(w, h->process_count)],
		    codes[world_draw(w, COUNT_OF(codes))]);
}

static void
comes_back(struct sim_host *h)
{
	const int64_t after_s[] = {0, 2, 10, 30};
	struct world *w = h->world;

	world_at(w, after_s[world_draw(w, COUNT_OF(after_s))] * SECOND_US, start_again, h, 0);
}

static void
fault_crash(struct world *w)
{
	struct sim_host *h = any_host(w);

	world_say(w, "FAULT %s dies", h->id);
	host_crash(h);
	comes_back(h);
}

static void
fault_reboot(struct world *w)
{
	struct sim_host *h = any_host(w);

	world_say(w, "FAULT %s reboots", h->id);
	host_reboot(h);
	comes_back(h);
}

static void
fault_journal(struct world *w)
{
	struct sim_host *h = any_host(w);

	world_say(w, "FAULT %s loses its journal", h->id);
	host_lose_journal(h);
	comes_back(h);
}

/* Both directions, or one of them. */
static void
fault_cut(struct world *w)
{
	const int64_t for_s[] = {8, 15, 25, 40, 60, 100};
	struct sim_host *h = any_host(w);
	int64_t until = w->now_us + for_s[world_draw(w, COUNT_OF(for_s))] * SECOND_US;
	unsigned which = (unsigned)world_draw(w, 4);

	world_say(w, "FAULT %s is cut off (%u) until %lld s", h->id, which,
	    (long long)(until / SECOND_US));
	if (which != 1)
		h->cut_up_us = until;
	if (which != 2)
		h->cut_down_us = until;
}

static void
fault_wipe_commands(struct world *w)
{
	world_say(w, "FAULT commands are wiped");
	stream_wipe_commands(w);
}

static void
fault_wipe_reports(struct world *w)
{
	if (!w->digests)
		return;
	world_say(w, "FAULT %zu reports are wiped", stream_report_count(w));
	stream_wipe_reports(w);
}

static void
fault_hub(struct world *w)
{
	struct sim_hub *h = &w->hubs[world_draw(w, SIM_HUBS)];

	if (world_chance(w, 500)) {
		hub_crash(h);
		return;
	}
	h->deaf_until_us = w->now_us + world_between(w, 2, 40) * SECOND_US;
	world_say(w, "FAULT %s is cut off", h->hub.settings.instance);
}

/* Part of the bus does not pass heartbeats on: all hubs are connected, one does not hear a host. */
static void
fault_blind(struct world *w)
{
	struct sim_hub *h = &w->hubs[world_draw(w, SIM_HUBS)];
	size_t host = world_draw(w, w->host_count);

	h->blind_until_us[host] = w->now_us + world_between(w, 10, 120) * SECOND_US;
	world_say(w, "FAULT %s does not hear %s", h->hub.settings.instance, w->hosts[host].id);
}

static void
fault_scheduler(struct world *w)
{
	struct sim_scheduler *s = &w->schedulers[world_draw(w, SIM_SCHEDULERS)];

	if (world_chance(w, 500)) {
		scheduler_crash(s);
		return;
	}
	s->paused_until_us = w->now_us + world_between(w, 3, 30) * SECOND_US;
	world_say(w, "FAULT %s is paused", s->instance);
}

/* Postgres fails over, or its connections do. */
static void
fault_store(struct world *w)
{
	int64_t *until = world_chance(w, 500) ? &w->store_away_us : &w->store_shaky_us;

	*until = w->now_us + world_between(w, 1, 30) * SECOND_US;
	world_say(w, "FAULT the store is %s until %lld s",
	    until == &w->store_away_us ? "away" : "shaky", (long long)(*until / SECOND_US));
}

static const struct {
	unsigned per_mille; /* of the looks */
	void (*strike)(struct world *w);
} faults[] = {
    {250, fault_exit},
    {60, fault_crash},
    {30, fault_reboot},
    {30, fault_journal},
    {40, fault_cut},
    {40, fault_wipe_commands},
    {40, fault_wipe_reports},
    {40, fault_hub},
    {30, fault_blind},
    {60, fault_scheduler},
    {30, fault_store},
};

static unsigned
one_of(struct world *w, const unsigned *choices, size_t n)
{
	return choices[world_draw(w, n)];
}

void
misfortune_init(struct world *w)
{
	const unsigned lose[] = {20, 100, 300}, repeat[] = {0, 100, 300};
	const unsigned overtake[] = {50, 300, 700}, hold[] = {0, 50, 120};
	const unsigned times[] = {0, 1, 1, 2};

	_Static_assert(COUNT_OF(faults) <= SIM_FAULT_KINDS_MAX, "each has a place");
	w->hurries = world_chance(w, 300);
	w->digests = world_chance(w, 500);
	if (w->chaos)
		restore_plan(w);
	w->lose = one_of(w, lose, COUNT_OF(lose));
	w->repeat = one_of(w, repeat, COUNT_OF(repeat));
	w->overtake = one_of(w, overtake, COUNT_OF(overtake));
	w->hold = one_of(w, hold, COUNT_OF(hold));
	for (size_t i = 0; i < COUNT_OF(faults); i++)
		w->strikes[i] = faults[i].per_mille * one_of(w, times, COUNT_OF(times));
}

static void
all_well(struct world *w)
{
	for (size_t i = 0; i < w->host_count; i++)
		host_start(&w->hosts[i]);
	operator_tidies(w);
}

void
misfortune(struct world *w, struct sim_event *e)
{
	(void)e;
	if (w->now_us >= SIM_FAULTS_US) {
		all_well(w);
	} else {
		for (size_t i = 0; i < COUNT_OF(faults); i++) {
			if (world_fault(w, w->strikes[i]))
				faults[i].strike(w);
		}
		if (!w->nobody && (w->session_count < 2 || world_chance(w, ACTS)))
			user_act(w);
	}
	world_at(w, world_between(w, 1, 8) * SECOND_US, misfortune, NULL, 0);
}
