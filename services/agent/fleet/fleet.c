#include "fleet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "err.h"
#include "host.h"
#include "name.h"
#include "version.h"

#define SHARED_MAILBOX (256u * 1024)
#define OWN_MAILBOX 512u
#define SHARED_PENDING_MAX 8192u

struct member {
	struct fleet *fleet;
	struct host *host;
	struct records *records;
	struct link *own_link; /* NULL: the fleet's */
	char host_id[NAME_BYTES_MAX + 1];
};

struct fleet {
	struct fleet_options options;
	struct host_shared shared;
	struct link *link;
	struct member *members;
	size_t count, accepted, left;
};

static void
on_shared_deliver(void *arg, size_t host, const struct link_item *items, size_t n)
{
	struct fleet *f = arg;

	host_deliver(f->members[host].host, items, n);
}

static void
on_own_deliver(void *arg, size_t host, const struct link_item *items, size_t n)
{
	struct member *m = arg;

	(void)host;
	host_deliver(m->host, items, n);
}

static void
on_accepted(void *arg)
{
	struct member *m = arg;
	struct fleet *f = m->fleet;

	if (++f->accepted == f->options.hosts && f->options.on_accepted)
		f->options.on_accepted(f->options.arg);
}

static void
on_exit_asked(void *arg, int exit_code)
{
	struct member *m = arg;
	struct fleet *f = m->fleet;

	(void)exit_code;
	if (++f->left == f->options.hosts && f->options.on_left)
		f->options.on_left(f->options.arg);
}

static int
make_link(struct fleet *f, struct member *m, struct link **ret, struct err *err)
{
	struct bus_options bus = f->options.bus;
	struct link_options options = {
	    .loop = f->options.loop,
	    .bus_options = &bus,
	    .prefix = f->options.prefix,
	    .mailbox_capacity = m ? OWN_MAILBOX : SHARED_MAILBOX,
	    .many = m == NULL,
	    .quiet = m != NULL,
	    .deliver = m ? on_own_deliver : on_shared_deliver,
	    .arg = m ? (void *)m : (void *)f,
	};

	bus.name = m ? m->host_id : f->options.host_prefix;
	bus.max_pending = m ? 0 : SHARED_PENDING_MAX;
	return link_new(&options, ret, err);
}

static int
make_member(struct fleet *f, size_t index, struct err *err)
{
	static const char *const drivers[] = {"fake", NULL};
	struct member *m = &f->members[index];
	struct host_options options = {
	    .shared = &f->shared,
	    .agent =
		{
		    .host_id = m->host_id,
		    .pool = f->options.pool,
		    .boot_id = f->options.boot_id,
		    .version = FAIRLEAD_VERSION,
		    .arch = "fleet",
		    .kernel = "fleet",
		    .capacity = f->options.capacity,
		    .labels = f->options.labels,
		    .label_count = f->options.label_count,
		    .heartbeat_interval_us = f->options.heartbeat_interval_us,
		    .random = (uint64_t)clock_real_us(clock_system()) + index * 0x9e3779b9u,
		},
	    .drivers = drivers,
	    .shim_path = "",
	    .cgroup_mode = "none",
	    .on_exit = on_exit_asked,
	    .on_accepted = on_accepted,
	    .arg = m,
	};

	m->fleet = f;
	snprintf(m->host_id, sizeof(m->host_id), "%.40s-%zu", f->options.host_prefix, index);
	m->records = records_memory_new();
	if (!m->records)
		return err_set(err, ERR_LIMIT, "fleet: no memory for host %zu", index);
	if (!f->options.shared && make_link(f, m, &m->own_link, err) < 0)
		return -1;
	options.link = m->own_link ? m->own_link : f->link;
	options.records = m->records;
	return host_new(&options, &m->host, err);
}

static int
start(struct fleet *f, struct err *err)
{
	for (size_t i = 0; i < f->count; i++)
		if (host_start(f->members[i].host, err) < 0)
			return -1;
	if (f->link)
		return link_start(f->link, err);
	for (size_t i = 0; i < f->count; i++)
		if (link_start(f->members[i].own_link, err) < 0)
			return err_wrap(err, "host %zu", i);
	return 0;
}

int
fleet_new(const struct fleet_options *options, struct fleet **ret, struct err *err)
{
	CLEANUP(fleet_free) struct fleet *f = calloc(1, sizeof(*f));

	if (!f)
		return err_set(err, ERR_LIMIT, "fleet: no memory");
	f->options = *options;
	if (host_shared_init(&f->shared, options->loop, clock_system(), err) < 0)
		return -1;
	f->shared.quiet = true;
	f->members = calloc(options->hosts, sizeof(*f->members));
	if (!f->members)
		return err_set(err, ERR_LIMIT, "fleet: no memory for %zu hosts", options->hosts);
	if (options->shared && make_link(f, NULL, &f->link, err) < 0)
		return -1;
	while (f->count < options->hosts)
		if (make_member(f, f->count++, err) < 0)
			return err_wrap(err, "host %zu", f->count - 1);
	if (start(f, err) < 0)
		return -1;
	*ret = TAKE(f);
	return 0;
}

void
fleet_free(struct fleet *f)
{
	if (!f)
		return;
	link_free(f->link);
	for (size_t i = 0; i < f->count; i++) {
		link_free(f->members[i].own_link);
		host_free(f->members[i].host);
		records_free(f->members[i].records);
	}
	free(f->members);
	if (f->shared.arena)
		host_shared_done(&f->shared);
	free(f);
}

static void
add(struct fleet_stats *to, const struct member *m)
{
	const struct agent *agent = host_agent(m->host);
	const struct agent_stats *s = agent_stats(agent);

	to->records += agent_record_count(agent);
	to->hellos += s->hellos;
	to->heartbeats += s->heartbeats;
	to->heartbeat_answers += s->heartbeat_answers;
	to->syncs += s->syncs;
	to->commands += s->commands;
	to->items += s->items;
	to->starts += s->starts;
	to->reports += s->reports;
	to->reports_acked += s->reports_acked;
	to->executors_reported += s->executors_reported;
	to->refused_messages += s->refused_messages;
	to->late_answers += s->late_answers;
	to->gaps += s->gaps;
	if (m->own_link)
		to->dropped += link_dropped(m->own_link);
	if (host_lag_us(m->host) > to->lag_max_us)
		to->lag_max_us = host_lag_us(m->host);
}

void
fleet_stats(const struct fleet *f, struct fleet_stats *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->hosts = f->count;
	ret->accepted = f->accepted;
	ret->left = f->left;
	ret->dropped = f->link ? link_dropped(f->link) : 0;
	for (size_t i = 0; i < f->count; i++)
		add(ret, &f->members[i]);
}
