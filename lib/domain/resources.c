#include "resources.h"

#include <assert.h>
#include <stddef.h>

#include "compiler.h"

static const char *const names[] = {
    [RESOURCE_CPU] = "cpu",
    [RESOURCE_MEMORY] = "memory",
    [RESOURCE_DISK] = "disk",
    [RESOURCE_GPUS] = "gpus",
    [RESOURCE_SLOTS] = "slots",
};
_Static_assert(COUNT_OF(names) == RESOURCE_COUNT, "a dimension without a name");

const char *
resource_name(enum resource_dimension d)
{
	assert((size_t)d < RESOURCE_COUNT);
	return names[d];
}

static int64_t *
slot(struct resources *r, enum resource_dimension d)
{
	int64_t *const slots[] = {
	    [RESOURCE_CPU] = &r->cpu_millis,
	    [RESOURCE_MEMORY] = &r->memory_bytes,
	    [RESOURCE_DISK] = &r->disk_bytes,
	    [RESOURCE_GPUS] = &r->gpus,
	    [RESOURCE_SLOTS] = &r->slots,
	};

	assert((size_t)d < COUNT_OF(slots));
	return slots[d];
}

int64_t
resource_get(const struct resources *r, enum resource_dimension d)
{
	struct resources copy = *r;

	return *slot(&copy, d);
}

/* Sums saturate: a claim too large for 64 bits must look full, never free. */
void
resources_add(struct resources *to, const struct resources *what)
{
	for (int d = 0; d < RESOURCE_COUNT; d++) {
		int64_t *sum = slot(to, (enum resource_dimension)d);
		int64_t more = resource_get(what, (enum resource_dimension)d);
		if (__builtin_add_overflow(*sum, more, sum))
			*sum = more > 0 ? INT64_MAX : INT64_MIN;
	}
}

void
resources_subtract(struct resources *from, const struct resources *what)
{
	for (int d = 0; d < RESOURCE_COUNT; d++) {
		int64_t *rest = slot(from, (enum resource_dimension)d);
		int64_t less = resource_get(what, (enum resource_dimension)d);
		if (__builtin_sub_overflow(*rest, less, rest))
			*rest = less > 0 ? INT64_MIN : INT64_MAX;
	}
}

bool
resources_fit(const struct resources *capacity, const struct resources *used,
    const struct resources *what, enum resource_dimension *ret_short)
{
	struct resources rest = *capacity;

	resources_subtract(&rest, used);
	for (int i = 0; i < RESOURCE_COUNT; i++) {
		enum resource_dimension d = (enum resource_dimension)i;
		if (resource_get(&rest, d) >= resource_get(what, d))
			continue;
		if (ret_short)
			*ret_short = d;
		return false;
	}
	return true;
}
