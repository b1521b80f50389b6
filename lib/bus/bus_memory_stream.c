/* Streams in memory: storing with limits, duplicates, republish. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bus_memory.h"
#include "clock.h"

#define DUPLICATE_WINDOW_S 120 /* the server's default */
#define SLOTS_FIRST 64

/* ---- messages by sequence ---- */

uint64_t
memory_stream_last_seq(const struct memory_stream *s)
{
	return s->base + s->slot_count - 1;
}

struct memory_stored *
memory_stream_at(struct memory_stream *s, uint64_t seq)
{
	if (seq < s->base || seq - s->base >= s->slot_count)
		return NULL;
	return s->slots[seq - s->base];
}

static struct memory_stored *
oldest(struct memory_stream *s)
{
	while (s->head < s->slot_count && !s->slots[s->head])
		s->head++;
	return s->head < s->slot_count ? s->slots[s->head] : NULL;
}

/* Forgets removed messages at the front once they are half of the array. */
static void
compact(struct memory_stream *s)
{
	oldest(s);
	if (s->head < SLOTS_FIRST || s->head < s->slot_count / 2)
		return;
	memmove((void *)s->slots, (void *)(s->slots + s->head),
	    (s->slot_count - s->head) * sizeof(*s->slots));
	s->slot_count -= s->head;
	s->base += s->head;
	s->head = 0;
}

static bool
make_room(struct memory_stream *s)
{
	if (s->slot_count == s->slot_room)
		compact(s);
	if (s->slot_count < s->slot_room)
		return true;
	size_t room = s->slot_room ? 2 * s->slot_room : SLOTS_FIRST;
	struct memory_stored **more =
	    (struct memory_stored **)realloc((void *)s->slots, room * sizeof(*more));
	if (!more)
		return false;
	s->slots = more;
	s->slot_room = room;
	return true;
}

void
memory_stream_remove(struct memory_stream *s, struct memory_stored *m)
{
	struct memory_subject *subject = m->subject;

	if (m->prev)
		m->prev->next = m->next;
	else
		subject->first = m->next;
	if (m->next)
		m->next->prev = m->prev;
	else
		subject->last = m->prev;
	if (--subject->count == 0) {
		HASH_DEL(s->subjects, subject);
		free(subject);
	}
	s->slots[m->seq - s->base] = NULL;
	s->view.state.messages--;
	s->view.state.bytes -= m->size;
	bus_msg_free(m->msg);
	free(m);
}

/* ---- limits ---- */

void
memory_stream_expire(struct memory_bus *b, struct memory_stream *s)
{
	int64_t now = memory_now_us(b), age = s->view.config.max_age_s * SECOND_US;
	struct memory_stored *m;

	while (age > 0 && (m = oldest(s)) && now - m->at_us > age)
		memory_stream_remove(s, m);
	int64_t window = s->view.config.duplicate_window_s * SECOND_US;
	struct memory_seen *seen;
	// NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it does not see HASH_DEL move the head
	while ((seen = s->seen) && now - seen->at_us > window) { /* in order of arrival */
		HASH_DEL(s->seen, seen);
		free(seen);
	}
}

static void
apply_limits(struct memory_stream *s, struct memory_subject *subject)
{
	const struct bus_stream *c = &s->view.config;

	while (c->max_msgs_per_subject > 0 && subject->count > (size_t)c->max_msgs_per_subject)
		memory_stream_remove(s, subject->first);
	while (c->max_bytes > 0 && s->view.state.bytes > (uint64_t)c->max_bytes &&
	       s->view.state.messages > 1)
		memory_stream_remove(s, oldest(s));
}

static size_t
message_size(const struct bus_msg *m)
{
	size_t size = m->size;

	for (size_t i = 0; i < m->header_count; i++)
		size += strlen(m->headers[i].name) + strlen(m->headers[i].value) + 4;
	return size;
}

/* ---- storing ---- */

static struct memory_subject *
get_subject(struct memory_stream *s, const char *name)
{
	struct memory_subject *subject;
	size_t bytes = strlen(name) + 1;

	HASH_FIND_STR(s->subjects, name, subject);
	if (subject)
		return subject;
	subject = calloc(1, sizeof(*subject) + bytes);
	if (!subject)
		return NULL;
	memcpy(subject->subject, name, bytes);
	HASH_ADD_STR(s->subjects, subject, subject);
	return subject;
}

