/* sim_store: the cell's store as services reach it: away for a time, or answering so badly that a
 * commit may have happened all the same.  What asks the invariants has the store itself. */
#include <stdlib.h>

#include "err.h"
#include "sim.h"
#include "store_internal.h"

#define SHAKY 300 /* per mille of the calls */

struct sim_store {
	struct store base;
	struct world *world;
};

enum answer { ANSWER, ANSWER_NEVER_ASKED, ANSWER_LOST };

static enum answer
answer_of(struct world *w)
{
	if (w->store_away_us > w->now_us)
		return ANSWER_NEVER_ASKED;
	if (w->store_shaky_us > w->now_us && world_fault(w, SHAKY))
		return world_chance(w, 500) ? ANSWER_NEVER_ASKED : ANSWER_LOST;
	return ANSWER;
}

/* Whatever it was, the rows may have changed. */
static int
unavailable(struct world *w, const char *what, enum answer answer, struct err *err)
{
	w->rows_changed = w->rows_changed || answer == ANSWER_LOST;
	if (w->store_away_us <= w->now_us)
		world_say(w, "FAULT %s %s", what,
		    answer == ANSWER_LOST ? "is done and not answered" : "does not arrive");
	return err_set(err, ERR_UNAVAILABLE, "%s: the store is away", what);
}

#define WRAP(name, parameters, arguments)                                                          \
	static int name##_wrapped parameters                                                       \
	{                                                                                          \
		const struct sim_store *of = (const struct sim_store *)s;                          \
		enum answer answer = answer_of(of->world);                                         \
		int result = -1;                                                                   \
                                                                                                   \
		s = of->world->store;                                                              \
		if (answer != ANSWER_NEVER_ASKED)                                                  \
			result = store_##name arguments;                                           \
		if (answer == ANSWER)                                                              \
			return result;                                                             \
		return unavailable(of->world, #name, answer, err);                                 \
	}
STORE_OPS(WRAP)
#undef WRAP

static void
wrapped_free(struct store *s)
{
	free(s);
}

static const struct store_ops wrapped = {.free = wrapped_free,
#define ROW(name, parameters, arguments) .name = name##_wrapped,
    STORE_OPS(ROW)
#undef ROW
};

struct store *
sim_store_new(struct world *w)
{
	struct sim_store *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->base.ops = &wrapped;
	s->world = w;
	return &s->base;
}

/* Postgres away is no defect: whoever asked asks again. */
void
sim_store_failed(struct world *w, const char *what, const struct err *err)
{
	if (err->kind != ERR_UNAVAILABLE)
		world_violated(w, "%s: %s", what, err->text);
}
