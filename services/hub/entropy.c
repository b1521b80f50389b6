#include "entropy.h"

#include <stdio.h>
#include <string.h>

#include "arena.h"
#include "clock.h"
#include "codec.h"
#include "courier.h"
#include "err.h"
#include "hub.h"
#include "hub_bounds.h"
#include "hub_metrics.h"
#include "liveness.h"
#include "log.h"
#include "mutant.h"
#include "store.h"
#include "subjects.h"

#include "fairlead/v1/host.pb-c.h"

/* The answer to its newest heartbeat, over the command path: hello required. */
static int
hello_ask(struct hub *h, const struct liveness_settled *host, const struct store_host_head *head,
    int64_t now_us, struct arena *a, struct err *err)
{
	Fairlead__V1__HeartbeatAnswer answer = FAIRLEAD__V1__HEARTBEAT_ANSWER__INIT;
	Fairlead__V1__Signature unsigned_yet = FAIRLEAD__V1__SIGNATURE__INIT;
	char subject[SUBJECT_BYTES];
	struct courier_message m = {.host = host->host_id,
	    .message = &answer.base,
	    .encoding = strcmp(head->encoding, "json") == 0 ? WIRE_JSON : WIRE_PROTOBUF};

	answer.signature = &unsigned_yet;
	answer.verdict = FAIRLEAD__V1__HEARTBEAT_VERDICT__HEARTBEAT_HELLO_REQUIRED;
	answer.nonce_id.data = (uint8_t *)(uintptr_t)host->nonce_id.bytes;
	answer.nonce_id.len = ID_BYTES;
	answer.cp_now_us = now_us;
	m.subject = subject_build(subject, h->settings.prefix, SUBJECT_LIVE, host->host_id);
	return courier_publish(h->bus, &m, a, err);
}

static int
differs(struct hub *h, struct store *store, const struct liveness_settled *host,
    const struct digest *rows, struct arena *a, bool *ret_asked, struct err *err)
{
	struct store_host_head *head;
	struct store_event event = {.kind = "host.digest_differs", .host = host->host_id};
	char text[128];
	int64_t now_us;
	size_t n;

	*ret_asked = false;
	if (store_host_heads(store, &host->host_id, 1, a, &head, &n, &now_us, err) != 0)
		return -1;
	/* Not of this epoch any more: a hello is on its way already. */
	if (n == 0 || head->state != HOST_READY || head->epoch != host->epoch)
		return 0;
	snprintf(text, sizeof(text), "it has %llu executors, the rows %llu: asked for a hello",
	    (unsigned long long)host->digest.count, (unsigned long long)rows->count);
	event.text = text;
	log_warn("host.digest_differs", LOG_STR("host", host->host_id), LOG_STR("what", text));
	hub_metrics_digest_differs(h->metrics);
	*ret_asked = true;
	if (store_event_append(store, &event, err) != 0)
		return -1;
	return hello_ask(h, host, head, now_us, a, err);
}

int
entropy_look(struct hub *h, struct store *store, int64_t now_us, struct arena *a, size_t *ret_asked,
    struct err *err)
{
	struct liveness_settled *hosts = arena_calloc(a, ENTROPY_BATCH, sizeof(*hosts));
	const char **ids = arena_calloc(a, ENTROPY_BATCH, sizeof(char *));
	struct digest *rows = arena_calloc(a, ENTROPY_BATCH, sizeof(*rows));
	size_t n;

	*ret_asked = 0;
	if (!hosts || !ids || !rows)
		return err_set(err, ERR_LIMIT, "no room to compare digests");
	n = liveness_take_settled(h->liveness, now_us,
	    (int64_t)h->settings.digest_settle_ms * MS_US,
	    (int64_t)h->settings.digest_again_ms * MS_US, a, hosts, ENTROPY_BATCH);
	if (n == 0 || MUTANT(digests_never_compared))
		return 0;
	for (size_t i = 0; i < n; i++)
		ids[i] = hosts[i].host_id;
	if (store_host_digests(store, ids, n, rows, err) != 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		bool asked = false;

		if (rows[i].count == hosts[i].digest.count && rows[i].sum == hosts[i].digest.sum)
			continue;
		if (differs(h, store, &hosts[i], &rows[i], a, &asked, err) != 0)
			return -1;
		*ret_asked += asked;
	}
	return 0;
}