/* Consumes msg.  *ret_previous: the sequence before it on the same subject. */
static struct memory_stored *
append_take(
    struct memory_bus *b, struct memory_stream *s, struct bus_msg *msg, uint64_t *ret_previous)
{
	struct memory_stored *m = calloc(1, sizeof(*m));
	struct memory_subject *subject = msg ? get_subject(s, msg->subject) : NULL;

	if (!m || !subject || !make_room(s)) {
		if (subject && !subject->count) {
			HASH_DEL(s->subjects, subject);
			free(subject);
		}
		bus_msg_free(msg);
		free(m);
		return NULL;
	}
	m->seq = s->base + s->slot_count;
	m->at_us = memory_now_us(b);
	m->size = message_size(msg);
	m->msg = msg;
	m->subject = subject;
	*ret_previous = subject->last ? subject->last->seq : 0;
	m->prev = subject->last;
	if (m->prev)
		m->prev->next = m;
	else
		subject->first = m;
	subject->last = m;
	subject->count++;
	s->slots[s->slot_count++] = m;
	s->view.state.messages++;
	s->view.state.bytes += m->size;
	apply_limits(s, subject);
	return m;
}

static void
republish(
    struct memory_bus *b, struct memory_stream *s, const struct memory_stored *m, uint64_t previous)
{
	const struct bus_stream *c = &s->view.config;
	char subject[BUS_SUBJECT_BYTES], seq[24], last[24];
	struct bus_header extra[] = {{"Nats-Stream", s->view.name},
	    {"Nats-Subject", m->msg->subject}, {"Nats-Sequence", seq},
	    {"Nats-Last-Sequence", last}};

	if (!c->republish_source ||
	    !bus_subject_transform(c->republish_source, c->republish_destination, m->msg->subject,
		subject, sizeof(subject)))
		return;
	snprintf(seq, sizeof(seq), "%" PRIu64, m->seq);
	snprintf(last, sizeof(last), "%" PRIu64, previous);
	struct bus_msg view = *m->msg;
	view.subject = subject;
	memory_deliver_take(b, bus_msg_flat(&b->base, &view, NULL, extra, COUNT_OF(extra)));
}

static void
remember(struct memory_bus *b, struct memory_stream *s, const char *msg_id, uint64_t seq)
{
	size_t bytes = strlen(msg_id) + 1;
	struct memory_seen *seen = calloc(1, sizeof(*seen) + bytes);

	if (!seen)
		return;
	memcpy(seen->msg_id, msg_id, bytes);
	seen->seq = seq;
	seen->at_us = memory_now_us(b);
	HASH_ADD_STR(s->seen, msg_id, seen);
}

/* "Only while the last sequence is this one", if the message says so. */
static int
check_expected(const struct memory_stream *s, const struct bus_msg *msg, struct err *err)
{
	const char *expected = bus_msg_header(msg, BUS_HEADER_EXPECTED_LAST_SEQ);
	uint64_t last = memory_stream_last_seq(s);

	if (!expected || strtoull(expected, NULL, 10) == last)
		return 0;
	return err_set(err, ERR_CONFLICT,
	    "stream %s: its last sequence is %" PRIu64 ", expected %s", s->view.name, last,
	    expected);
}

