/* Random fleets, sessions and histories, planned in many rounds in which executors also end: what
 * must hold of spread, anti-affinity and avoiding, by a count of our own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "err.h"
#include "plan.h"
#include "test.h"

#define WORLDS 250
#define BATCHES 8
#define HOSTS_MAX 24
#define WANTS_MAX 40
#define SESSIONS 3

struct session {
	struct plan_shape shape;
	unsigned there[HOSTS_MAX]; /* our own books */
	struct plan_presence presence[HOSTS_MAX];
	struct plan_avoided avoided[HOSTS_MAX];
	struct plan_crowd crowd;
};

struct world {
	struct arena *arena, *scratch;
	struct plan_fleet fleet;
	struct plan_host hosts[HOSTS_MAX];
	struct label labels[HOSTS_MAX][2];
	struct session sessions[SESSIONS];
};

static uint64_t seed;

static unsigned
below(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed % n);
}

static void
host_random(struct world *w, size_t i)
{
	static const char *const zones[] = {"a", "b", "c", "d"}, *const racks[] = {"r", "s", "t"};
	struct plan_host *h = &w->hosts[i];

	*h = (struct plan_host){.host_id = "h",
	    .state = (enum host_state)(below(6) == 0 ? 1 + below(3) : HOST_READY),
	    .cordoned = below(10) == 0,
	    .capacity = {.cpu_millis = 1 + below(40), .slots = 1 + below(12)},
	    .labels = w->labels[i],
	    .capabilities = below(4) ? "restart" : "",
	    .drivers = {{.name = "process", .usable = below(12) != 0}},
	    .driver_count = 1};
	if (below(8))
		w->labels[i][h->label_count++] = (struct label){"zone", zones[below(4)]};
	if (below(8))
		w->labels[i][h->label_count++] = (struct label){"rack", racks[below(3)]};
}

static void
world_random(struct world *w, uint64_t round)
{
	static const char *const keys[] = {NULL, "zone", "rack", PLAN_KEY_HOST};

	memset(w, 0, sizeof(*w));
	w->arena = arena_new(0);
	w->scratch = arena_new(0);
	seed = round * 2654435761u + 7;
	w->fleet = (struct plan_fleet){.hosts = w->hosts,
	    .host_count = below(HOSTS_MAX + 1),
	    .cursor = below(100),
	    .arena = w->arena,
	    .scratch = w->scratch};
	for (size_t i = 0; i < w->fleet.host_count; i++)
		host_random(w, i);
	for (size_t i = 0; i < SESSIONS; i++)
		w->sessions[i].shape = (struct plan_shape){.driver = "process",
		    .needs = below(3) ? "" : "restart",
		    .resources = {.cpu_millis = below(6), .slots = 1},
		    .spread_by = keys[below(4)],
		    .spread_skew = 1 + below(3),
		    .apart_by = keys[below(4)],
		    .apart_max = 1 + below(4)};
}

/* Rows as they would be read: what is there by our books, and hosts to avoid. */
static void
session_load(struct world *w, struct session *s)
{
	size_t there = 0, avoided = 0;

	for (uint32_t h = 0; h < w->fleet.host_count; h++) {
		if (s->there[h] > 0)
			s->presence[there++] = (struct plan_presence){h, s->there[h]};
		if (below(6) == 0)
			s->avoided[avoided++] = (struct plan_avoided){h, 1 + below(1000)};
	}
	s->crowd = (struct plan_crowd){.counted = true,
	    .there = s->presence,
	    .there_count = there,
	    .avoided = s->avoided,
	    .avoided_count = avoided};
}

static const char *
value_of(const struct world *w, size_t host, const char *key)
{
	static char names[HOSTS_MAX][8];

	if (strcmp(key, PLAN_KEY_HOST) != 0)
		return plan_label(&w->hosts[host], key);
	snprintf(names[host], sizeof(names[host]), "%zu", host);
	return names[host];
}

/* How many the session has on hosts of this value. */
static unsigned
count_of(const struct world *w, const struct session *s, const char *key, const char *value)
{
	unsigned count = 0;

	for (size_t h = 0; h < w->fleet.host_count; h++) {
		const char *there = value_of(w, h, key);

		if (there && strcmp(there, value) == 0)
			count += s->there[h];
	}
	return count;
}

/* The least over the values that have a host in service of the right nature. */
static unsigned
least_of(const struct world *w, const struct session *s)
{
	unsigned least = UINT32_MAX;

	for (size_t h = 0; h < w->fleet.host_count; h++) {
		const struct plan_host *host = &w->hosts[h];
		unsigned count;

		if ((host->state != HOST_READY && host->state != HOST_SUSPECT) ||
		    plan_check_empty(host, &s->shape) != PLAN_OK)
			continue;
		count = count_of(w, s, s->shape.spread_by, value_of(w, h, s->shape.spread_by));
		least = count < least ? count : least;
	}
	return least;
}

/* Would this host, as things are, be a legal place?  Capacity by the caller's copy of `used`. */
static bool
legal(const struct world *w, const struct session *s, size_t h)
{
	const struct plan_shape *shape = &s->shape;

	if (plan_check(&w->hosts[h], shape) != PLAN_OK)
		return false;
	if (shape->apart_by &&
	    count_of(w, s, shape->apart_by, value_of(w, h, shape->apart_by)) >= shape->apart_max)
		return false;
	return !shape->spread_by ||
	       count_of(w, s, shape->spread_by, value_of(w, h, shape->spread_by)) + 1 <=
		   least_of(w, s) + shape->spread_skew;
}

