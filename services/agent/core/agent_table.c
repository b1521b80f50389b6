/* agent_table: the records in memory. */
#include "agent_private.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"

#define LAZY_COMMIT_US SECOND_US

struct entry *
table_find(const struct agent *a, const struct id *executor_id)
{
	struct entry *e;

	HASH_FIND(hh, a->entries, executor_id, sizeof(*executor_id), e);
	return e;
}

struct entry *
table_add(struct agent *a, const struct record *record)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->r = *record;
	e->stop_sent_ms = STOP_NOT_SENT;
	HASH_ADD(hh, a->entries, r.executor_id, sizeof(struct id), e);
	return e;
}

/* The deletion becomes durable with the next commit: until then a start would only say GONE again.
 */
void
table_remove(struct agent *a, struct entry *e)
{
	if (a->delete_count == a->delete_capacity) {
		size_t capacity = a->delete_capacity ? a->delete_capacity * 2 : 16;
		struct id *deletes = reallocarray(a->deletes, capacity, sizeof(*deletes));

		if (!deletes)
			return; /* the record stays and is forgotten later */
		a->deletes = deletes;
		a->delete_capacity = capacity;
	}
	a->deletes[a->delete_count++] = e->r.executor_id;
	if (a->lazy_us == NEVER)
		a->lazy_us = agent_now(a) + LAZY_COMMIT_US;
	HASH_DEL(a->entries, e);
	free(e->spec);
	free(e);
}

void
table_free(struct agent *a)
{
	struct entry *e = a->entries, *next;

	HASH_CLEAR(hh, a->entries); /* the list of the entries outlives the table */
	for (; e; e = next) {
		next = e->hh.next;
		free(e->spec);
		free(e);
	}
}

void
table_touch(struct agent *a, struct entry *e)
{
	e->r.change_no = ++a->meta.change_no;
	e->r.at_us = clock_real_us(a->clock);
	e->dirty = true;
	a->meta_dirty = true;
	a->scan = true;
}

struct resources
table_reserved(const struct agent *a)
{
	struct resources sum = {0};

	for (const struct entry *e = a->entries; e; e = e->hh.next)
		if (!executor_state_ended(e->r.state))
			resources_add(&sum, &e->r.reserved);
	return sum;
}

struct digest
table_digest(const struct agent *a)
{
	struct digest digest = {0};

	for (const struct entry *e = a->entries; e; e = e->hh.next)
		if (e->r.accepted_generation > 0 && e->r.gone_generation == 0 && !e->unknown)
			digest_add(&digest, &e->r.executor_id, e->r.accepted_generation,
			    e->r.incarnation, executor_state_rank(e->r.state));
	return digest;
}

/* Length of the UTF-8 character at text, 0: it is none. */
static size_t
character_bytes(const unsigned char *text)
{
	size_t n = text[0] < 0x80                      ? 1
		   : text[0] >= 0xc2 && text[0] < 0xe0 ? 2
		   : text[0] >= 0xe0 && text[0] < 0xf0 ? 3
		   : text[0] >= 0xf0 && text[0] < 0xf5 ? 4
						       : 0;

	for (size_t i = 1; i < n; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
	    (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
		return 0;
	return n;
}

void
table_text(char *to, size_t size, const char *text)
{
	const unsigned char *from = (const unsigned char *)(text ? text : "");
	size_t at = 0;

	while (*from) {
		size_t n = character_bytes(from);

		if (at + (n ? n : 1) >= size)
			break;
		if (n)
			memcpy(to + at, from, n);
		else
			to[at] = '?';
		at += n ? n : 1;
		from += n ? n : 1;
	}
	to[at] = '\0';
}