int
memory_stream_store(struct memory_bus *b, struct memory_stream *s, const struct bus_msg *msg,
    const char *msg_id, struct bus_ack *ret_ack, struct err *err)
{
	const struct bus_header id = {"Nats-Msg-Id", msg_id};
	struct memory_seen *seen = NULL;
	uint64_t previous = 0;
	int64_t max = s->view.config.max_msg_bytes;

	memory_stream_expire(b, s);
	if (max > 0 && message_size(msg) > (size_t)max)
		return err_set(err, ERR_LIMIT, "stream %s takes messages of %" PRId64 " bytes",
		    s->view.name, max);
	if (msg_id)
		HASH_FIND_STR(s->seen, msg_id, seen);
	if (seen) {
		*ret_ack = (struct bus_ack){.stream_seq = seen->seq, .duplicate = true};
		return 0;
	}
	if (check_expected(s, msg, err) != 0)
		return -1;
	struct memory_stored *m =
	    append_take(b, s, bus_msg_flat(&b->base, msg, NULL, &id, msg_id ? 1 : 0), &previous);
	if (!m)
		return err_set(err, ERR_INTERNAL, "no memory");
	if (msg_id)
		remember(b, s, msg_id, m->seq);
	*ret_ack = (struct bus_ack){.stream_seq = m->seq};
	republish(b, s, m, previous);
	pthread_cond_broadcast(&b->changed); /* fetches wait for it */
	return 0;
}

struct memory_stream *
memory_stream_for(struct memory_bus *b, const char *subject)
{
	struct memory_stream *s, *next;

	HASH_ITER(hh, b->streams, s, next)
	{
		for (size_t i = 0; i < s->view.subject_count; i++) {
			if (bus_subject_match(s->view.subjects[i], subject))
				return s;
		}
	}
	return NULL;
}

/* ---- the table of streams ---- */

struct memory_stream *
memory_stream_find(struct memory_bus *b, const char *name, struct err *err)
{
	struct memory_stream *s;

	HASH_FIND_STR(b->streams, name, s);
	if (!s)
		err_set(err, ERR_NOT_FOUND, "there is no stream %s", name);
	return s;
}

static void
free_stream(struct memory_bus *b, struct memory_stream *s)
{
	struct memory_stored *m;
	struct memory_seen *seen, *next;

	while ((m = oldest(s)))
		memory_stream_remove(s, m);
	seen = s->seen;
	HASH_CLEAR(hh, s->seen); /* the list of the entries outlives the table */
	for (; seen; seen = next) {
		next = seen->hh.next;
		free(seen);
	}
	memory_consumer_free_all(s);
	HASH_DEL(b->streams, s);
	free((void *)s->slots);
	free(s);
}

void
memory_stream_free_all(struct memory_bus *b)
{
	struct memory_stream *s, *next;

	HASH_ITER(hh, b->streams, s, next)
	{
		free_stream(b, s);
	}
}

static void
copy_text(char *to, size_t size, const char *from, const char **ret)
{
	int n = snprintf(to, size, "%s", from ? from : "");

	assert(n >= 0 && (size_t)n < size);
	(void)n;
	*ret = from ? to : NULL;
}

static void
copy_config(struct bus_stream_view *to, const struct bus_stream *from)
{
	to->config = *from;
	copy_text(to->name, sizeof(to->name), from->name, &to->config.name);
	copy_text(to->republish_source, sizeof(to->republish_source), from->republish_source,
	    &to->config.republish_source);
	copy_text(to->republish_destination, sizeof(to->republish_destination),
	    from->republish_destination, &to->config.republish_destination);
	to->subject_count = 0;
	for (size_t i = 0; i < COUNT_OF(from->subjects); i++) {
		copy_text(to->subjects[i], sizeof(to->subjects[i]), from->subjects[i],
		    &to->config.subjects[i]);
		if (!from->subjects[i])
			break;
		to->subject_count++;
	}
}

int
memory_stream_get(struct bus *base, const char *name, struct bus_stream_view *ret, struct err *err)
{
	struct memory_bus *b = memory_bus_of(base);

	pthread_mutex_lock(&b->lock);
	struct memory_stream *s = memory_stream_find(b, name, err);
	if (s) {
		memory_stream_expire(b, s);
		struct memory_stored *first = oldest(s);
		s->view.state.last_seq = memory_stream_last_seq(s);
		s->view.state.first_seq = first ? first->seq : s->view.state.last_seq + 1;
		*ret = s->view;
		copy_config(ret, &s->view.config);
	}
	pthread_mutex_unlock(&b->lock);
	return s ? 0 : -1;
}

