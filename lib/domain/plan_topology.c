#include "plan_topology.h"

#include <string.h>

#include "arena.h"

/* Values seen so far: domain + 1 by the hash of its value, open addressing. */
struct values {
	uint32_t *slots;
	const char **texts; /* by domain */
	uint32_t mask, count;
};

static uint32_t
hash_of(const char *text)
{
	uint32_t hash = 2166136261u;

	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * 16777619u;
	return hash;
}

static int
values_init(struct values *v, uint32_t hosts, struct arena *a)
{
	uint32_t slots = 16;

	while (slots < 2 * (uint64_t)hosts && slots < UINT32_C(1) << 31)
		slots *= 2;
	v->mask = slots - 1;
	v->slots = arena_calloc(a, slots, sizeof(*v->slots));
	v->texts = arena_calloc(a, hosts + 1u, sizeof(*v->texts));
	return v->slots && v->texts ? 0 : -1;
}

static uint32_t
values_find(struct values *v, const char *text)
{
	uint32_t at = hash_of(text) & v->mask;

	while (v->slots[at] != 0) {
		if (strcmp(v->texts[v->slots[at] - 1], text) == 0)
			return v->slots[at] - 1;
		at = (at + 1) & v->mask;
	}
	v->texts[v->count++] = text;
	v->slots[at] = v->count;
	return v->count - 1;
}

/* Counting sort: members of one domain stand together, in the order of the hosts. */
static int
members_fill(struct plan_topology *t, struct arena *a)
{
	t->members = arena_calloc(a, t->host_count + 1u, sizeof(*t->members));
	t->starts = arena_calloc(a, t->domain_count + 2u, sizeof(*t->starts));
	if (!t->members || !t->starts)
		return -1;
	for (uint32_t h = 0; h < t->host_count; h++) {
		if (t->domains[h] != PLAN_NO_DOMAIN)
			t->starts[t->domains[h] + 2]++;
	}
	for (uint32_t d = 2; d < t->domain_count + 2; d++)
		t->starts[d] += t->starts[d - 1];
	/* starts[d + 1] is where the next member of d goes, and ends as where d ends. */
	for (uint32_t h = 0; h < t->host_count; h++) {
		if (t->domains[h] != PLAN_NO_DOMAIN)
			t->members[t->starts[t->domains[h] + 1]++] = h;
	}
	return 0;
}

static int
labels_sort(struct plan_topology *t, const struct plan_fleet *f, struct arena *a)
{
	struct values values = {0};

	t->domains = arena_calloc(a, t->host_count + 1u, sizeof(*t->domains));
	if (!t->domains || values_init(&values, t->host_count, f->scratch) != 0)
		return -1;
	for (uint32_t h = 0; h < t->host_count; h++) {
		const char *value = plan_label(&f->hosts[h], t->key);

		t->domains[h] = value ? values_find(&values, value) : PLAN_NO_DOMAIN;
	}
	t->domain_count = values.count;
	return members_fill(t, a);
}

static bool
keys_equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

struct plan_topology *
plan_topology_get(struct plan_fleet *f, const char *key)
{
	bool kept = f->topology_count < PLAN_TOPOLOGIES_MAX;
	struct arena *a = kept ? f->arena : f->scratch;
	struct plan_topology *t;

	for (size_t i = 0; i < f->topology_count; i++) {
		if (keys_equal(f->topologies[i]->key, key))
			return f->topologies[i];
	}
	t = arena_alloc(a, sizeof(*t));
	if (!t)
		return NULL;
	t->host_count = (uint32_t)f->host_count;
	if (!key) {
		t->domain_count = 1;
	} else {
		t->key = arena_strdup(a, key);
		t->domain_count = t->host_count;
		if (!t->key || (strcmp(key, PLAN_KEY_HOST) != 0 && labels_sort(t, f, a) != 0))
			return NULL;
	}
	if (kept)
		f->topologies[f->topology_count++] = t;
	return t;
}

uint32_t
plan_topology_domain(const struct plan_topology *t, uint32_t host)
{
	if (t->domains)
		return t->domains[host];
	return t->key ? host : 0;
}

uint32_t
plan_topology_size(const struct plan_topology *t, uint32_t domain)
{
	if (t->domains)
		return t->starts[domain + 1] - t->starts[domain];
	return t->key ? 1 : t->host_count;
}

uint32_t
plan_topology_member(const struct plan_topology *t, uint32_t domain, uint32_t i)
{
	if (t->domains)
		return t->members[t->starts[domain] + i];
	return t->key ? domain : i;
}
