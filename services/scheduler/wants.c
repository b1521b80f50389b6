#include "wants.h"

#include "arena.h"
#include "err.h"
#include "log.h"
#include "selector.h"
#include "store.h"

static bool
same_revision(const struct store_queued *a, const struct store_queued *b)
{
	return a->revision == b->revision && id_equal(&a->session_id, &b->session_id);
}

static const char *
key_of(const char *text)
{
	return text && *text ? text : NULL;
}

/* NULL: no memory. */
static const struct plan_shape *
shape_of(const struct store_queued *q, struct arena *a)
{
	struct plan_shape *shape = arena_alloc(a, sizeof(*shape));
	struct selector *selector = NULL;
	struct err err = {0};

	if (!shape)
		return NULL;
	*shape = (struct plan_shape){.driver = q->driver,
	    .needs = q->needs,
	    .limits_required = q->limits_required,
	    .resources = q->resources,
	    .spread_by = key_of(q->spread_by),
	    .spread_skew = q->spread_skew,
	    .apart_by = key_of(q->apart_by),
	    .apart_max = q->apart_max};
	if (selector_parse(q->selector, a, &selector, &err) != 0) {
		log_error("place.selector", LOG_STR("session", q->session), LOG_ERR(&err));
		shape->driver = ""; /* no host has it */
	}
	shape->selector = selector;
	return shape;
}

int
wants_of(const struct store_queued *queued, size_t n, struct arena *a, struct plan_want **ret,
    struct err *err)
{
	struct plan_want *wants = arena_calloc(a, n + 1, sizeof(*wants));

	if (!wants)
		return err_set(err, ERR_LIMIT, "no memory for a plan");
	for (size_t i = 0; i < n; i++) {
		wants[i].executor_id = queued[i].executor_id;
		if (i > 0 && same_revision(&queued[i], &queued[i - 1]))
			wants[i].shape = wants[i - 1].shape;
		else
			wants[i].shape = shape_of(&queued[i], a);
		if (!wants[i].shape)
			return err_set(err, ERR_LIMIT, "no memory for a plan");
	}
	*ret = wants;
	return 0;
}

int
wants_explain(const struct plan_result *result, const struct id *executor_id, struct arena *a,
    struct store_waiting *ret, struct err *err)
{
	struct store_why *why = arena_calloc(a, PLAN_REASON_COUNT, sizeof(*why));
	size_t n = 0;

	if (!why)
		return err_set(err, ERR_LIMIT, "no memory for reasons");
	for (int r = 0; r < PLAN_REASON_COUNT; r++) {
		if (result->why[r] > 0)
			why[n++] = (struct store_why){
			    plan_reason_text((enum plan_reason)r), result->why[r]};
	}
	if (n == 0)
		why[n++] = (struct store_why){"no hosts", 0};
	*ret = (struct store_waiting){.executor_id = *executor_id, .why = why, .why_count = n};
	return 0;
}
