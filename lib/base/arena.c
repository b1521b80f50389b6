#include "arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES_FIRST ((size_t)4096)
#define BLOCK_BYTES_MAX ((size_t)1024 * 1024)

struct block {
	struct block *next; /* the block before this one in time */
	size_t size, used;
	alignas(max_align_t) unsigned char data[];
};

struct arena {
	struct block *last;  /* where allocation happens */
	struct block *first; /* survives a reset */
	size_t limit, used;
};

static struct block *
block_new(size_t size)
{
	struct block *b = malloc(sizeof(*b) + size);

	if (b) {
		b->next = NULL;
		b->size = size;
		b->used = 0;
	}
	return b;
}

struct arena *
arena_new(size_t limit_bytes)
{
	struct arena *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->first = a->last = block_new(BLOCK_BYTES_FIRST);
	if (!a->first) {
		free(a);
		return NULL;
	}
	a->limit = limit_bytes;
	return a;
}

/* Frees from last back to, but not with, keep. */
static void
free_blocks(struct block *last, const struct block *keep)
{
	while (last != keep) {
		struct block *before = last->next;
		free(last);
		last = before;
	}
}

void
arena_free(struct arena *a)
{
	if (!a)
		return;
	free_blocks(a->last, NULL);
	free(a);
}

void
arena_reset(struct arena *a)
{
	free_blocks(a->last, a->first);
	a->last = a->first;
	a->first->used = 0;
	a->used = 0;
}

size_t
arena_used(const struct arena *a)
{
	return a->used;
}

static struct block *
grow(struct arena *a, size_t size)
{
	size_t next = a->last->size * 2;

	if (next > BLOCK_BYTES_MAX)
		next = BLOCK_BYTES_MAX;
	struct block *b = block_new(size > next ? size : next);
	if (b) {
		b->next = a->last;
		a->last = b;
	}
	return b;
}

void *
arena_alloc(struct arena *a, size_t size)
{
	const size_t align = alignof(max_align_t);

	/* No object is larger than a difference of pointers; and the rounding cannot overflow. */
	if (size > PTRDIFF_MAX - align)
		return NULL;
	/* An empty object still has an address of its own. */
	size_t need = size == 0 ? align : (size + align - 1) / align * align;
	if (a->limit && (a->used >= a->limit || need > a->limit - a->used))
		return NULL;
	struct block *b = a->last;
	if (need > b->size - b->used) {
		b = grow(a, need);
		if (!b)
			return NULL;
	}
	void *p = b->data + b->used;
	b->used += need;
	a->used += need;
	memset(p, 0, need);
	return p;
}

void *
arena_calloc(struct arena *a, size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total))
		return NULL;
	return arena_alloc(a, total);
}

void *
arena_memdup(struct arena *a, const void *data, size_t size)
{
	void *p = arena_alloc(a, size);

	if (p && size)
		memcpy(p, data, size);
	return p;
}

char *
arena_strdup(struct arena *a, const char *text)
{
	return arena_memdup(a, text, strlen(text) + 1);
}

char *
arena_strndup(struct arena *a, const char *text, size_t length)
{
	size_t n = strnlen(text, length);

	if (n == SIZE_MAX)
		return NULL;
	char *p = arena_alloc(a, n + 1);
	if (p && n)
		memcpy(p, text, n);
	return p;
}

char *
arena_vprintf(struct arena *a, const char *format, va_list args)
{
	va_list again;

	va_copy(again, args);
	int length = vsnprintf(NULL, 0, format, args);
	char *p = length < 0 ? NULL : arena_alloc(a, (size_t)length + 1);
	if (p)
		vsnprintf(p, (size_t)length + 1, format, again);
	va_end(again);
	return p;
}

char *
arena_printf(struct arena *a, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	char *p = arena_vprintf(a, format, args);
	va_end(args);
	return p;
}
