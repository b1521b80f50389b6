/* agent_take: one desired state into one record (K7, K9, K13). */
#include "agent_private.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "codec.h"
#include "err.h"
#include "mutant.h"

#define BACKOFF_DEFAULT_MS 1000u

struct refused {
	const char *reason; /* NULL: taken */
	char detail[RECORD_DETAIL_BYTES];
};

static void refuse(struct refused *r, const char *reason, const char *format, ...) PRINTF(3, 4);

static void
refuse(struct refused *r, const char *reason, const char *format, ...)
{
	va_list args;

	r->reason = reason;
	va_start(args, format);
	vsnprintf(r->detail, sizeof(r->detail), format, args);
	va_end(args);
}

static struct resources
resources_of(const Fairlead__V1__Resources *r)
{
	if (!r)
		return (struct resources){0};
	return (struct resources){
	    .cpu_millis = r->cpu_millis,
	    .memory_bytes = r->memory_bytes > INT64_MAX ? INT64_MAX : (int64_t)r->memory_bytes,
	    .disk_bytes = r->disk_bytes > INT64_MAX ? INT64_MAX : (int64_t)r->disk_bytes,
	    .gpus = r->gpus,
	    .slots = r->slots,
	};
}

/* The host refuses overcommit itself, whatever the control plane believes (invariant 4). */
static void
check_capacity(struct agent *a, const Fairlead__V1__CommandItem *item, struct refused *r)
{
	struct resources wanted = resources_of(item->spec->resources);
	struct resources used = table_reserved(a);
	enum resource_dimension dimension;

	if (resources_fit(&a->config.capacity, &used, &wanted, &dimension))
		return;
	refuse(r, "overcommit", "%s: wants %" PRId64 ", %" PRId64 " of %" PRId64 " are taken",
	    resource_name(dimension), resource_get(&wanted, dimension),
	    resource_get(&used, dimension), resource_get(&a->config.capacity, dimension));
}

static void
check_driver(struct agent *a, const Fairlead__V1__CommandItem *item, struct refused *r)
{
	bool usable;

	if (!act_driver_known(a, item->spec->driver, &usable))
		refuse(r, "driver", "this host has no driver \"%.40s\"", item->spec->driver);
	else if (!usable)
		refuse(r, "driver", "driver %.40s is not usable on this host", item->spec->driver);
}

/* What this agent does not know it must not ignore. */
static bool
restart_of(const Fairlead__V1__RestartPolicy *m, struct record_restart *ret)
{
	static const struct {
		const char *policy;
		enum restart_mode mode;
	} modes[] = {{"", RESTART_NEVER}, {"never", RESTART_NEVER},
	    {"on-failure", RESTART_ON_FAILURE}, {"always", RESTART_ALWAYS}};
	size_t i = 0;

	*ret = (struct record_restart){0};
	if (!m)
		return true;
	while (i < COUNT_OF(modes) && strcmp(modes[i].policy, m->policy) != 0)
		i++;
	if (i == COUNT_OF(modes))
		return false;
	ret->mode = modes[i].mode;
	ret->max = m->max;
	ret->backoff_ms = m->backoff_ms ? m->backoff_ms : BACKOFF_DEFAULT_MS;
	ret->backoff_max_ms =
	    m->backoff_max_ms > ret->backoff_ms ? m->backoff_max_ms : ret->backoff_ms;
	ret->reset_after_ms = m->reset_after_ms;
	return true;
}

static void
check_run(struct agent *a, const Fairlead__V1__CommandItem *item, struct refused *r)
{
	struct record_restart ignored;

	int64_t now_us =
	    MUTANT(expiry_by_host_clock) ? clock_real_us(a->clock) : agent_now(a) + a->cp_offset_us;

	if (item->deadline_us > 0 && now_us > item->deadline_us) {
		refuse(r, "expired", "it arrived after its deadline"); /* K13 */
		return;
	}
	if (!item->spec) {
		refuse(r, "invalid", "the command has no spec");
		return;
	}
	if (!restart_of(item->spec->restart, &ignored)) {
		refuse(r, "invalid", "restart policy \"%.40s\" is not known to this agent",
		    item->spec->restart->policy);
		return;
	}
	check_driver(a, item, r);
	if (!r->reason)
		check_capacity(a, item, r);
}

static void
record_init(struct agent *a, struct record *r, const struct id *executor_id, uint64_t generation,
    enum desired_state desired)
{
	memset(r, 0, sizeof(*r));
	r->executor_id = *executor_id;
	r->accepted_generation = generation;
	r->desired = desired;
	r->incarnation = 1;
	r->exit_code = -1;
	r->accepted_at_us = agent_now(a);
}

static int
keep_spec(struct entry *e, const Fairlead__V1__ExecutorSpec *spec)
{
	e->spec_size = fairlead__v1__executor_spec__get_packed_size(spec);
	e->spec = malloc(e->spec_size ? e->spec_size : 1);
	if (!e->spec)
		return -1;
	fairlead__v1__executor_spec__pack(spec, e->spec);
	return 0;
}

static void
rejected(struct entry *e, const struct refused *refused)
{
	e->r.state = EXECUTOR_REJECTED;
	table_text(e->r.reason, sizeof(e->r.reason), refused->reason);
	table_text(e->r.detail, sizeof(e->r.detail), refused->detail);
	e->r.reserved = (struct resources){0};
}

