/* cell: the processes of `fairlead dev`, in the order in which they start. */
#ifndef CELL_H
#define CELL_H

#include <stdbool.h>

#include "child.h"

#define CELL_CHILDREN_MAX 64
#define CELL_BUS_SERVERS_MAX 3
#define CELL_AGENTS_MAX 20

struct cell {
	char data[256];     /* absolute */
	int lock_fd;        /* of <data>/lock; -1: not ours */
	int servers_fd;     /* of <data>/lock.servers, the same */
	char bin[256];      /* where our programs are */
	char sockets[64];   /* of Postgres: a path short enough for a socket */
	char nats_url[128]; /* of all servers, comma separated */
	char database_url[160];
	char system_password[40]; /* of the bus's system account, and between its servers */
	unsigned bus_servers, agents, hubs, schedulers;
	uint64_t epochs[CELL_AGENTS_MAX]; /* of agents dev-1, dev-2, ... before they were started */
	uid_t postgres_uid;               /* 0: as we are */
	gid_t postgres_gid;
	struct child children[CELL_CHILDREN_MAX];
	unsigned child_count;
	unsigned infrastructure; /* how many of them are nats and postgres */
};

/* Directories, ports, initdb when the data is new, then every process; returns when the API answers
 * and all agents are READY.  ERR_CONFLICT: another one runs on this data; nothing was written.  On
 * -1 what was started still has to be stopped. */
MUST_USE int cell_start(struct cell *c, struct err *err);
/* In reverse order: agents with their executors, services, bus, database. */
void cell_stop(struct cell *c);
/* Reaps what ended and starts it again, with a growing pause; call it often.  A child whose name is
 * a file in <data>/hold is left as it is until the file goes. */
void cell_tend(struct cell *c);

/* lock.c.  <data> is there.  ERR_CONFLICT: another fairlead dev runs on this data.  ERR_TIMEOUT:
 * servers of one that was killed still do. */
MUST_USE int cell_lock(struct cell *c, struct err *err);
void cell_unlock(struct cell *c);

/* bus.c: ports, configurations, c->nats_url; then one child per server */
MUST_USE int cell_bus_configure(struct cell *c, struct err *err);
void cell_bus_child(const struct cell *c, unsigned i, struct child *child);

/* postgres.c */
MUST_USE int cell_postgres_init(struct cell *c, struct err *err);
MUST_USE int cell_postgres_child(struct cell *c, struct child *child, struct err *err);

#endif
