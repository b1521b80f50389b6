/* Who listens: subscriptions by subject, and the choice inside queue groups. */
#include <string.h>

#include "bus_memory.h"
#include "clock.h"

/* ---- delivering ---- */

static void
enqueue(struct memory_bus *b, struct memory_sub *s, struct memory_message *message)
{
	struct memory_item *item;

	if (s->pending >= s->pending_max || !(item = calloc(1, sizeof(*item)))) {
		s->dropped++;
		return;
	}
	s->pending++;
	s->refs++;
	message->refs++;
	item->sub = s;
	item->message = message;
	memory_queue(b, item);
}

static size_t
add_topic(struct memory_bus *b, const struct memory_topic *t, size_t n)
{
	for (struct memory_sub *s = t ? t->subs : NULL; s; s = s->next)
		b->matched[n++] = s;
	return n;
}

static size_t
find_matching(struct memory_bus *b, const char *subject)
{
	struct memory_topic *t, *next;
	size_t n = 0;

	HASH_FIND_STR(b->literals, subject, t);
	n = add_topic(b, t, n);
	HASH_ITER(hh, b->patterns, t, next)
	{
		if (bus_subject_match(t->subject, subject))
			n = add_topic(b, t, n);
	}
	return n;
}

static bool
same_group(const struct memory_sub *a, const struct memory_sub *b)
{
	return a && b && a->queue && b->queue && strcmp(a->queue, b->queue) == 0;
}

/* One member of the queue group of matched[first]; takes the whole group out of the list. */
static struct memory_sub *
choose_member(struct memory_bus *b, size_t first, size_t n)
{
	struct memory_sub *head = b->matched[first], *chosen = head;
	unsigned members = 0;

	for (size_t i = first; i < n; i++)
		members += same_group(head, b->matched[i]);
	unsigned pick = b->round++ % members;
	for (size_t i = first; i < n; i++) {
		if (!same_group(head, b->matched[i]))
			continue;
		if (pick-- == 0)
			chosen = b->matched[i];
		b->matched[i] = NULL;
	}
	return chosen;
}

unsigned
memory_deliver_take(struct memory_bus *b, struct bus_msg *msg)
{
	struct memory_message *message = calloc(1, sizeof(*message));
	unsigned listeners = 0;

	if (!msg || !message) {
		bus_msg_free(msg);
		free(message);
		return 0;
	}
	message->refs = 1;
	message->msg = msg;
	size_t n = find_matching(b, msg->subject);
	for (size_t i = 0; i < n; i++) {
		struct memory_sub *s = b->matched[i];

		if (!s)
			continue;
		if (s->queue)
			s = choose_member(b, i, n);
		enqueue(b, s, message);
		listeners++;
	}
	memory_message_unref(message);
	return listeners;
}

/* ---- subscriptions ---- */

void
memory_sub_unref(struct memory_sub *s)
{
	if (--s->refs)
		return;
	pthread_mutex_destroy(&s->running);
	free(s->queue);
	free(s);
}

static struct memory_topic *
get_topic(struct memory_bus *b, const char *subject)
{
	bool wildcard = strchr(subject, '*') || strchr(subject, '>');
	struct memory_topic **table = wildcard ? &b->patterns : &b->literals;
	size_t bytes = strlen(subject) + 1;
	struct memory_topic *t;

	HASH_FIND_STR(*table, subject, t);
	if (t)
		return t;
	t = calloc(1, sizeof(*t) + bytes);
	if (!t)
		return NULL;
	memcpy(t->subject, subject, bytes);
	t->wildcard = wildcard;
	HASH_ADD_STR(*table, subject, t);
	return t;
}

static void
leave_topic(struct memory_bus *b, struct memory_sub *s)
{
	struct memory_topic *t = TAKE(s->topic);

	if (!t)
		return; /* drained */
	if (s->prev)
		s->prev->next = s->next;
	else
		t->subs = s->next;
	if (s->next)
		s->next->prev = s->prev;
	b->sub_count--;
	if (t->subs)
		return;
	if (t->wildcard)
		HASH_DEL(b->patterns, t);
	else
		HASH_DEL(b->literals, t);
	free(t);
}

