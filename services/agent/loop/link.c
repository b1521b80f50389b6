#include "link.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <systemd/sd-event.h>

#include "clock.h"
#include "err.h"
#include "hash.h"
#include "log.h"
#include "mailbox.h"
#include "subjects.h"

#define INBOX_BYTES 128
#define BATCH_MAX 256u
#define WAITING_SAID_EVERY_US (60 * SECOND_US)

struct link_host {
	UT_hash_handle hh;
	const char *host_id;
	size_t index;
};

/* What travels through the mailbox. */
struct letter {
	struct link_item item;
	struct bus_msg *msg;
	struct link *link;
};

struct link {
	struct link_options options;
	struct bus_options bus_options;
	struct bus *bus, *own_bus;
	struct mailbox *mailbox;
	struct sd_event_source *source;
	struct bus_sub *live, *inbox, *ctl;
	char inbox_subject[INBOX_BYTES];
	struct link_host **hosts, *by_id;
	size_t host_count;
	bool started, subscribed, connected, refused_told;
	atomic_uint_fast64_t connects, dropped;
	atomic_bool overflow, refused;
	uint_fast64_t connects_seen;
	/* Of the bus thread that tells of failures. */
	int64_t failure_said_us;
	bool failure_denied;
};

static void
letter_free(void *item)
{
	struct letter *letter = item;

	if (letter->msg)
		bus_msg_free(letter->msg);
	free(letter);
}

/* ---- bus threads ---- */

static void
post(struct link *l, struct letter *letter)
{
	struct err err;

	if (letter && mailbox_put(l->mailbox, letter, &err) == 0)
		return;
	if (letter)
		letter_free(letter);
	atomic_fetch_add(&l->dropped, 1);
	atomic_store(&l->overflow, true);
}

static void
post_message(struct link *l, enum link_item_type type, const struct bus_msg *m)
{
	struct letter *letter = calloc(1, sizeof(*letter));

	if (letter) {
		letter->item.type = type;
		letter->msg = bus_msg_copy(m);
		if (!letter->msg) {
			free(letter);
			letter = NULL;
		}
	}
	post(l, letter);
}

static void
on_live(void *arg, const struct bus_msg *m)
{
	post_message(arg, LINK_LIVE, m);
}

static void
on_inbox(void *arg, const struct bus_msg *m)
{
	post_message(arg, LINK_ANSWER, m);
}

static void
on_ctl(void *arg, const struct bus_msg *m)
{
	post_message(arg, LINK_CTL, m);
}

/* The letter only wakes the loop: states are counted, so that none is lost with a full mailbox. */
static void
on_state(void *arg, enum bus_state state, const char *why)
{
	struct link *l = arg;
	struct letter *letter = calloc(1, sizeof(*letter));
	enum log_level level = state == BUS_CONNECTED ? LOG_INFO_LEVEL : LOG_WARN_LEVEL;

	if (state == BUS_CONNECTED)
		atomic_fetch_add(&l->connects, 1);
	LOG_AT(l->options.quiet ? LOG_DEBUG_LEVEL : level,
	    state == BUS_CONNECTED ? "bus.connected" : "bus.disconnected",
	    LOG_STR("why", why ? why : ""));
	if (letter) {
		letter->item.type = LINK_CONNECTED;
		post(l, letter);
	}
}

/* Says the first failure, each change between absence and refusal, and the rest at a bounded rate.
 */
static void
failure_say(struct link *l, bool denied, const char *why)
{
	int64_t now_us = clock_mono_us(clock_system());
	char servers[BUS_SERVERS_SAID_BYTES];
	enum log_level level = l->options.quiet ? LOG_DEBUG_LEVEL : LOG_WARN_LEVEL;

	if (l->failure_said_us != 0 && denied == l->failure_denied &&
	    now_us - l->failure_said_us < WAITING_SAID_EVERY_US)
		return;
	l->failure_said_us = now_us;
	l->failure_denied = denied;
	LOG_AT(level, denied ? "bus.denied" : "bus.waiting",
	    LOG_STR("servers", bus_servers_said(l->bus_options.servers, servers, sizeof(servers))),
	    LOG_STR("why", why),
	    LOG_STR("hint", denied ? "options nats_user and nats_password" : ""));
}

static void
on_failure(void *arg, bool denied, const char *why)
{
	struct link *l = arg;
	struct letter *letter;

	failure_say(l, denied, why);
	if (!denied || atomic_exchange(&l->refused, true))
		return;
	letter = calloc(1, sizeof(*letter));
	if (letter) {
		letter->item.type = LINK_DISCONNECTED;
		post(l, letter);
	}
}

static void
on_ack(void *arg, const struct bus_ack *ack, const struct err *err)
{
	struct letter *letter = arg;
	struct link *l = letter->link;

	(void)err;
	letter->item.stored = ack != NULL;
	post(l, letter);
}

