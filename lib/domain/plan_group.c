#include "plan_group.h"

#include "arena.h"
#include "plan_heap.h"
#include "plan_tally.h"
#include "plan_topology.h"

/* A host that may take another one. */
struct node {
	struct node *next;
	uint32_t host;
	int64_t weight; /* > 0: avoided */
};

/* All hosts of one value of the spread's label; without a spread there is one, of all. */
struct domain {
	uint32_t looked;           /* members looked at for the first time */
	struct node *again, *last; /* took one already, the longest ago first */
	struct node *late;         /* avoided, the lightest first */
};

struct plan_group {
	struct plan_fleet *fleet;
	const struct plan_shape *shape;
	const struct plan_crowd *crowd;             /* NULL: nobody, nothing */
	const struct plan_topology *spread, *apart; /* apart NULL: no anti-affinity */
	struct plan_tally apart_counts;
	uint32_t *counts; /* executors of the session by domain of spread */
	struct domain *domains;
	uint32_t start; /* which member of a domain is looked at first */
	/* Domains that count for the skew; of these, those with hosts left to try, and those
	 * whose last hope is a host that is avoided. */
	struct plan_heap all, clean, late;
	bool no_memory;
};

int64_t
plan_avoided_weight(const struct plan_crowd *crowd, uint32_t host)
{
	size_t from = 0, to = crowd ? crowd->avoided_count : 0;

	while (from < to) {
		size_t middle = (from + to) / 2;

		if (crowd->avoided[middle].host == host)
			return crowd->avoided[middle].weight;
		if (crowd->avoided[middle].host < host)
			from = middle + 1;
		else
			to = middle;
	}
	return 0;
}

/* ---- counting ---- */

static void
count_add(struct plan_group *g, uint32_t host, uint32_t count)
{
	uint32_t domain = plan_topology_domain(g->spread, host);

	if (domain != PLAN_NO_DOMAIN)
		g->counts[domain] += count;
	domain = g->apart ? plan_topology_domain(g->apart, host) : PLAN_NO_DOMAIN;
	if (domain != PLAN_NO_DOMAIN)
		plan_tally_add(&g->apart_counts, domain, count);
}

static void
crowd_count(struct plan_group *g)
{
	const struct plan_crowd *c = g->crowd;

	for (size_t i = 0; c && i < c->there_count; i++)
		count_add(g, c->there[i].host, c->there[i].count);
	for (size_t i = 0; c && i < c->placed_count; i++)
		count_add(g, c->placed[i], 1);
}

static bool
apart_full(const struct plan_group *g, uint32_t host)
{
	return g->apart && plan_tally_get(&g->apart_counts, plan_topology_domain(g->apart, host)) >=
			       g->shape->apart_max;
}

static bool
takes(const struct plan_group *g, uint32_t host)
{
	return plan_check(&g->fleet->hosts[host], g->shape) == PLAN_OK && !apart_full(g, host);
}

/* Would one more here be too many above the least? */
static bool
spread_full(struct plan_group *g, uint32_t domain)
{
	uint32_t least;

	if (!g->shape->spread_by)
		return false;
	least = plan_heap_top(&g->all, g->counts)->count;
	return g->counts[domain] + 1 - least > g->shape->spread_skew;
}

/* ---- making ---- */

/* A value counts for the skew as long as one of its hosts could take an executor were there room.
 * A SUSPECT one may be back in a moment; one that is LOST, cordoned or drained is out of service,
 * and must not hold up the others. */
static bool
domain_counts(const struct plan_group *g, uint32_t domain)
{
	uint32_t size = plan_topology_size(g->spread, domain);

	for (uint32_t i = 0; i < size; i++) {
		const struct plan_host *h =
		    &g->fleet->hosts[plan_topology_member(g->spread, domain, i)];

		if ((h->state == HOST_READY || h->state == HOST_SUSPECT) &&
		    plan_check_empty(h, g->shape) == PLAN_OK)
			return true;
	}
	return false;
}

static void
domains_push(struct plan_group *g)
{
	uint32_t n = g->spread->domain_count;
	uint32_t first = n > 0 ? (uint32_t)(g->fleet->cursor % n) : 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t domain = (first + i) % n;
		struct plan_heap_item item = {g->counts[domain], i, domain};

		if (!domain_counts(g, domain))
			continue;
		plan_heap_push(&g->all, item);
		plan_heap_push(&g->clean, item);
	}
}

static int
topologies_get(struct plan_group *g)
{
	g->spread = plan_topology_get(g->fleet, g->shape->spread_by);
	if (!g->spread)
		return -1;
	if (!g->shape->apart_by)
		return 0;
	g->apart = plan_topology_get(g->fleet, g->shape->apart_by);
	return g->apart ? 0 : -1;
}

