#include "dead_letter.h"

#include <stdio.h>

#include "bus.h"
#include "err.h"
#include "headers.h"
#include "hub.h"
#include "hub_metrics.h"
#include "log.h"
#include "name.h"
#include "subjects.h"

#define DEAD_LETTER_TIMEOUT_MS 5000

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

int
dead_letter_put(
    const struct hub *h, const struct bus_msg *m, const struct err *why, struct err *err)
{
	const char *reason = err_row(why->kind)->name;
	const char *content_type = bus_msg_header(m, HEADER_CONTENT_TYPE);
	char subject[SUBJECT_BYTES], host[NAME_BYTES_MAX + 1], token[32];
	struct bus_header headers[] = {
	    {"Fl-Reason", why->text},
	    {"Fl-Subject", bus_msg_subject(m)},
	    {HEADER_KIND, "dead"},
	    {HEADER_CONTENT_TYPE, content_type ? content_type : "application/octet-stream"},
	};
	struct bus_out out = {.data = bus_msg_data(m),
	    .size = bus_msg_size(m),
	    .headers = headers,
	    .header_count = COUNT_OF(headers)};
	struct bus_ack ack;

	sender_of(h, m, host);
	/* A subject token: the error kind's name with '_' kept and nothing else in it. */
	snprintf(token, sizeof(token), "%s", reason);
	out.subject = subject_build(subject, h->settings.prefix, SUBJECT_DEAD, token, host);
	if (bus_js_publish(h->intake_bus, &out, DEAD_LETTER_TIMEOUT_MS, &ack, err) != 0)
		return err_wrap(err, "dead letter of %s", bus_msg_subject(m));
	hub_metrics_dead_letter(h->metrics, reason);
	log_warn("report.dead_letter", LOG_STR("subject", bus_msg_subject(m)),
	    LOG_STR("dead", subject), LOG_ERR(why));
	return 0;
}
