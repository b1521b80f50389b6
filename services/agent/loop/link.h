/* link: one bus connection of one or many hosts, and the bounded mailbox between its threads and
 * the loop thread.
 *
 * Bus threads only copy messages into the mailbox.  What does not fit is dropped and counted, and
 * every host on the link is told to sync (invariant 8).
 *
 * Threads:  everything but the bus callbacks inside runs on the loop thread. */
#ifndef LINK_H
#define LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent_bounds.h"
#include "bus.h"
#include "compiler.h"

struct err;
struct link;
struct sd_event;

enum link_item_type {
	LINK_CONNECTED,
	LINK_DISCONNECTED,
	LINK_OVERFLOW,
	LINK_LIVE,   /* fl.live.<host> */
	LINK_ANSWER, /* to a request; verb says which */
	LINK_CTL,    /* fl.io.<host>.<channel>.ctl */
	LINK_ACK,    /* of link_publish_report */
};

struct link_item {
	enum link_item_type type;
	size_t host;               /* index from link_add_host */
	const struct bus_msg *msg; /* borrowed; LIVE, ANSWER, CTL */
	char verb[8];              /* ANSWER: "hello" or "sync" */
	uint64_t counter;          /* ACK */
	bool stored;               /* ACK */
};

struct link_options {
	struct sd_event *loop;
	struct bus *bus; /* borrowed, outlives the link; NULL: connect with bus_options */
	const struct bus_options
	    *bus_options;          /* copied, its strings borrowed; on_state is the link's */
	const char *prefix;        /* subjects; borrowed */
	unsigned mailbox_capacity; /* 0: LINK_MAILBOX_DEFAULT */
	bool many;                 /* subscribe for all hosts at once: fl.live.* */
	bool quiet;                /* no log lines about the connection */
	/* Called on the loop thread with what arrived for one host, in order. */
	void (*deliver)(void *arg, size_t host, const struct link_item *items, size_t n);
	/* Called once on the loop thread when the bus refuses the credentials before it ever took
	 * them; NULL: the link goes on trying, as it does after this returns. */
	void (*refused)(void *arg);
	void *arg;
};

MUST_USE int link_new(const struct link_options *options, struct link **ret, struct err *err);
void link_free(struct link *l);
DEFINE_CLEANUP(struct link *, link_free);

/* Before link_start.  host_id is borrowed.  Without `many`, one host. */
MUST_USE int link_add_host(struct link *l, const char *host_id, size_t *ret_host, struct err *err);
/* Subscribes; LINK_CONNECTED follows through deliver, now or later. */
MUST_USE int link_start(struct link *l, struct err *err);

struct bus *link_bus(struct link *l);
const char *link_prefix(const struct link *l);
/* The reply subject for a request of this host; its answer comes as LINK_ANSWER. */
char *link_reply_subject(struct link *l, size_t host, const char *verb, char *buffer, size_t size);
/* JetStream publish; LINK_ACK follows, when the mailbox has room.  -1: it was not sent. */
MUST_USE int link_publish_report(
    struct link *l, size_t host, uint64_t counter, const struct bus_out *out, struct err *err);
/* Messages dropped because the mailbox was full. */
uint64_t link_dropped(struct link *l);

#endif
