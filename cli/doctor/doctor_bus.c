/* doctor_bus: what only a connection as the agent's own can tell: TLS, credentials, permissions,
 * streams, the hub's answer, its clock.  The connection has another name than the agent's, and asks
 * for nothing that would change what the control plane knows. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "bus.h"
#include "clock.h"
#include "courier.h"
#include "doctor.h"
#include "err.h"
#include "id.h"
#include "options.h"
#include "subjects.h"

#include "fairlead/v1/host.pb-c.h"

#define CLOCK_FAR_US (60 * SECOND_US)
#define INBOX_BYTES 128

/* A stream of this name takes nothing: what is published with this header is refused after its
 * sender's permission was checked, and stored nowhere. */
static const struct bus_header nowhere[] = {{"Nats-Expected-Stream", "fairlead-doctor"}};

static const char *
or_null(const char *text)
{
	return text[0] ? text : NULL;
}

/* As the agent connects.  Once: the answer is the same for whoever asks again. */
static int
connected(struct doctor *d, struct err *err)
{
	char name[NAME_BYTES_MAX + 16];
	const struct bus_options o = {.servers = options_string(d->options, "nats_servers"),
	    .name = name,
	    .user = or_null(options_string(d->options, "nats_user")),
	    .password = or_null(options_string(d->options, "nats_password")),
	    .inbox_prefix = d->settings.inbox_prefix};

	if (d->connected)
		return 0;
	snprintf(name, sizeof(name), "%s-doctor", d->settings.host_id);
	if (!d->bus && bus_nats_new(&o, &d->bus, err) != 0)
		return -1;
	if (bus_wait_connected(d->bus, d->step_ms, err) != 0)
		return -1;
	d->connected = true;
	return 0;
}

static bool
is_about_tls(const struct err *err)
{
	return strcasestr(err->text, "ssl") || strcasestr(err->text, "tls") ||
	       strcasestr(err->text, "secure connection") || strcasestr(err->text, "certificate");
}

/* The handshake is the bus library's own: what it refuses here it refuses the agent. */
int
doctor_tls(struct doctor *d, struct err *err)
{
	bool wanted = false, asked = false;

	for (size_t i = 0; i < d->server_count; i++) {
		wanted = wanted || (d->servers[i].works && d->servers[i].tls);
		asked = asked || (d->servers[i].works && d->servers[i].tls_asked);
	}
	if (!wanted && !asked) {
		doctor_say(d,
		    "neither wanted nor asked for: what goes over the bus can be read on the way");
		return 0;
	}
	if (!wanted) {
		err_set(err, ERR_INVALID, "the server wants TLS and the url does not say so");
		return err_hint(err, "option nats_servers: tls://host:port");
	}
	if (!asked) {
		err_set(err, ERR_INVALID, "the url wants TLS and the server does not offer it");
		return err_hint(
		    err, "a tls block in the server's configuration, or nats://host:port");
	}
	if (connected(d, err) != 0 && is_about_tls(err))
		return err_hint(err,
		    "does this host trust who signed the server's certificate, and does it "
		    "name the host of the url?");
	err_clear(err); /* anything else is the next hop's */
	doctor_say(d, "the handshake succeeded");
	return 0;
}

int
doctor_auth(struct doctor *d, struct err *err)
{
	const char *user = options_string(d->options, "nats_user");

	if (connected(d, err) == 0) {
		doctor_say(d, "%s is let in as %s", d->settings.host_id,
		    *user ? user : "nobody in particular");
		return 0;
	}
	if (err->kind == ERR_DENIED)
		return err_hint(err,
		    "options nats_user and nats_password (or nats_password_file) of the agent, "
		    "users in the server's configuration");
	return -1;
}

/* ---- permissions ---- */

static bool
refused(struct doctor *d, const char *subject, char *why, size_t size)
{
	char quoted[SUBJECT_BYTES + 4];

	snprintf(quoted, sizeof(quoted), "\"%s\"", subject);
	return strstr(bus_refusal(d->bus, why, size), quoted) != NULL;
}

static void
ignore(void *arg, const struct bus_msg *m)
{
	(void)arg;
	(void)m;
}

/* A heartbeat that cannot be read is a dead letter, so this one can be: of epoch 0, which no host
 * has.  The hub answers that a hello comes first; an agent that runs did not ask, and takes no
 * notice. */
static int
publish_heartbeat(struct doctor *d, const char *subject, struct err *err)
{
	Fairlead__V1__Heartbeat beat = FAIRLEAD__V1__HEARTBEAT__INIT;
	const struct courier_message m = {
	    .subject = subject, .host = d->settings.host_id, .message = &beat.base};
	struct id nonce = id_new();

	beat.host_id = d->settings.host_id;
	beat.nonce_id.data = nonce.bytes;
	beat.nonce_id.len = sizeof(nonce.bytes);
	return courier_publish(d->bus, &m, d->arena, err);
}

static int
try_publish(struct doctor *d, enum subject s, const char *subject, struct err *err)
{
	static const char body[] = "doctor"; /* no message: a hub refuses to read it */
	const struct bus_out out = {.subject = subject,
	    .data = body,
	    .size = strlen(body),
	    .headers = nowhere,
	    .header_count = 1};

	return s == SUBJECT_HB ? publish_heartbeat(d, subject, err)
			       : bus_publish(d->bus, &out, err);
}

static int
try_subscribe(struct doctor *d, const char *subject, struct bus_sub **ret, struct err *err)
{
	return bus_subscribe(d->bus, subject, NULL, 0, ignore, d, ret, err);
}