/* ---- loop thread ---- */

static int
subscribe(struct link *l, struct err *err)
{
	const char *host = l->options.many ? "*" : l->hosts[0]->host_id;
	char subject[SUBJECT_BYTES], inbox[INBOX_BYTES + 8];

	subject_build(subject, l->options.prefix, SUBJECT_LIVE, host);
	if (!l->live && bus_subscribe(l->bus, subject, NULL, 0, on_live, l, &l->live, err) < 0)
		return err_wrap(err, "subscribe %s", subject);
	snprintf(inbox, sizeof(inbox), "%s.*.*", l->inbox_subject);
	if (!l->inbox && bus_subscribe(l->bus, inbox, NULL, 0, on_inbox, l, &l->inbox, err) < 0)
		return err_wrap(err, "subscribe %s", inbox);
	subject_build(subject, l->options.prefix, SUBJECT_IO_CTL, host, "*");
	if (!l->ctl && bus_subscribe(l->bus, subject, NULL, 0, on_ctl, l, &l->ctl, err) < 0)
		return err_wrap(err, "subscribe %s", subject);
	l->subscribed = true;
	return 0;
}

static void
deliver_all(struct link *l, enum link_item_type type)
{
	for (size_t i = 0; i < l->host_count; i++) {
		struct link_item item = {.type = type, .host = i};

		l->options.deliver(l->options.arg, i, &item, 1);
	}
}

/* Compares what the bus says with what the hosts were told. */
static void
check_state(struct link *l)
{
	uint_fast64_t connects = atomic_load(&l->connects);
	bool connected = bus_state(l->bus) == BUS_CONNECTED;
	struct err err;

	if (connected && !l->subscribed && subscribe(l, &err) < 0) {
		log_warn("bus.subscribe_failed", LOG_ERR(&err));
		return;
	}
	if (l->connected && (!connected || connects != l->connects_seen)) {
		l->connected = false;
		deliver_all(l, LINK_DISCONNECTED);
	}
	l->connects_seen = connects;
	if (connects == 0 && l->options.refused && atomic_load(&l->refused) && !l->refused_told) {
		l->refused_told = true;
		l->options.refused(l->options.arg);
	}
	if (connected && !l->connected) {
		l->connected = true;
		deliver_all(l, LINK_CONNECTED);
	}
}

static const char *
last_token(const char *subject)
{
	const char *dot = strrchr(subject, '.');

	return dot ? dot + 1 : subject;
}

static bool
find_by_subject(struct link *l, const char *subject, size_t *ret_host)
{
	struct subject_match match;
	struct link_host *host;
	struct err err;

	if (subject_parse(l->options.prefix, subject, &match, &err) < 0 || match.token_count == 0)
		return false;
	HASH_FIND_STR(l->by_id, match.tokens[0], host);
	if (!host)
		return false;
	*ret_host = host->index;
	return true;
}

/* <inbox>.<host index>.<verb> */
static bool
find_by_inbox(struct link *l, const char *subject, struct link_item *item)
{
	size_t length = strlen(l->inbox_subject);
	unsigned long index;
	char *end;

	if (strlen(subject) <= length + 1)
		return false;
	index = strtoul(subject + length + 1, &end, 10);
	if (*end != '.' || index >= l->host_count)
		return false;
	item->host = index;
	snprintf(item->verb, sizeof(item->verb), "%.7s", last_token(subject));
	return true;
}

/* False: it is for nobody here. */
static bool
address(struct link *l, struct letter *letter)
{
	letter->item.msg = letter->msg;
	switch (letter->item.type) {
	case LINK_LIVE:
	case LINK_CTL:
		return find_by_subject(l, bus_msg_subject(letter->msg), &letter->item.host);
	case LINK_ANSWER:
		return find_by_inbox(l, bus_msg_subject(letter->msg), &letter->item);
	case LINK_ACK:
		return true;
	case LINK_CONNECTED:
	case LINK_DISCONNECTED:
	case LINK_OVERFLOW:
		return false;
	}
	return false;
}

static size_t
drain(struct link *l, struct letter **letters)
{
	size_t n = 0;

	while (n < BATCH_MAX) {
		struct letter *letter = mailbox_get(l->mailbox);

		if (!letter)
			break;
		if (address(l, letter))
			letters[n++] = letter;
		else
			letter_free(letter);
	}
	return n;
}

/* Runs of items for one host become one batch, so one transaction. */
static void
deliver_runs(struct link *l, struct letter **letters, size_t n)
{
	struct link_item items[BATCH_MAX];

	for (size_t first = 0, next; first < n; first = next) {
		size_t host = letters[first]->item.host;

		for (next = first; next < n && letters[next]->item.host == host; next++)
			items[next - first] = letters[next]->item;
		l->options.deliver(l->options.arg, host, items, next - first);
	}
}