/* Two patterns that some subject matches both. */
static bool
overlap(const char *a, const char *b)
{
	for (;;) {
		size_t m = strcspn(a, "."), n = strcspn(b, ".");

		if ((m == 1 && *a == '>') || (n == 1 && *b == '>'))
			return true;
		bool wild = (m == 1 && *a == '*') || (n == 1 && *b == '*');
		if (!wild && (m != n || memcmp(a, b, m) != 0))
			return false;
		if (!a[m] || !b[n])
			return !a[m] && !b[n];
		a += m + 1;
		b += n + 1;
	}
}

static int
check_subjects(const struct memory_stream *s, const struct bus_stream *want, struct err *err)
{
	for (size_t i = 0; i < s->view.subject_count; i++) {
		for (size_t k = 0; k < COUNT_OF(want->subjects) && want->subjects[k]; k++) {
			if (overlap(s->view.subjects[i], want->subjects[k]))
				return err_set(err, ERR_CONFLICT,
				    "subject %s of stream %s belongs to stream %s",
				    want->subjects[k], want->name, s->view.name);
		}
	}
	return 0;
}

static int
check_overlap(struct memory_bus *b, const struct bus_stream *want, struct err *err)
{
	struct memory_stream *s, *next;

	HASH_ITER(hh, b->streams, s, next)
	{
		if (strcmp(s->view.name, want->name) == 0)
			return err_set(err, ERR_CONFLICT, "stream %s exists", want->name);
		if (check_subjects(s, want, err))
			return -1;
	}
	return 0;
}

int
memory_stream_create(struct bus *base, const struct bus_stream *want, int replicas, struct err *err)
{
	struct memory_bus *b = memory_bus_of(base);
	struct memory_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return err_set(err, ERR_INTERNAL, "no memory");
	copy_config(&s->view, want);
	s->view.replicas = replicas ? replicas : 1;
	s->view.replicas_least = 1;
	snprintf(s->view.retention, sizeof(s->view.retention), "%s",
	    want->retention == BUS_RETENTION_WORKQUEUE ? "workqueue" : "limits");
	snprintf(s->view.storage, sizeof(s->view.storage), "file");
	snprintf(s->view.discard, sizeof(s->view.discard), "old");
	if (!s->view.config.duplicate_window_s)
		s->view.config.duplicate_window_s = DUPLICATE_WINDOW_S;
	s->base = 1;
	pthread_mutex_lock(&b->lock);
	int rc = check_overlap(b, want, err);
	if (!rc) {
		/* Another value for each stream, also when the clock stands still. */
		int64_t now = clock_real_us(b->clock);
		b->last_created_us = now > b->last_created_us ? now : b->last_created_us + 1;
		s->view.state.created_us = b->last_created_us;
		HASH_ADD_STR(b->streams, view.name, s);
	}
	pthread_mutex_unlock(&b->lock);
	if (rc)
		free(s);
	return rc;
}

int
memory_stream_message(
    struct bus *base, const char *name, uint64_t seq, struct bus_msg **ret, struct err *err)
{
	struct memory_bus *b = memory_bus_of(base);
	struct memory_stored *m = NULL;
	struct bus_msg *copy = NULL;

	pthread_mutex_lock(&b->lock);
	struct memory_stream *s = memory_stream_find(b, name, err);
	if (s) {
		memory_stream_expire(b, s);
		m = memory_stream_at(s, seq);
		copy = m ? bus_msg_copy(m->msg) : NULL;
		if (copy)
			copy->stored_us = clock_real_us(b->clock) - (memory_now_us(b) - m->at_us);
	}
	pthread_mutex_unlock(&b->lock);
	if (s && !m)
		err_set(err, ERR_NOT_FOUND, "stream %s has no message %" PRIu64, name, seq);
	else if (m && !copy)
		err_set(err, ERR_INTERNAL, "no memory");
	*ret = copy;
	return copy ? 0 : -1;
}

int
memory_stream_delete(struct bus *base, const char *name, struct err *err)
{
	struct memory_bus *b = memory_bus_of(base);

	pthread_mutex_lock(&b->lock);
	struct memory_stream *s = memory_stream_find(b, name, err);
	if (s)
		free_stream(b, s);
	pthread_cond_broadcast(&b->changed);
	pthread_mutex_unlock(&b->lock);
	return s ? 0 : -1;
}
