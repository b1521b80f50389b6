#include "digest.h"

#include "state.h"

/* One round of a 64-bit multiply-xorshift mixer.  Both sides of the wire run this same function, so
 * its result is part of the protocol: a test pins it. */
static uint64_t
mix(uint64_t hash, uint64_t word)
{
	uint64_t x = hash ^ word;

	x ^= x >> 33;
	x *= UINT64_C(0xff51afd7ed558ccd);
	x ^= x >> 33;
	x *= UINT64_C(0xc4ceb9fe1a85ec53);
	x ^= x >> 33;
	return x + UINT64_C(0x9e3779b97f4a7c15);
}

/* Big endian whatever the machine: the two sides need not share an architecture. */
static uint64_t
load(const uint8_t *bytes)
{
	uint64_t word = 0;

	for (int i = 0; i < 8; i++)
		word = word << 8 | bytes[i];
	return word;
}

static uint64_t
hash_of(const struct id *executor_id, uint64_t accepted_generation, uint32_t incarnation, int rank)
{
	uint64_t hash = 0;

	if (rank >= EXECUTOR_RANK_END)
		incarnation = 0;
	hash = mix(hash, load(executor_id->bytes));
	hash = mix(hash, load(executor_id->bytes + 8));
	hash = mix(hash, accepted_generation);
	return mix(hash, (uint64_t)incarnation << 32 | (uint32_t)rank);
}

void
digest_add(struct digest *d, const struct id *executor_id, uint64_t accepted_generation,
    uint32_t incarnation, int rank)
{
	d->count++;
	d->sum += hash_of(executor_id, accepted_generation, incarnation, rank);
}