struct plan_group *
plan_group_new(struct plan_fleet *f, const struct plan_shape *shape, const struct plan_crowd *crowd,
    size_t wants_left)
{
	struct plan_group *g = arena_alloc(f->scratch, sizeof(*g));
	uint64_t there = crowd ? crowd->there_count + crowd->placed_count : 0;
	size_t n;

	if (!g)
		return NULL;
	g->fleet = f;
	g->shape = shape;
	g->crowd = crowd;
	if (topologies_get(g) != 0)
		return NULL;
	n = g->spread->domain_count + 1u;
	g->counts = arena_calloc(f->scratch, n, sizeof(*g->counts));
	g->domains = arena_calloc(f->scratch, n, sizeof(*g->domains));
	g->all.items = arena_calloc(f->scratch, n, sizeof(*g->all.items));
	g->clean.items = arena_calloc(f->scratch, n, sizeof(*g->clean.items));
	g->late.items = arena_calloc(f->scratch, n, sizeof(*g->late.items));
	if (!g->counts || !g->domains || !g->all.items || !g->clean.items || !g->late.items)
		return NULL;
	if (g->apart && plan_tally_init(&g->apart_counts, there + wants_left, f->scratch) != 0)
		return NULL;
	g->start = (uint32_t)f->cursor;
	crowd_count(g);
	domains_push(g);
	return g;
}

/* ---- candidates ---- */

static struct node *
node_new(struct plan_group *g, uint32_t host, int64_t weight)
{
	struct node *node = arena_alloc(g->fleet->scratch, sizeof(*node));

	if (!node) {
		g->no_memory = true;
		return NULL;
	}
	*node = (struct node){.host = host, .weight = weight};
	return node;
}

static void
again_add(struct plan_group *g, struct domain *d, uint32_t host)
{
	struct node *node = node_new(g, host, 0);

	if (!node)
		return;
	if (d->again)
		d->last->next = node;
	else
		d->again = node;
	d->last = node;
}

static void
late_add(struct plan_group *g, struct domain *d, uint32_t host, int64_t weight)
{
	struct node *node = node_new(g, host, weight), **at = &d->late;

	if (!node)
		return;
	while (*at && (*at)->weight <= weight)
		at = &(*at)->next;
	node->next = *at;
	*at = node;
}

/* The next host of a domain that takes one and is not avoided. */
static size_t
domain_next(struct plan_group *g, uint32_t domain)
{
	uint32_t size = plan_topology_size(g->spread, domain);
	struct domain *d = &g->domains[domain];

	while (d->looked < size) {
		uint32_t i = (g->start % size + d->looked++) % size;
		uint32_t host = plan_topology_member(g->spread, domain, i);
		int64_t weight = plan_avoided_weight(g->crowd, host);

		if (!takes(g, host))
			continue;
		if (weight == 0)
			return host;
		late_add(g, d, host, weight);
	}
	while (d->again) {
		uint32_t host = d->again->host;

		d->again = d->again->next;
		if (takes(g, host))
			return host;
	}
	return PLAN_NO_HOST;
}

static size_t
domain_next_late(struct plan_group *g, uint32_t domain)
{
	struct domain *d = &g->domains[domain];

	while (d->late && !takes(g, d->late->host))
		d->late = d->late->next;
	return d->late ? d->late->host : PLAN_NO_HOST;
}

static size_t
find_clean(struct plan_group *g)
{
	while (g->clean.n > 0) {
		struct plan_heap_item item = *plan_heap_top(&g->clean, g->counts);
		size_t host;

		if (spread_full(g, item.domain))
			return PLAN_NO_HOST;
		host = domain_next(g, item.domain);
		if (host != PLAN_NO_HOST) {
			again_add(g, &g->domains[item.domain], (uint32_t)host);
			return host;
		}
		plan_heap_pop(&g->clean);
		if (g->domains[item.domain].late)
			plan_heap_push(&g->late, item);
	}
	return PLAN_NO_HOST;
}

static size_t
find_late(struct plan_group *g)
{
	while (g->late.n > 0) {
		const struct plan_heap_item *item = plan_heap_top(&g->late, g->counts);
		size_t host;

		if (spread_full(g, item->domain))
			return PLAN_NO_HOST;
		host = domain_next_late(g, item->domain);
		if (host != PLAN_NO_HOST)
			return host;
		plan_heap_pop(&g->late);
	}
	return PLAN_NO_HOST;
}

int
plan_group_place(struct plan_group *g, size_t *ret_host)
{
	size_t host = find_clean(g);

	if (host == PLAN_NO_HOST)
		host = find_late(g);
	if (g->no_memory)
		return -1;
	if (host != PLAN_NO_HOST)
		count_add(g, (uint32_t)host, 1);
	*ret_host = host;
	return 0;
}

void
plan_group_explain(const struct plan_group *g, uint32_t why[PLAN_REASON_COUNT])
{
	for (uint32_t h = 0; h < g->fleet->host_count; h++) {
		enum plan_reason reason = plan_check(&g->fleet->hosts[h], g->shape);

		if (reason == PLAN_OK)
			reason = apart_full(g, h) ? PLAN_APART : PLAN_SPREAD;
		why[reason]++;
	}
}