/* The server answers in order: after the flush it has said what it refuses. */
static int
try_subject(struct doctor *d, bool publish, enum subject s, const char *subject, struct err *err)
{
	CLEANUP(bus_unsubscribe) struct bus_sub *sub = NULL;
	char why[256];

	if ((publish ? try_publish(d, s, subject, err) : try_subscribe(d, subject, &sub, err)) !=
		0 ||
	    bus_flush(d->bus, d->step_ms, err) != 0)
		return -1;
	if (!refused(d, subject, why, sizeof(why)))
		return 0;
	err_set(err, ERR_DENIED, "%s", why);
	return err_hint(err,
	    "permissions of %s in the server's configuration: docs/protocol.md says who "
	    "publishes and subscribes what",
	    *options_string(d->options, "nats_user") ? options_string(d->options, "nats_user")
						     : "the user that unnamed clients are");
}

/* The subjects are those of the table that name a HOST.  What is published no hub can
 * read, and no stream keeps. */
static int
try_row(struct doctor *d, enum subject s, unsigned *ret_count, struct err *err)
{
	static const char *const verbs[] = {"hello", "sync"};
	const bool publish = strstr(subject_row(s)->publishes, "HOST") != NULL;
	const char *prefix = options_string(d->options, "prefix"), *host = d->settings.host_id;
	size_t n = s == SUBJECT_REQ ? COUNT_OF(verbs) : 1;
	char subject[SUBJECT_BYTES];

	if (!publish && !strstr(subject_row(s)->subscribes, "HOST"))
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (try_subject(d, publish, s,
			subject_build(subject, prefix, s, host, s == SUBJECT_REQ ? verbs[i] : "*"),
			err) != 0)
			return -1;
		++*ret_count;
	}
	return 0;
}

int
doctor_permissions(struct doctor *d, struct err *err)
{
	char inbox[INBOX_BYTES], subject[INBOX_BYTES + 8];
	unsigned count = 1;

	bus_new_inbox(d->bus, inbox, sizeof(inbox));
	snprintf(subject, sizeof(subject), "%s.*.*", inbox);
	if (try_subject(d, false, SUBJECT_COUNT, subject, err) != 0)
		return -1;
	for (enum subject s = 0; s < SUBJECT_COUNT; s++) {
		if (try_row(d, s, &count, err) != 0)
			return -1;
	}
	doctor_say(d, "all %u subjects of a host may be used", count);
	return 0;
}

/* ---- who answers ---- */

/* A report for a stream that is none: whoever says so keeps the reports. */
int
doctor_streams(struct doctor *d, struct err *err)
{
	char subject[SUBJECT_BYTES];
	const struct bus_out out = {
	    .subject = subject_build(
		subject, options_string(d->options, "prefix"), SUBJECT_RPT, d->settings.host_id),
	    .headers = nowhere,
	    .header_count = 1};
	struct bus_ack ack;

	if (bus_js_publish(d->bus, &out, d->step_ms, &ack, err) == 0 || err->kind == ERR_INVALID) {
		err_clear(err);
		doctor_say(d, "a stream takes what is published to %s", subject);
		return 0;
	}
	if (err->kind == ERR_UNAVAILABLE)
		return err_hint(err,
		    "no stream takes reports: `fairlead admin bus-init` makes it; is option "
		    "prefix that of the cell, and JetStream on?");
	return err_hint(err, "`nats stream report` shows whether FL_REPORTS has a leader");
}

/* A sync of epoch 0, which no host has: the hub says that a hello comes first, and does nothing
 * (A5). */
int
doctor_hub(struct doctor *d, struct err *err)
{
	Fairlead__V1__SyncRequest q = FAIRLEAD__V1__SYNC_REQUEST__INIT;
	const struct clock *clock = clock_system();
	char subject[SUBJECT_BYTES];
	struct courier_message m = {.host = d->settings.host_id, .message = &q.base};
	int64_t real_us = clock_real_us(clock), begun_us = clock_mono_us(clock), took_us;
	ProtobufCMessage *answer;

	q.host_id = d->settings.host_id;
	m.subject = subject_build(subject, options_string(d->options, "prefix"), SUBJECT_REQ,
	    d->settings.host_id, "sync");
	if (courier_request(d->bus, &m, d->step_ms, &fairlead__v1__sync_answer__descriptor,
		d->arena, &answer, err) != 0)
		return err_hint(err, "%s",
		    err->kind == ERR_UNAVAILABLE
			? "no hub listens: is one running, with this prefix, in this account? "
			  "`nats micro ls`"
			: "a hub is there and does not answer: its /readyz says what it waits for");
	took_us = clock_mono_us(clock) - begun_us;
	d->ahead_us = real_us + took_us / 2 - ((const Fairlead__V1__SyncAnswer *)answer)->cp_now_us;
	doctor_say(d, "answers in %.1f ms", (double)took_us / MS_US);
	return 0;
}

/* Nothing is decided by a host's clock (L12), so it fails nothing; people compare logs by it. */
int
doctor_clock(struct doctor *d, struct err *err)
{
	bool ahead = d->ahead_us >= 0;
	int64_t off_us = ahead ? d->ahead_us : -d->ahead_us;

	(void)err;
	doctor_say(d, "%.1f ms %s the control plane's%s", (double)off_us / MS_US,
	    ahead ? "ahead of" : "behind",
	    off_us < CLOCK_FAR_US ? ""
				  : ": nothing is decided by it, but times of its log mislead");
	return 0;
}