static int
on_mailbox(struct sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct link *l = arg;
	struct letter *letters[BATCH_MAX];
	size_t n;

	(void)source;
	(void)fd;
	(void)events;
	n = drain(l, letters);
	check_state(l);
	deliver_runs(l, letters, n);
	for (size_t i = 0; i < n; i++)
		letter_free(letters[i]);
	if (atomic_exchange(&l->overflow, false)) {
		log_warn("mailbox.overflow", LOG_UINT("dropped", atomic_load(&l->dropped)));
		deliver_all(l, LINK_OVERFLOW);
	}
	return 0;
}

static int
open_bus(struct link *l, struct err *err)
{
	if (l->options.bus) {
		l->bus = l->options.bus;
		return 0;
	}
	l->bus_options.on_state = on_state;
	l->bus_options.on_failure = on_failure;
	l->bus_options.arg = l;
	if (bus_nats_new(&l->bus_options, &l->own_bus, err) < 0)
		return -1;
	l->bus = l->own_bus;
	return 0;
}

int
link_new(const struct link_options *options, struct link **ret, struct err *err)
{
	CLEANUP(link_free) struct link *l = calloc(1, sizeof(*l));
	unsigned capacity =
	    options->mailbox_capacity ? options->mailbox_capacity : LINK_MAILBOX_DEFAULT;

	if (!l)
		return err_set(err, ERR_LIMIT, "link: no memory");
	l->options = *options;
	if (options->bus_options)
		l->bus_options = *options->bus_options;
	l->mailbox = mailbox_new(capacity, letter_free);
	if (!l->mailbox)
		// NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it does not know about CLEANUP
		return err_set(err, ERR_LIMIT, "link: no mailbox");
	if (sd_event_add_io(
		options->loop, &l->source, mailbox_fd(l->mailbox), EPOLLIN, on_mailbox, l) < 0)
		return err_set(err, ERR_INTERNAL, "link: cannot watch the mailbox");
	*ret = TAKE(l);
	return 0;
}

void
link_free(struct link *l)
{
	struct link_host *host, *next;

	if (!l)
		return;
	sd_event_source_disable_unref(l->source);
	bus_unsubscribe(l->live);
	bus_unsubscribe(l->inbox);
	bus_unsubscribe(l->ctl);
	bus_free(l->own_bus);
	mailbox_free(l->mailbox);
	host = l->by_id;
	HASH_CLEAR(hh, l->by_id); /* the list of the entries outlives the table */
	for (; host; host = next) {
		next = host->hh.next;
		free(host);
	}
	free(l->hosts);
	free(l);
}

int
link_add_host(struct link *l, const char *host_id, size_t *ret_host, struct err *err)
{
	struct link_host **hosts =
	    reallocarray(l->hosts, l->host_count + 1, sizeof(struct link_host *));
	struct link_host *host = calloc(1, sizeof(*host));

	if (hosts)
		l->hosts = hosts;
	if (!hosts || !host) {
		free(host);
		return err_set(err, ERR_LIMIT, "link: no memory");
	}
	host->host_id = host_id;
	host->index = *ret_host = l->host_count++;
	hosts[host->index] = host;
	HASH_ADD_KEYPTR(hh, l->by_id, host->host_id, strlen(host->host_id), host);
	return 0;
}

int
link_start(struct link *l, struct err *err)
{
	struct err why;

	if (open_bus(l, err) < 0)
		return -1;
	bus_new_inbox(l->bus, l->inbox_subject, sizeof(l->inbox_subject));
	if (subscribe(l, &why) < 0 && why.kind != ERR_UNAVAILABLE) {
		*err = why;
		return -1;
	}
	check_state(l);
	return 0;
}

struct bus *
link_bus(struct link *l)
{
	return l->bus;
}

const char *
link_prefix(const struct link *l)
{
	return l->options.prefix;
}

char *
link_reply_subject(struct link *l, size_t host, const char *verb, char *buffer, size_t size)
{
	snprintf(buffer, size, "%s.%zu.%s", l->inbox_subject, host, verb);
	return buffer;
}

int
link_publish_report(
    struct link *l, size_t host, uint64_t counter, const struct bus_out *out, struct err *err)
{
	struct letter *letter = calloc(1, sizeof(*letter));

	if (!letter)
		return err_set(err, ERR_LIMIT, "link: no memory");
	letter->item.type = LINK_ACK;
	letter->item.host = host;
	letter->item.counter = counter;
	letter->link = l;
	if (bus_js_publish_async(l->bus, out, on_ack, letter, err) < 0) {
		free(letter);
		return -1;
	}
	return 0;
}

uint64_t
link_dropped(struct link *l)
{
	return atomic_load(&l->dropped);
}
