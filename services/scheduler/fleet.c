#include "fleet.h"

#include <stdlib.h>

#include "arena.h"
#include "clock.h"
#include "err.h"
#include "store.h"

_Static_assert(PLAN_DRIVERS_MAX >= STORE_HOST_DRIVERS_MAX, "every driver of a host is seen");

struct fleet {
	struct arena *arenas[2]; /* the image, and the next one while it is read */
	struct plan_host *hosts;
	size_t count, cursor;
	int64_t loaded_us; /* 0: not */
};

struct fleet *
fleet_new(void)
{
	struct fleet *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->arenas[0] = arena_new(0);
	f->arenas[1] = arena_new(0);
	if (!f->arenas[0] || !f->arenas[1]) {
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
	arena_free(f->arenas[0]);
	arena_free(f->arenas[1]);
	free(f);
}

static void
host_fill(struct plan_host *to, const struct store_host *from)
{
	*to = (struct plan_host){.host_id = from->host_id,
	    .state = from->state,
	    .cordoned = from->cordoned,
	    .capacity = from->capacity,
	    .used = from->used,
	    .labels = from->labels,
	    .label_count = from->label_count};
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
	f->hosts = hosts;
	f->count = n;
	f->loaded_us = clock_mono_us(clock_system());
	return 0;
}

int64_t
fleet_age_us(const struct fleet *f)
{
	return f->loaded_us ? clock_mono_us(clock_system()) - f->loaded_us : INT64_MAX;
}

void
fleet_forget(struct fleet *f)
{
	f->loaded_us = 0;
}

struct plan_host *
fleet_hosts(struct fleet *f, size_t *ret_n)
{
	*ret_n = f->count;
	return f->hosts;
}

size_t *
fleet_cursor(struct fleet *f)
{
	return &f->cursor;
}
