#include "plan.h"

#include <assert.h>
#include <string.h>

#include "arena.h"
#include "err.h"
#include "plan_group.h"

static bool
is_counted(const struct plan_shape *shape)
{
	return shape->spread_by || shape->apart_by;
}

/* The lightest of the avoided that takes it. */
static size_t
avoided_find(
    const struct plan_fleet *f, const struct plan_shape *shape, const struct plan_crowd *crowd)
{
	size_t found = PLAN_NO_HOST;
	int64_t weight = 0;

	for (size_t i = 0; i < crowd->avoided_count; i++) {
		const struct plan_avoided *a = &crowd->avoided[i];

		if ((found == PLAN_NO_HOST || a->weight < weight) &&
		    plan_check(&f->hosts[a->host], shape) == PLAN_OK) {
			found = a->host;
			weight = a->weight;
		}
	}
	return found;
}

static size_t
first_fit(const struct plan_fleet *f, const struct plan_shape *shape,
    const struct plan_crowd *crowd, uint32_t why[PLAN_REASON_COUNT])
{
	bool avoided = false;

	for (size_t i = 0; i < f->host_count; i++) {
		size_t at = (f->cursor + i) % f->host_count;
		enum plan_reason reason = plan_check(&f->hosts[at], shape);

		if (reason != PLAN_OK)
			why[reason]++;
		else if (plan_avoided_weight(crowd, (uint32_t)at) == 0)
			return at;
		else
			avoided = true;
	}
	return avoided ? avoided_find(f, shape, crowd) : PLAN_NO_HOST;
}

/* What happens on the way from want to want. */
struct planning {
	struct plan_fleet *fleet;
	struct plan_group *group; /* of the last shape that counts; in the scratch arena */
	const struct plan_shape *group_shape;
	const struct plan_result *refused; /* the last one that found nothing */
	const struct plan_shape *refused_shape;
};

static int
group_fit(struct planning *p, const struct plan_want *want, size_t wants_left,
    struct plan_result *result, struct err *err)
{
	if (p->group_shape != want->shape) {
		arena_reset(p->fleet->scratch);
		p->group = plan_group_new(p->fleet, want->shape, want->crowd, wants_left);
		p->group_shape = p->group ? want->shape : NULL;
	}
	if (!p->group || plan_group_place(p->group, &result->host) != 0) {
		p->group_shape = NULL;
		return err_set(
		    err, ERR_LIMIT, "no memory for a plan over %zu hosts", p->fleet->host_count);
	}
	if (result->host == PLAN_NO_HOST)
		plan_group_explain(p->group, result->why);
	return 0;
}

/* Later plans over these hosts count it too. */
static int
crowd_add(struct plan_fleet *f, struct plan_crowd *c, size_t host, struct err *err)
{
	if (!c || !c->counted)
		return 0;
	if (c->placed_count == c->placed_room) {
		size_t room = c->placed_room ? 2 * c->placed_room : 16;
		uint32_t *placed = arena_calloc(f->arena, room, sizeof(*placed));

		if (!placed)
			return err_set(err, ERR_LIMIT, "no memory to count what is placed");
		if (c->placed_count > 0)
			memcpy(placed, c->placed, c->placed_count * sizeof(*placed));
		c->placed = placed;
		c->placed_room = room;
	}
	c->placed[c->placed_count++] = (uint32_t)host;
	return 0;
}

static int
plan_one(struct planning *p, const struct plan_want *want, size_t wants_left,
    struct plan_result *result, struct err *err)
{
	struct plan_fleet *f = p->fleet;

	memset(result, 0, sizeof(*result));
	result->host = PLAN_NO_HOST;
	if (!is_counted(want->shape))
		result->host = first_fit(f, want->shape, want->crowd, result->why);
	else if (group_fit(p, want, wants_left, result, err) != 0)
		return -1;
	if (result->host == PLAN_NO_HOST) {
		p->refused = result;
		p->refused_shape = want->shape;
		return 0;
	}
	memset(result->why, 0, sizeof(result->why));
	resources_add(&f->hosts[result->host].used, &want->shape->resources);
	f->cursor = (result->host + 1) % f->host_count;
	return crowd_add(f, want->crowd, result->host, err);
}

int
plan(struct plan_fleet *f, const struct plan_want *wants, size_t n, struct plan_result *results,
    struct err *err)
{
	struct planning p = {.fleet = f};

	assert(f->host_count < UINT32_MAX);
	for (size_t i = 0; i < n; i++) {
		/* Hosts only fill up here: what found no host once finds none later either. */
		if (p.refused && wants[i].shape == p.refused_shape) {
			results[i] = *p.refused;
			continue;
		}
		if (plan_one(&p, &wants[i], n - i, &results[i], err) != 0)
			return -1;
	}
	return 0;
}
