/* cases_option: what an agent may leave out, as long as it refuses it (--without). */
#include "kit.h"

#include <string.h>

static bool
claims(const struct kit *k, const char *capability)
{
	const Fairlead__V1__Hello *m = k->hello.m.hello;

	for (size_t i = 0; i < m->n_capabilities; i++)
		if (strcmp(m->capabilities[i], capability) == 0)
			return true;
	return false;
}

/* What an agent does not claim it refuses; to ignore it would be to promise it. */
static void
refuses(struct kit *k, struct kit_order *o, const char *capability)
{
	kit_require(k, "A7: its hello does not claim it", !claims(k, capability));
	kit_send_one(k, o);
	kit_expect(k, "REJECTED", kit_state(k, o) == EXECUTOR_REJECTED);
	kit_require(k, "with a reason", kit_joined(k, &o->id).reason[0]);
	kit_fence(k);
	kit_require(k, "it did not run", kit_runs(k, &o->id) == 0);
}

static void
without_restarts_a_restart_policy_is_rejected_A7(void **state)
{
	struct kit *k = *state;
	struct kit_order *o;

	kit_settled_start(k);
	o = kit_order(k, "exit 0");
	o->restart = "on-failure";
	refuses(k, o, "restart");
}

static void
without_a_clock_of_silence_stop_on_host_is_rejected_A7(void **state)
{
	struct kit *k = *state;
	struct kit_order *o;

	kit_settled_start(k);
	o = kit_order(k, "exit 0");
	o->stop_on_host_after_ms = 2000;
	refuses(k, o, "stop_on_host_after");
}

/* Group restart: the pauses and the count are the host's (E10). */
static void
what_failed_starts_again_in_place_by_its_policy_E10(void **state)
{
	struct kit *k = *state;
	struct kit_order *o;

	kit_settled_start(k);
	kit_require(k, "A7: its hello claims it", claims(k, "restart"));
	o = kit_order(k, "[ -e \"$1.go\" ] && exit 0; : >\"$1.go\"; exit 1");
	o->restart = "on-failure";
	kit_send_one(k, o);
	kit_expect(k, "it succeeds in its second incarnation",
	    kit_state(k, o) == EXECUTOR_SUCCEEDED && kit_joined(k, &o->id).incarnation == 2);
	kit_require(k, "it ran twice", kit_runs(k, &o->id) == 2);
}

/* Group stop-on-host: the clock begins with the newest request that was answered (K24). */
static void
without_an_answer_for_long_enough_it_is_stopped_K24(void **state)
{
	struct kit *k = *state;
	struct kit_order *o;

	kit_settled_start(k);
	kit_require(k, "A7: its hello claims it", claims(k, "stop_on_host_after"));
	o = kit_order(k, "exec sleep 600");
	o->stop_on_host_after_ms = 2000;
	kit_send_one(k, o);
	kit_expect(k, "it runs", kit_state(k, o) == EXECUTOR_RUNNING);
	k->mute_hello = k->mute_heartbeat = k->mute_sync = true;
	kit_expect(
	    k, "it is stopped", kit_state(k, o) == EXECUTOR_STOPPED && !kit_lives(k, &o->id));
}

const struct kit_case cases_option[] = {
    KIT_CASE_OF("restart", what_failed_starts_again_in_place_by_its_policy_E10),
    KIT_CASE_OF("stop-on-host", without_an_answer_for_long_enough_it_is_stopped_K24),
    KIT_CASE_WITHOUT("restart", without_restarts_a_restart_policy_is_rejected_A7),
    KIT_CASE_WITHOUT("stop-on-host", without_a_clock_of_silence_stop_on_host_is_rejected_A7),
    {0},
};