static bool
make_room(struct memory_bus *b)
{
	if (b->sub_count < b->matched_room)
		return true;
	size_t room = b->matched_room ? 2 * b->matched_room : 64;
	struct memory_sub **more =
	    (struct memory_sub **)realloc((void *)b->matched, room * sizeof(*more));
	if (!more)
		return false;
	b->matched = more;
	b->matched_room = room;
	return true;
}

/* At the end of its topic: delivery is in order of subscription. */
static bool
join_topic(struct memory_bus *b, struct memory_sub *s, const char *subject)
{
	struct memory_sub *last;

	if (!make_room(b) || !(s->topic = get_topic(b, subject)))
		return false;
	for (last = s->topic->subs; last && last->next; last = last->next)
		;
	s->prev = last;
	if (last)
		last->next = s;
	else
		s->topic->subs = s;
	b->sub_count++;
	return true;
}

int
memory_sub_new(struct bus *base, const char *subject, const char *queue, unsigned pending_max,
    bus_handler *handler, void *arg, struct bus_sub **ret, struct err *err)
{
	struct memory_bus *b = memory_bus_of(base);
	struct memory_sub *s = calloc(1, sizeof(*s));
	pthread_mutexattr_t recursive;

	if (s && queue)
		s->queue = strdup(queue);
	if (!s || (queue && !s->queue)) {
		free(s);
		return err_set(err, ERR_INTERNAL, "no memory");
	}
	s->base.bus = base;
	s->refs = 1;
	s->pending_max = pending_max;
	s->handler = handler;
	s->arg = arg;
	/* Recursive: a handler may end its own subscription. */
	pthread_mutexattr_init(&recursive);
	pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&s->running, &recursive);
	pthread_mutexattr_destroy(&recursive);
	pthread_mutex_lock(&b->lock);
	bool joined = join_topic(b, s, subject);
	if (!joined)
		memory_sub_unref(s);
	pthread_mutex_unlock(&b->lock);
	if (!joined)
		return err_set(err, ERR_INTERNAL, "no memory");
	*ret = &s->base;
	return 0;
}

void
memory_sub_free(struct bus_sub *base)
{
	struct memory_sub *s = (struct memory_sub *)base;
	struct memory_bus *b = memory_bus_of(base->bus);

	pthread_mutex_lock(&b->lock);
	leave_topic(b, s);
	pthread_mutex_unlock(&b->lock);
	pthread_mutex_lock(&s->running);
	s->dead = true;
	pthread_mutex_unlock(&s->running);
	pthread_mutex_lock(&b->lock);
	memory_sub_unref(s);
	pthread_mutex_unlock(&b->lock);
}

int
memory_sub_drain(struct bus_sub *base, int timeout_ms, struct err *err)
{
	struct memory_sub *s = (struct memory_sub *)base;
	struct memory_bus *b = memory_bus_of(base->bus);
	int64_t end_us = clock_mono_us(clock_system()) + timeout_ms * MS_US;
	bool all;

	pthread_mutex_lock(&b->lock);
	leave_topic(b, s);
	while (s->pending > 0 && clock_mono_us(clock_system()) < end_us) {
		if (!b->stepped) {
			memory_wait(b);
			continue;
		}
		pthread_mutex_unlock(&b->lock);
		(void)memory_deliver_one(b);
		pthread_mutex_lock(&b->lock);
	}
	all = s->pending == 0;
	pthread_mutex_unlock(&b->lock);
	return all ? 0 : err_set(err, ERR_TIMEOUT, "not all was handled in %d ms", timeout_ms);
}

uint64_t
memory_sub_dropped(const struct bus_sub *base)
{
	const struct memory_sub *s = (const struct memory_sub *)base;
	struct memory_bus *b = memory_bus_of(base->bus);

	pthread_mutex_lock(&b->lock);
	uint64_t n = s->dropped;
	pthread_mutex_unlock(&b->lock);
	return n;
}
