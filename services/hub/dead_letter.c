#include "dead_letter.h"

#include <stdio.h>
#include <string.h>

#include "bus.h"
#include "crash.h"
#include "err.h"
#include "headers.h"
#include "hub.h"
#include "hub_bounds.h"
#include "hub_metrics.h"
#include "log.h"
#include "name.h"
#include "subjects.h"

/* The sender as a token: a subject that is not ours still gets a place. */
static void
sender_of(const struct hub *h, const struct bus_msg *m, char buffer[NAME_BYTES_MAX + 1])
{
	struct subject_match match;
	struct err ignored = {0};

	if (subject_parse(h->settings.prefix, bus_msg_subject(m), &match, &ignored) == 0 &&
	    match.token_count > 0 && name_check(match.tokens[0], "host", &ignored) == 0)
		snprintf(buffer, NAME_BYTES_MAX + 1, "%.63s", match.tokens[0]);
	else
		snprintf(buffer, NAME_BYTES_MAX + 1, "unknown");
}

/* A letter about a message: its strings live as long as the letter, the message and `why` do. */
struct letter {
	char subject[SUBJECT_BYTES], host[NAME_BYTES_MAX + 1], size[24];
	struct bus_header headers[5];
	struct bus_out out;
};

static void
header_add(struct letter *l, const char *name, const char *value)
{
	l->headers[l->out.header_count++] = (struct bus_header){name, value};
}

/* The type as the sender said it, if it can be said again. */
static const char *
content_type_of(const struct bus_msg *m)
{
	const char *said = bus_msg_header(m, HEADER_CONTENT_TYPE);

	return said && *said && !strpbrk(said, "\r\n") ? said : "application/octet-stream";
}

/* The letter must fit on the bus with its headers, also when the message alone hardly did. */
static void
letter_write(struct letter *l, const struct hub *h, const struct bus_msg *m, const struct err *why)
{
	size_t bytes_max = (size_t)bus_max_payload(h->intake_bus) / 2, size = bus_msg_size(m);

	*l = (struct letter){
	    .out = {.data = bus_msg_data(m), .size = size < bytes_max ? size : bytes_max}};
	sender_of(h, m, l->host);
	l->out.headers = l->headers;
	header_add(l, "Fl-Reason", why->text);
	header_add(l, "Fl-Subject", bus_msg_subject(m));
	header_add(l, HEADER_KIND, "dead");
	header_add(l, HEADER_CONTENT_TYPE, content_type_of(m));
	if (l->out.size < size) {
		snprintf(l->size, sizeof(l->size), "%zu", size);
		header_add(l, "Fl-Cut-From", l->size);
	}
	l->out.subject = subject_build(
	    l->subject, h->settings.prefix, SUBJECT_DEAD, err_row(why->kind)->name, l->host);
}

int
dead_letter_put(
    const struct hub *h, const struct bus_msg *m, const struct err *why, struct err *err)
{
	struct letter l;
	struct bus_ack ack;

	letter_write(&l, h, m, why);
	if (bus_js_publish(h->intake_bus, &l.out, DEAD_LETTER_TIMEOUT_MS, &ack, err) != 0)
		return err_wrap(err, "dead letter of %s", bus_msg_subject(m));
	crash_point("hub.dead_letter.after_publish");
	hub_metrics_dead_letter(h->metrics, err_row(why->kind)->name);
	log_warn("report.dead_letter", LOG_STR("subject", bus_msg_subject(m)),
	    LOG_STR("dead", l.subject), LOG_ERR(why));
	return 0;
}

void
dead_letter_say(const struct hub *h, const struct bus_msg *m, const struct err *why)
{
	struct letter l;
	struct err err = {0};

	letter_write(&l, h, m, why);
	if (bus_publish(h->bus, &l.out, &err) != 0)
		log_debug(
		    "dead_letter.failed", LOG_STR("subject", bus_msg_subject(m)), LOG_ERR(&err));
	else
		hub_metrics_dead_letter(h->metrics, err_row(why->kind)->name);
}