static void
take_new_run(struct agent *a, const struct id *executor_id, const Fairlead__V1__CommandItem *item)
{
	struct refused refused = {0};
	struct record r;
	struct entry *e;

	if (HASH_COUNT(a->entries) >= RECORDS_MAX) {
		report_loose(a, executor_id, item->generation, true);
		return;
	}
	check_run(a, item, &refused);
	record_init(a, &r, executor_id, item->generation, DESIRED_RUN);
	r.state = EXECUTOR_ACCEPTED;
	r.attempt = item->attempt;
	table_text(r.name, sizeof(r.name), item->name);
	if (item->spec) {
		table_text(r.driver, sizeof(r.driver), item->spec->driver);
		r.stop_grace_ms = item->spec->stop_grace_ms;
		r.reserved = resources_of(item->spec->resources);
		(void)restart_of(item->spec->restart, &r.restart);
		r.stop_on_host_after_ms = item->spec->stop_on_host_after_ms;
	}
	e = table_add(a, &r);
	if (!e) {
		report_loose(a, executor_id, item->generation, true);
		return;
	}
	if (!refused.reason && keep_spec(e, item->spec) < 0)
		refuse(&refused, "memory", "the agent has no memory for it");
	if (refused.reason)
		rejected(e, &refused);
	table_touch(a, e);
	contact_watch(a, e);
	agent_note(a, refused.reason != NULL,
	    refused.reason ? "executor.rejected" : "executor.accepted", executor_id,
	    refused.reason ? e->r.detail : e->r.name);
}

/* K9: an order about an id that was never seen; an older RUN may still come and must find this. */
static void
take_tombstone(struct agent *a, const struct id *executor_id, uint64_t generation,
    enum desired_state desired, uint64_t host_seq, const char *name)
{
	struct record r;
	struct entry *e;

	if (HASH_COUNT(a->entries) >= RECORDS_MAX) {
		report_loose(a, executor_id, generation, false);
		return;
	}
	record_init(a, &r, executor_id, generation, desired);
	r.state = EXECUTOR_STOPPED;
	table_text(r.name, sizeof(r.name), name);
	table_text(r.reason, sizeof(r.reason), "stopped");
	table_text(r.detail, sizeof(r.detail), "stopped before it was known here");
	if (desired == DESIRED_ABSENT) {
		r.gone_generation = generation;
		r.absent_seq = host_seq;
	}
	e = table_add(a, &r);
	if (!e) {
		report_loose(a, executor_id, generation, false);
		return;
	}
	table_touch(a, e);
}

/* K7: at or below the highest generation seen it changes nothing and is answered again. */
static void
merge(struct agent *a, struct entry *e, uint64_t generation, enum desired_state desired,
    uint64_t host_seq, uint32_t grace_ms)
{
	if (generation <= e->r.accepted_generation) {
		table_touch(a, e);
		return;
	}
	e->r.accepted_generation = generation;
	e->r.desired = desired;
	e->unknown = false; /* whoever orders it knows it */
	if (desired != DESIRED_RUN)
		e->r.stop_grace_ms = grace_ms;
	if (desired == DESIRED_ABSENT)
		e->r.absent_seq = host_seq;
	if (e->r.gone_generation)
		e->r.gone_generation = generation; /* GONE is said at the newest generation */
	table_touch(a, e);
	act_settle(a, e);
}

void
take_absent(struct agent *a, const struct id *executor_id, uint64_t generation, uint64_t host_seq,
    uint32_t grace_ms)
{
	struct entry *e = table_find(a, executor_id);

	if (e)
		merge(a, e, generation, DESIRED_ABSENT, host_seq, grace_ms);
	else
		take_tombstone(a, executor_id, generation, DESIRED_ABSENT, host_seq, "");
}

static void
take_unknown(struct agent *a, const struct id *executor_id, const Fairlead__V1__CommandItem *item,
    enum desired_state desired, uint64_t host_seq)
{
	if (host_seq <= a->meta.contiguous_seq)
		report_loose(a, executor_id, item->generation, false);
	else if (desired == DESIRED_RUN)
		take_new_run(a, executor_id, item);
	else
		take_tombstone(a, executor_id, item->generation, desired, host_seq, item->name);
}

static enum desired_state
desired_of(Fairlead__V1__Desired desired)
{
	switch (desired) {
	case FAIRLEAD__V1__DESIRED__RUN:
		return DESIRED_RUN;
	case FAIRLEAD__V1__DESIRED__STOP:
		return DESIRED_STOP;
	case FAIRLEAD__V1__DESIRED__ABSENT:
		return DESIRED_ABSENT;
	case FAIRLEAD__V1__DESIRED__DESIRED_UNSPECIFIED:
	case _FAIRLEAD__V1__DESIRED_IS_INT_SIZE:
	default:
		return DESIRED_NONE;
	}
}

void
take_item(struct agent *a, const Fairlead__V1__CommandItem *item, uint64_t host_seq)
{
	enum desired_state desired = desired_of(item->desired);
	struct entry *e;
	struct err err;
	struct id id;

	if (wire_id(&item->executor_id, "items.executor_id", &id, &err) < 0 || id_is_zero(&id) ||
	    desired == DESIRED_NONE || item->generation == 0 || item->generation > INT64_MAX) {
		a->stats.refused_messages++;
		agent_note(
		    a, true, "command.item_refused", NULL, "its id, verb or generation is invalid");
		return;
	}
	a->stats.items++;
	e = table_find(a, &id);
	if (e)
		merge(a, e, item->generation, desired, host_seq, item->stop_grace_ms);
	else
		take_unknown(a, &id, item, desired, host_seq);
}
