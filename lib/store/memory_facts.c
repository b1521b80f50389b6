/* memory_facts: labels and drivers, copied from arena to arena. */
#include "arena.h"
#include "memory.h"

bool
memory_labels_dup(struct label *labels, size_t n, struct arena *a)
{
	for (size_t i = 0; i < n; i++) {
		labels[i].key = arena_strdup(a, labels[i].key);
		labels[i].value = arena_strdup(a, labels[i].value);
		if (!labels[i].key || !labels[i].value)
			return false;
	}
	return true;
}

struct store_driver *
memory_drivers_dup(const struct store_driver *drivers, size_t n, struct arena *a)
{
	struct store_driver *copy = arena_calloc(a, n + 1, sizeof(*copy));

	for (size_t i = 0; copy && i < n; i++) {
		copy[i] = drivers[i];
		copy[i].name = arena_strdup(a, drivers[i].name);
		copy[i].detail = arena_strdup(a, drivers[i].detail);
		if (!copy[i].name || !copy[i].detail)
			return NULL;
	}
	return copy;
}

static void *
sure(void *p)
{
	if (!p)
		abort();
	return p;
}

void
memory_host_facts_set(struct memory_host *h, const struct store_hello *hello)
{
	struct arena *a = sure(arena_new(0));

	arena_free(h->facts);
	h->facts = a;
	h->boot_id = sure(arena_strdup(a, hello->boot_id));
	h->agent_version = sure(arena_strdup(a, hello->agent_version));
	h->encoding = sure(arena_strdup(a, hello->encoding));
	h->arch = sure(arena_strdup(a, hello->arch));
	h->kernel = sure(arena_strdup(a, hello->kernel));
	h->capabilities = sure(arena_strdup(a, hello->capabilities));
	h->protocol_revision = hello->protocol_revision;
	h->labels = sure(arena_calloc(a, hello->label_count + 1, sizeof(*h->labels)));
	h->label_count = hello->label_count;
	for (size_t i = 0; i < hello->label_count; i++)
		h->labels[i] = hello->labels[i];
	if (!memory_labels_dup(h->labels, h->label_count, a))
		abort();
	h->drivers = sure(memory_drivers_dup(hello->drivers, hello->driver_count, a));
	h->driver_count = hello->driver_count;
	h->capacity = hello->capacity;
}

void
memory_operator_label_set(struct memory_host *h, const char *key, const char *value)
{
	struct label *labels;

	if (!h->operator_facts)
		h->operator_facts = sure(arena_new(0));
	labels = sure(arena_calloc(
	    h->operator_facts, h->operator_label_count + 1, sizeof(*h->operator_labels)));
	for (size_t i = 0; i < h->operator_label_count; i++)
		labels[i] = h->operator_labels[i];
	labels[h->operator_label_count++] =
	    (struct label){sure(arena_strdup(h->operator_facts, key)),
		sure(arena_strdup(h->operator_facts, value))};
	h->operator_labels = labels;
}
