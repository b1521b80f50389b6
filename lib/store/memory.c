#include "memory.h"

#include <string.h>

#include "clock.h"
#include "err.h"

struct memory {
	struct store base;
	struct memory_cell *cell;
};

static struct memory_cell *
cell_of(struct store *s)
{
	return ((struct memory *)s)->cell;
}

static struct memory_cell *
cell_new(const struct clock *clock)
{
	struct memory_cell *c = memory_alloc(sizeof(*c));

	pthread_mutex_init(&c->lock, NULL);
	c->clock = clock;
	c->start_real_us = clock_real_us(clock);
	c->start_mono_us = clock_mono_us(clock);
	memory_pool_make(c, "default");
	return c;
}

struct store *
store_memory_new(struct store *root, const struct clock *clock)
{
	struct memory *m = memory_alloc(sizeof(*m));

	m->base.ops = &memory_ops;
	m->cell = root ? cell_of(root) : cell_new(clock);
	pthread_mutex_lock(&m->cell->lock);
	m->cell->refs++;
	pthread_mutex_unlock(&m->cell->lock);
	return &m->base;
}

static void
memory_free(struct store *s)
{
	struct memory_cell *c = cell_of(s);
	bool last;

	pthread_mutex_lock(&c->lock);
	last = --c->refs == 0;
	pthread_mutex_unlock(&c->lock);
	if (last) {
		memory_cell_clear(c);
		pthread_mutex_destroy(&c->lock);
		free(c);
	}
	free(s);
}

#define MEMORY_OP_ROW(name, parameters, arguments) .name = memory_store_##name,
const struct store_ops memory_ops = {.free = memory_free, STORE_OPS(MEMORY_OP_ROW)};
#undef MEMORY_OP_ROW

/* Decisions follow the monotonic clock; the wall clock only says where it started. */
struct memory_cell *
memory_cell_begin(struct store *s)
{
	struct memory_cell *c = cell_of(s);
	int64_t now_us;

	pthread_mutex_lock(&c->lock);
	now_us = c->start_real_us + clock_mono_us(c->clock) - c->start_mono_us;
	c->now_us = now_us > c->now_us ? now_us : c->now_us + 1;
	return c;
}

void
memory_cell_end(struct memory_cell *c)
{
	pthread_mutex_unlock(&c->lock);
}

int
memory_no_room(struct err *err)
{
	return err_set(err, ERR_INTERNAL, "no memory for the answer");
}

void *
memory_alloc(size_t size)
{
	void *p = calloc(1, size);

	if (!p)
		abort();
	return p;
}

char *
memory_text(const char *text)
{
	char *copy = strdup(text ? text : "");

	if (!copy)
		abort();
	return copy;
}

void
memory_text_set(char **slot, const char *text)
{
	char *copy = memory_text(text);

	free(*slot);
	*slot = copy;
}

int
memory_store_ping(struct store *s, int64_t *ret_now_us, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(s);

	(void)err;
	*ret_now_us = c->now_us;
	return 0;
}

/* A cell is born with the newest schema. */
int
memory_store_migrate(struct store *s, unsigned *ret_applied, struct err *err)
{
	(void)s;
	(void)err;
	*ret_applied = 0;
	return 0;
}

int
memory_store_schema_check(struct store *s, unsigned *ret_version, struct err *err)
{
	(void)s;
	(void)err;
	*ret_version = STORE_SCHEMA_VERSION;
	return 0;
}
