/* resources: what an executor reserves and a host has, in every dimension (invariant 4). Pure. */
#ifndef RESOURCES_H
#define RESOURCES_H

#include <stdbool.h>
#include <stdint.h>

struct resources {
	int64_t cpu_millis, memory_bytes, disk_bytes, gpus, slots;
};

enum resource_dimension {
	RESOURCE_CPU,
	RESOURCE_MEMORY,
	RESOURCE_DISK,
	RESOURCE_GPUS,
	RESOURCE_SLOTS,
	RESOURCE_COUNT
};
const char *resource_name(enum resource_dimension d);
int64_t resource_get(const struct resources *r, enum resource_dimension d);

void resources_add(struct resources *to, const struct resources *what);
void resources_subtract(struct resources *from, const struct resources *what);
/* capacity - used holds `what` in every dimension; else *ret_short is the first that does not. */
bool resources_fit(const struct resources *capacity, const struct resources *used,
    const struct resources *what, enum resource_dimension *ret_short);

#endif
