/* nats_server: a private nats-server child with JetStream, on a free loopback port.
 *
 * The program is $NATS_SERVER, else nats-server in the path.  The child dies with the test.  The
 * port and the store stay the same over kill and start. */
#ifndef NATS_SERVER_H
#define NATS_SERVER_H

#include <sys/types.h>

#include "compiler.h"

struct nats_server;

/* config: more lines for its configuration file ("authorization {...}"), NULL for none.  Returns a
 * server that answers; a test cannot go on without, so it fails the test otherwise. */
struct nats_server *nats_server_new(const char *config);
/* Kills it and removes its directory. */
void nats_server_free(struct nats_server *s);
DEFINE_CLEANUP(struct nats_server *, nats_server_free);

const char *nats_server_url(const struct nats_server *s);
int nats_server_port(const struct nats_server *s);
/* 0: not running. */
pid_t nats_server_pid(const struct nats_server *s);

/* After stop or kill: the same port and store; waits until it answers.  0 or -1. */
MUST_USE int nats_server_start(struct nats_server *s);
void nats_server_stop(struct nats_server *s); /* SIGTERM, and waits */
void nats_server_kill(struct nats_server *s); /* SIGKILL, and waits */
void nats_server_pause(struct nats_server *s);
void nats_server_resume(struct nats_server *s);
/* While stopped: forgets every stream. */
void nats_server_wipe(struct nats_server *s);
/* Used by the next start. */
void nats_server_set_config(struct nats_server *s, const char *config);

/* A loopback port that was free when asked. */
int nats_server_free_port(void);

#endif
