#include "fleet_cache.h"

#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "clock.h"
#include "err.h"
#include "plan.h"
#include "store.h"

#define FLEET_CACHE_FRESH_US (5 * SECOND_US)
#define FLEET_CACHE_BYTES_MAX (256u * 1024 * 1024)

struct fleet_cache {
	struct arena *arena; /* holds everything below */
	char *pool;
	struct plan_host *hosts;
	size_t host_count;
	int64_t loaded_us; /* 0: never */
};

struct fleet_cache *
fleet_cache_new(void)
{
	struct fleet_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->arena = arena_new(FLEET_CACHE_BYTES_MAX);
	if (!c->arena) {
		free(c);
		return NULL;
	}
	return c;
}

void
fleet_cache_free(struct fleet_cache *c)
{
	if (!c)
		return;
	arena_free(c->arena);
	free(c);
}

static void
host_from_row(const struct store_host *row, struct plan_host *h)
{
	h->host_id = row->host_id;
	h->state = row->state;
	h->cordoned = row->cordoned;
	h->draining = row->draining_us > 0;
	h->capacity = row->capacity;
	h->used = row->used;
	h->labels = row->labels;
	h->label_count = row->label_count;
	h->capabilities = row->capabilities;
	for (size_t i = 0; i < row->driver_count && i < PLAN_DRIVERS_MAX; i++) {
		h->drivers[i] = (struct plan_driver){.name = row->drivers[i].name,
		    .usable = row->drivers[i].usable,
		    .enforces_cpu = row->drivers[i].enforces_cpu,
		    .enforces_memory = row->drivers[i].enforces_memory};
		h->driver_count = i + 1;
	}
}

static int
fleet_cache_load(struct fleet_cache *c, struct store *s, const char *pool, struct err *err)
{
	struct store_host *rows;
	size_t n;

	arena_reset(c->arena);
	c->loaded_us = 0;
	c->pool = arena_strdup(c->arena, pool);
	if (store_fleet_load(s, pool, c->arena, &rows, &n, err) != 0)
		return -1;
	c->hosts = arena_calloc(c->arena, n + 1, sizeof(*c->hosts));
	if (!c->pool || !c->hosts)
		return err_set(err, ERR_LIMIT, "pool %s is larger than this hub can hold", pool);
	for (size_t i = 0; i < n; i++)
		host_from_row(&rows[i], &c->hosts[i]);
	c->host_count = n;
	c->loaded_us = clock_mono_us(clock_system());
	return 0;
}

int
fleet_cache_possible(struct fleet_cache *c, struct store *s, const char *pool,
    const struct plan_shape *shape, bool *ret_possible, size_t *ret_hosts, struct err *err)
{
	int64_t now = clock_mono_us(clock_system());
	bool fresh = c->loaded_us != 0 && now - c->loaded_us < FLEET_CACHE_FRESH_US &&
		     strcmp(c->pool, pool) == 0;

	if (!fresh || !plan_possible(c->hosts, c->host_count, shape)) {
		if (fleet_cache_load(c, s, pool, err) != 0)
			return -1;
	}
	*ret_possible = plan_possible(c->hosts, c->host_count, shape);
	*ret_hosts = c->host_count;
	return 0;
}
