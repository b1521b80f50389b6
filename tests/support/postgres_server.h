/* postgres_server: a private Postgres child on a unix socket, for one test program.
 *
 * The programs are those of the newest /usr/lib/postgresql/N/bin, or of $POSTGRES_BIN.  Nothing is
 * synced: it must not outlive the test.  Every test clones the template database, which takes
 * milliseconds. */
#ifndef POSTGRES_SERVER_H
#define POSTGRES_SERVER_H

#include "compiler.h"

struct postgres_server;

/* migrate fills the template database; NULL leaves it empty.  Returns a server that answers; a test
 * cannot go on without, so it fails the test otherwise. */
struct postgres_server *postgres_server_new(void (*migrate)(const char *url));
/* Kills it and removes its directory. */
void postgres_server_free(struct postgres_server *s);
DEFINE_CLEANUP(struct postgres_server *, postgres_server_free);

/* The url of a new clone of the template; valid until the next clone. */
const char *postgres_server_clone(struct postgres_server *s);
/* The url of a new database with nothing in it; valid until the next one. */
const char *postgres_server_empty(struct postgres_server *s);

void postgres_server_stop(struct postgres_server *s); /* immediate: as after a crash */
MUST_USE int postgres_server_start(struct postgres_server *s);

/* Runs one statement on url and returns the first column of its first row as text, "" for none;
 * valid until the next call.  Fails the test when the statement fails. */
const char *postgres_query(const char *url, const char *sql);

#endif
