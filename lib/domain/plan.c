#include "plan.h"

#include <assert.h>
#include <string.h>

static const char *const reason_texts[] = {
    [PLAN_OK] = "ok",
    [PLAN_NOT_READY] = "not ready",
    [PLAN_CORDONED] = "cordoned",
    [PLAN_DRAINING] = "draining",
    [PLAN_SELECTOR] = "selector",
    [PLAN_DRIVER_MISSING] = "driver missing",
    [PLAN_DRIVER_UNUSABLE] = "driver unusable",
    [PLAN_LIMITS] = "cannot enforce limits",
    [PLAN_TOO_SMALL] = "too small",
    [PLAN_CPU] = "cpu",
    [PLAN_MEMORY] = "memory",
    [PLAN_DISK] = "disk",
    [PLAN_GPUS] = "gpus",
    [PLAN_SLOTS] = "slots",
};
_Static_assert(
    sizeof(reason_texts) / sizeof(reason_texts[0]) == PLAN_REASON_COUNT, "every reason has a text");

static const enum plan_reason full_reasons[] = {
    [RESOURCE_CPU] = PLAN_CPU,
    [RESOURCE_MEMORY] = PLAN_MEMORY,
    [RESOURCE_DISK] = PLAN_DISK,
    [RESOURCE_GPUS] = PLAN_GPUS,
    [RESOURCE_SLOTS] = PLAN_SLOTS,
};
_Static_assert(sizeof(full_reasons) / sizeof(full_reasons[0]) == RESOURCE_COUNT,
    "every dimension has a reason");

const char *
plan_reason_text(enum plan_reason r)
{
	assert((unsigned)r < PLAN_REASON_COUNT);
	return reason_texts[r];
}

static enum plan_reason
driver_check(const struct plan_host *host, const struct plan_shape *shape)
{
	for (size_t i = 0; i < host->driver_count; i++) {
		const struct plan_driver *d = &host->drivers[i];

		if (strcmp(d->name, shape->driver) != 0)
			continue;
		if (!d->usable)
			return PLAN_DRIVER_UNUSABLE;
		if (shape->limits_required &&
		    ((shape->resources.cpu_millis > 0 && !d->enforces_cpu) ||
			(shape->resources.memory_bytes > 0 && !d->enforces_memory)))
			return PLAN_LIMITS;
		return PLAN_OK;
	}
	return PLAN_DRIVER_MISSING;
}

/* What does not depend on the moment: labels, drivers, size. */
static enum plan_reason
nature_check(const struct plan_host *host, const struct plan_shape *shape)
{
	const struct resources nothing = {0};
	enum resource_dimension ignored;
	enum plan_reason reason;

	if (shape->selector && !selector_match(shape->selector, host->labels, host->label_count))
		return PLAN_SELECTOR;
	reason = driver_check(host, shape);
	if (reason != PLAN_OK)
		return reason;
	if (!resources_fit(&host->capacity, &nothing, &shape->resources, &ignored))
		return PLAN_TOO_SMALL;
	return PLAN_OK;
}

enum plan_reason
plan_check(const struct plan_host *host, const struct plan_shape *shape)
{
	enum resource_dimension lacking;
	enum plan_reason reason;

	if (host->state != HOST_READY)
		return PLAN_NOT_READY;
	if (host->cordoned)
		return PLAN_CORDONED;
	if (host->draining)
		return PLAN_DRAINING;
	reason = nature_check(host, shape);
	if (reason != PLAN_OK)
		return reason;
	if (!resources_fit(&host->capacity, &host->used, &shape->resources, &lacking))
		return full_reasons[lacking];
	return PLAN_OK;
}

static void
plan_one(struct plan_host *hosts, size_t host_count, const struct plan_shape *shape, size_t *cursor,
    struct plan_result *result)
{
	memset(result, 0, sizeof(*result));
	result->host = PLAN_NO_HOST;
	for (size_t i = 0; i < host_count; i++) {
		size_t at = (*cursor + i) % host_count;
		enum plan_reason reason = plan_check(&hosts[at], shape);

		if (reason == PLAN_OK) {
			resources_add(&hosts[at].used, &shape->resources);
			memset(result->why, 0, sizeof(result->why));
			result->host = at;
			*cursor = (at + 1) % host_count;
			return;
		}
		result->why[reason]++;
	}
}

void
plan(struct plan_host *hosts, size_t host_count, const struct plan_want *wants, size_t n,
    size_t *cursor, struct plan_result *results)
{
	const struct plan_result *refused = NULL;
	const struct plan_shape *refused_shape = NULL;

	for (size_t i = 0; i < n; i++) {
		/* Hosts only fill up here: what found no host once finds none later either. */
		if (refused && wants[i].shape == refused_shape) {
			results[i] = *refused;
			continue;
		}
		plan_one(hosts, host_count, wants[i].shape, cursor, &results[i]);
		if (results[i].host == PLAN_NO_HOST) {
			refused = &results[i];
			refused_shape = wants[i].shape;
		}
	}
}

bool
plan_possible(const struct plan_host *hosts, size_t n, const struct plan_shape *shape)
{
	for (size_t i = 0; i < n; i++) {
		if (hosts[i].state != HOST_RETIRED && nature_check(&hosts[i], shape) == PLAN_OK)
			return true;
	}
	return false;
}
