/* dependencies: the bus, Postgres and the streams, as every service names, opens and awaits them.
 *
 * Away: said in the log once per attempt, and asked again until the service is to end
 * (ERR_UNAVAILABLE).  Refused (wrong password, other schema, streams that differ): the error names
 * the option at fault, and the service does not start. */
#ifndef DEPENDENCIES_H
#define DEPENDENCIES_H

#include <stdbool.h>

#include "compiler.h"
#include "options.h"
#include "subjects.h"

struct bus;
struct err;
struct service_context;
struct store;

/* Rows for the option table of a service; role: the default of database_role. */
#define DEPENDENCIES_OPTIONS(role)                                                                 \
	{"nats_servers", OPTION_STRING, "nats://127.0.0.1:4222", OPTION_PLAIN, 0, 0,               \
	    "comma separated urls of the bus"},                                                    \
	    {"nats_user", OPTION_STRING, NULL, OPTION_PLAIN, 0, 0, "user on the bus"},             \
	    {"nats_password", OPTION_STRING, NULL, OPTION_SECRET, 0, 0, "password on the bus"},    \
	    {"nats_creds", OPTION_STRING, NULL, OPTION_PLAIN, 0, 0,                                \
		"credentials file for the bus"},                                                   \
	    {"nats_ca", OPTION_STRING, NULL, OPTION_PLAIN, 0, 0, "CA file of the bus's TLS"},      \
	    {"prefix", OPTION_STRING, SUBJECT_PREFIX_DEFAULT, OPTION_PLAIN, 0, 0,                  \
		"first token of all subjects"},                                                    \
	    {"database_url", OPTION_STRING, "postgresql:///fairlead", OPTION_SECRET, 0, 0,         \
		"libpq connection string or uri"},                                                 \
	    {"database_role", OPTION_STRING, (role), OPTION_PLAIN, 0, 0,                           \
		"role taken after connecting; empty for none"},                                    \
	    {"replicas", OPTION_INT, "0", OPTION_PLAIN, 0, 5,                                      \
		"replicas of streams; 0: as the cluster allows"}

struct dependencies_connection {
	const char *name;     /* "intake": in the log and in the server's list; a literal */
	bool lazy_flush;      /* bulk: see struct bus_options */
	bool system;          /* as nats_system_user: reads the servers' own events */
	unsigned max_pending; /* async publishes in flight; 0: the bus' own default */
};

/* Starts to connect, and returns.  ERR_INVALID: the options make no connection. */
MUST_USE int dependencies_open_bus(const struct service_context *c,
    const struct dependencies_connection *want, struct bus **ret, struct err *err);

MUST_USE int dependencies_wait_bus(const struct service_context *c, struct bus *b, struct err *err);
MUST_USE int dependencies_wait_schema(struct service_context *c, struct store *s, struct err *err);
/* Makes what is missing of the table of streams. */
MUST_USE int dependencies_wait_streams(struct service_context *c, struct bus *b, struct err *err);

#endif
