/* plan_check: why one host would refuse one shape. */
#include <assert.h>
#include <string.h>

#include "plan.h"

static const char *const reason_texts[] = {
    [PLAN_OK] = "ok",
    [PLAN_NOT_READY] = "not ready",
    [PLAN_CORDONED] = "cordoned",
    [PLAN_DRAINING] = "draining",
    [PLAN_SELECTOR] = "selector",
    [PLAN_DRIVER_MISSING] = "driver missing",
    [PLAN_DRIVER_UNUSABLE] = "driver unusable",
    [PLAN_LIMITS] = "cannot enforce limits",
    [PLAN_CAPABILITY] = "capability missing",
    [PLAN_LABEL] = "label missing",
    [PLAN_TOO_SMALL] = "too small",
    [PLAN_CPU] = "cpu",
    [PLAN_MEMORY] = "memory",
    [PLAN_DISK] = "disk",
    [PLAN_GPUS] = "gpus",
    [PLAN_SLOTS] = "slots",
    [PLAN_APART] = "anti-affinity",
    [PLAN_SPREAD] = "spread",
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

const char *
plan_label(const struct plan_host *host, const char *key)
{
	for (size_t i = 0; i < host->label_count; i++) {
		if (strcmp(host->labels[i].key, key) == 0)
			return host->labels[i].value;
	}
	return NULL;
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

/* Is this word among the words of the text? */
static bool
word_is_in(const char *text, const char *word, size_t length)
{
	while (*text) {
		size_t n = strcspn(text, " ");

		if (n == length && memcmp(text, word, n) == 0)
			return true;
		text += n + strspn(text + n, " ");
	}
	return false;
}

static bool
capabilities_hold(const char *there, const char *needs)
{
	while (needs && *needs) {
		size_t n = strcspn(needs, " ");

		if (n > 0 && !word_is_in(there ? there : "", needs, n))
			return false;
		needs += n + strspn(needs + n, " ");
	}
	return true;
}

static bool
has_key(const struct plan_host *host, const char *key)
{
	return !key || strcmp(key, PLAN_KEY_HOST) == 0 || plan_label(host, key);
}

/* What does not depend on the moment: labels, drivers, capabilities, size. */
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
	if (!capabilities_hold(host->capabilities, shape->needs))
		return PLAN_CAPABILITY;
	if (!has_key(host, shape->spread_by) || !has_key(host, shape->apart_by))
		return PLAN_LABEL;
	if (!resources_fit(&host->capacity, &nothing, &shape->resources, &ignored))
		return PLAN_TOO_SMALL;
	return PLAN_OK;
}

/* A host that is drained is cordoned too: say the more of the two. */
static enum plan_reason
flags_check(const struct plan_host *host)
{
	if (host->draining)
		return PLAN_DRAINING;
	return host->cordoned ? PLAN_CORDONED : PLAN_OK;
}

enum plan_reason
plan_check_empty(const struct plan_host *host, const struct plan_shape *shape)
{
	enum plan_reason reason = flags_check(host);

	return reason == PLAN_OK ? nature_check(host, shape) : reason;
}

enum plan_reason
plan_check(const struct plan_host *host, const struct plan_shape *shape)
{
	enum resource_dimension lacking;
	enum plan_reason reason;

	if (host->state != HOST_READY)
		return PLAN_NOT_READY;
	reason = plan_check_empty(host, shape);
	if (reason != PLAN_OK)
		return reason;
	if (!resources_fit(&host->capacity, &host->used, &shape->resources, &lacking))
		return full_reasons[lacking];
	return PLAN_OK;
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
