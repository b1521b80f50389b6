/* doctor: what an agent of this host needs, looked at hop by hop. */
#ifndef DOCTOR_H
#define DOCTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "machine.h"
#include "settings.h"

#include "compiler.h"

struct arena;
struct bus;
struct err;
struct options;

#define DOCTOR_SERVERS_MAX 32
#define DOCTOR_TEXT_BYTES 640

/* One server of option nats_servers, and what was found out about it. */
struct doctor_server {
	char host[256], port[8];
	bool tls;       /* by its url */
	bool works;     /* in every hop so far */
	int fd;         /* connected, -1: not */
	bool tls_asked; /* by the server */
};

struct doctor {
	struct arena *arena;
	struct options *options;
	struct machine machine;
	struct settings settings;
	char **agent_words; /* options as fairlead-agent is given them */
	int agent_word_count;
	int step_ms; /* no step takes longer */
	struct doctor_server servers[DOCTOR_SERVERS_MAX];
	size_t server_count;
	struct bus *bus;
	bool connected;
	int64_t ahead_us; /* of this host's clock before the control plane's */
	char said[DOCTOR_TEXT_BYTES];
};

/* Adds to what a hop says. */
void doctor_say(struct doctor *d, const char *format, ...) PRINTF(2, 3);

/* Each: 0 with d->said what was seen, or -1 with *err. */
MUST_USE int doctor_configuration(struct doctor *d, struct err *err);
MUST_USE int doctor_state(struct doctor *d, struct err *err);
MUST_USE int doctor_drivers(struct doctor *d, struct err *err);
MUST_USE int doctor_dns(struct doctor *d, struct err *err);
MUST_USE int doctor_tcp(struct doctor *d, struct err *err);
MUST_USE int doctor_nats(struct doctor *d, struct err *err);
MUST_USE int doctor_tls(struct doctor *d, struct err *err);
MUST_USE int doctor_auth(struct doctor *d, struct err *err);
MUST_USE int doctor_permissions(struct doctor *d, struct err *err);
MUST_USE int doctor_streams(struct doctor *d, struct err *err);
MUST_USE int doctor_hub(struct doctor *d, struct err *err);
MUST_USE int doctor_clock(struct doctor *d, struct err *err);

#endif