static bool
is_avoided(const struct session *s, size_t h)
{
	for (size_t i = 0; i < s->crowd.avoided_count; i++) {
		if (s->crowd.avoided[i].host == h)
			return true;
	}
	return false;
}

/* Replays a plan one by one against our own books: each choice was legal then, an avoided host was
 * taken only when no legal other was left, and who waits had no legal host. */
static void
plan_judge(struct world *w, const struct resources *used, const struct session *const *owners,
    const struct plan_result *results, size_t n)
{
	struct resources after[HOSTS_MAX];

	for (size_t h = 0; h < w->fleet.host_count; h++) {
		after[h] = w->hosts[h].used;
		w->hosts[h].used = used[h];
	}
	for (size_t i = 0; i < n; i++) {
		struct session *s = &w->sessions[owners[i] - w->sessions];
		bool better = false, any = false;

		for (size_t h = 0; h < w->fleet.host_count; h++) {
			bool fits = legal(w, s, h);

			any = any || fits;
			better = better || (fits && !is_avoided(s, h));
		}
		if (results[i].host == PLAN_NO_HOST) {
			assert_false(any);
			continue;
		}
		assert_true(legal(w, s, results[i].host));
		assert_true(!better || !is_avoided(s, results[i].host));
		resources_add(&w->hosts[results[i].host].used, &s->shape.resources);
		s->there[results[i].host]++;
	}
	for (size_t h = 0; h < w->fleet.host_count; h++)
		assert_memory_equal(&after[h], &w->hosts[h].used, sizeof(after[h]));
}

static size_t
batch_random(struct world *w, struct plan_want *wants, const struct session **owners)
{
	size_t n = below(WANTS_MAX + 1);

	for (size_t i = 0; i < n; i++) {
		/* In runs, as the queue gives them, but not always. */
		struct session *s = i > 0 && below(4) ? &w->sessions[owners[i - 1] - w->sessions]
						      : &w->sessions[below(SESSIONS)];

		owners[i] = s;
		wants[i] = (struct plan_want){id_from_parts(1, i), &s->shape, &s->crowd};
	}
	return n;
}

/* Executors end: room comes back, and with a new image so do the counts. */
static void
some_end(struct world *w)
{
	for (size_t i = 0; i < SESSIONS; i++) {
		struct session *s = &w->sessions[i];

		for (size_t h = 0; h < w->fleet.host_count; h++) {
			if (s->there[h] == 0 || below(3))
				continue;
			s->there[h]--;
			resources_subtract(&w->hosts[h].used, &s->shape.resources);
		}
		session_load(w, s);
	}
}

static void
reasons_judge(const struct world *w, const struct plan_result *results, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t sum = 0;

		for (int r = 0; r < PLAN_REASON_COUNT; r++)
			sum += results[i].why[r];
		assert_int_equal(results[i].why[PLAN_OK], 0);
		assert_int_equal(sum, results[i].host == PLAN_NO_HOST ? w->fleet.host_count : 0);
	}
}

static void
every_choice_was_legal_and_nobody_waits_without_need_P1_P3_P9(void **state)
{
	static struct world w;
	unsigned placed = 0, waited = 0;

	(void)state;
	for (uint64_t round = 1; round <= WORLDS; round++) {
		world_random(&w, round);
		for (size_t i = 0; i < SESSIONS; i++)
			session_load(&w, &w.sessions[i]);
		for (int batch = 0; batch < BATCHES; batch++) {
			struct plan_want wants[WANTS_MAX];
			struct plan_result results[WANTS_MAX];
			const struct session *owners[WANTS_MAX];
			struct resources used[HOSTS_MAX];
			size_t n = batch_random(&w, wants, owners);
			struct err err;

			for (size_t h = 0; h < w.fleet.host_count; h++)
				used[h] = w.hosts[h].used;
			assert_int_equal(plan(&w.fleet, wants, n, results, &err), 0);
			reasons_judge(&w, results, n);
			plan_judge(&w, used, owners, results, n);
			for (size_t i = 0; i < n; i++) {
				placed += results[i].host != PLAN_NO_HOST;
				waited += results[i].host == PLAN_NO_HOST;
			}
			/* The same image twice, then a new one. */
			if (batch % 2)
				some_end(&w);
		}
		arena_free(w.arena);
		arena_free(w.scratch);
	}
	/* The worlds are neither empty nor full. */
	assert_true(placed > 2000 && waited > 2000);
}

static void
the_same_input_gives_the_same_plan_P3(void **state)
{
	static struct world worlds[2];
	static struct plan_result results[2][WANTS_MAX];

	(void)state;
	for (uint64_t round = 1; round <= WORLDS; round++) {
		size_t n = 0;

		for (int k = 0; k < 2; k++) {
			struct plan_want wants[WANTS_MAX];
			const struct session *owners[WANTS_MAX];
			struct err err;

			world_random(&worlds[k], round);
			for (size_t i = 0; i < SESSIONS; i++)
				session_load(&worlds[k], &worlds[k].sessions[i]);
			n = batch_random(&worlds[k], wants, owners);
			assert_int_equal(plan(&worlds[k].fleet, wants, n, results[k], &err), 0);
			arena_free(worlds[k].arena);
			arena_free(worlds[k].scratch);
		}
		for (size_t i = 0; i < n; i++) {
			assert_true(results[0][i].host == results[1][i].host);
			assert_memory_equal(
			    results[0][i].why, results[1][i].why, sizeof(results[0][i].why));
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_choice_was_legal_and_nobody_waits_without_need_P1_P3_P9),
	    cmocka_unit_test(the_same_input_gives_the_same_plan_P3),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
