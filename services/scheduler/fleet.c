#include "fleet.h"

#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "clock.h"
#include "crowds.h"
#include "err.h"
#include "store.h"

_Static_assert(PLAN_DRIVERS_MAX >= STORE_HOST_DRIVERS_MAX, "every driver of a host is seen");

struct fleet {
	const struct clock *clock;
	struct arena *arenas[2]; /* the image, and the next one while it is read */
	struct arena *scratch;   /* of the planner */
	struct plan_fleet image;
	struct crowds *crowds;
	uint32_t *by_name; /* hosts in order of their ids; NULL: not sorted yet */
	int64_t loaded_us; /* 0: not */
};

struct fleet *
fleet_new(const struct clock *clock)
{
	struct fleet *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->clock = clock;
	f->arenas[0] = arena_new(0);
	f->arenas[1] = arena_new(0);
	f->scratch = arena_new(0);
	f->crowds = crowds_new();
	if (!f->arenas[0] || !f->arenas[1] || !f->scratch || !f->crowds) {
		fleet_free(f);
		return NULL;
	}
	return f;
}

void
fleet_free(struct fleet *f)
{
	if (!f)
		return;
	crowds_free(f->crowds);
	arena_free(f->arenas[0]);
	arena_free(f->arenas[1]);
	arena_free(f->scratch);
	free(f);
}

static void
host_fill(struct plan_host *to, const struct store_host *from)
{
	*to = (struct plan_host){.host_id = from->host_id,
	    .state = from->state,
	    .cordoned = from->cordoned,
	    .draining = from->draining_us > 0,
	    .capacity = from->capacity,
	    .used = from->used,
	    .labels = from->labels,
	    .label_count = from->label_count,
	    .capabilities = from->capabilities};
	for (size_t i = 0; i < from->driver_count && i < PLAN_DRIVERS_MAX; i++)
		to->drivers[to->driver_count++] =
		    (struct plan_driver){from->drivers[i].name, from->drivers[i].usable,
			from->drivers[i].enforces_cpu, from->drivers[i].enforces_memory};
}

int
fleet_load(struct fleet *f, struct store *s, const char *pool, struct err *err)
{
	struct arena *next = f->arenas[1];
	struct store_host *rows;
	struct plan_host *hosts;
	size_t n;

	arena_reset(next);
	if (store_fleet_load(s, pool, next, &rows, &n, err) != 0)
		return -1;
	hosts = arena_calloc(next, n + 1, sizeof(*hosts));
	if (!hosts)
		return err_set(err, ERR_LIMIT, "no memory for the image of %zu hosts", n);
	for (size_t i = 0; i < n; i++)
		host_fill(&hosts[i], &rows[i]);
	f->arenas[1] = f->arenas[0];
	f->arenas[0] = next;
	crowds_clear(f->crowds);
	f->by_name = NULL;
	f->image = (struct plan_fleet){.hosts = hosts,
	    .host_count = n,
	    .cursor = f->image.cursor,
	    .arena = next,
	    .scratch = f->scratch};
	f->loaded_us = clock_mono_us(f->clock);
	return 0;
}

int64_t
fleet_age_us(const struct fleet *f)
{
	return f->loaded_us ? clock_mono_us(f->clock) - f->loaded_us : INT64_MAX;
}

void
fleet_forget(struct fleet *f)
{
	f->loaded_us = 0;
}

struct plan_fleet *
fleet_image(struct fleet *f)
{
	return &f->image;
}

/* ---- by name ---- */

static int
name_order(const void *a, const void *b, void *arg)
{
	const struct plan_host *hosts = arg;

	return strcmp(hosts[*(const uint32_t *)a].host_id, hosts[*(const uint32_t *)b].host_id);
}

/* Postgres gives them in an order of its own, which depends on the database's locale. */
static bool
names_sort(struct fleet *f)
{
	size_t n = f->image.host_count;
	uint32_t *by_name;

	if (f->by_name || !f->image.arena)
		return f->by_name != NULL;
	by_name = arena_calloc(f->image.arena, n + 1, sizeof(*by_name));
	if (!by_name)
		return false;
	for (uint32_t i = 0; i < n; i++)
		by_name[i] = i;
	qsort_r(by_name, n, sizeof(*by_name), name_order, f->image.hosts);
	f->by_name = by_name;
	return true;
}

bool
fleet_find(struct fleet *f, const char *host_id, uint32_t *ret)
{
	size_t from = 0, to = f->image.host_count;

	if (!names_sort(f))
		return false;
	while (from < to) {
		size_t middle = (from + to) / 2;
		int order = strcmp(f->image.hosts[f->by_name[middle]].host_id, host_id);

		if (order == 0) {
			*ret = f->by_name[middle];
			return true;
		}
		if (order < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return false;
}

int
fleet_attend(struct fleet *f, struct store *s, const struct store_queued *queued,
    struct plan_want *wants, size_t n, struct err *err)
{
	return crowds_attach(f->crowds, f, s, queued, wants, n, err);
}
