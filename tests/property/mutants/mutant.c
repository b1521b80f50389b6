/* Runs the simulation with a planted defect until a seed finds it: 0 when one does. */
#include <stdio.h>
#include <stdlib.h>

#include "log.h"
#include "sim.h"

#define SEEDS_MAX 1000

static struct world world;

static bool
seed_finds_it(uint64_t seed)
{
	world_init(&world, seed, true);
	world.tracing = getenv("SIM_TRACE") != NULL;
	world_run(&world);
	world_done(&world);
	return *world.why != '\0';
}

int
main(int argc, char **argv)
{
	const char *one = getenv("SIM_SEED");
	uint64_t first = one ? strtoull(one, NULL, 10) : 1, last = one ? first : SEEDS_MAX;

	log_init(LOG_ERROR_LEVEL, LOG_FORMAT_LOGFMT, "mutant", argc > 0 ? argv[0] : "");
	for (uint64_t seed = first; seed <= last; seed++) {
		if (!seed_finds_it(seed))
			continue;
		printf("seed %llu, %.3f s: %s\n", (unsigned long long)seed,
		    (double)world.now_us / 1e6, world.why);
		return 0;
	}
	printf("seeds %llu..%llu do not find it\n", (unsigned long long)first,
	    (unsigned long long)last);
	return 1;
}
