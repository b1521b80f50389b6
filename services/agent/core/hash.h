/* hash: uthash with a hash function of our own (FNV-1a): its default does not compile without
 * warnings under clang, and our keys are short. */
#ifndef HASH_H
#define HASH_H

#include <stddef.h>
#include <stdint.h>

static inline unsigned
hash_bytes(const void *key, size_t size)
{
	const uint8_t *bytes = key;
	uint32_t hash = UINT32_C(2166136261);

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * UINT32_C(16777619);
	return hash ^ (hash >> 15);
}

#define HASH_FUNCTION(key, size, hash) ((hash) = hash_bytes((key), (size)))
#include <uthash.h>

#endif
