/* api_host: host.list, get, rm, lost, stop_unknown, drain, undrain, cordon, uncordon. */
#include <string.h>

#include "api.h"
#include "arena.h"
#include "clock.h"
#include "convert.h"
#include "crash.h"
#include "err.h"
#include "hub.h"
#include "liveness.h"
#include "name.h"
#include "page.h"
#include "selector.h"
#include "store.h"

#define CORDON_REASON_BYTES_MAX 256
#define UNKNOWN_SHOWN_MAX 256

static int
host_answer(
    struct api *api, const struct store_host *row, Fairlead__V1__Host **ret, struct err *err)
{
	return convert_host(row, clock_real_us(clock_system()),
	    liveness_heard_us(api->hub->liveness, row->host_id), api->arena, ret, err);
}

static int
host_unknown(struct api *api, Fairlead__V1__Host *host, struct err *err)
{
	struct store_unknown *rows;
	size_t n;

	if (store_unknown_list(
		api->store, host->host_id, UNKNOWN_SHOWN_MAX, api->arena, &rows, &n, err) != 0 ||
	    convert_unknown(rows, n, api->arena, &host->unknown_executors, err) != 0)
		return -1;
	host->n_unknown_executors = n;
	return 0;
}

static int
host_get(struct api *api, const char *host_id, Fairlead__V1__Host **ret, struct err *err)
{
	struct store_host row;

	if (store_host_get(api->store, host_id, api->arena, &row, err) != 0 ||
	    host_answer(api, &row, ret, err) != 0)
		return -1;
	return row.unknown > 0 ? host_unknown(api, *ret, err) : 0;
}

int
handle_host_list(
    struct api *api, const ProtobufCMessage *request, ProtobufCMessage *answer, struct err *err)
{
	const Fairlead__V1__HostListRequest *q = (const Fairlead__V1__HostListRequest *)request;
	Fairlead__V1__HostListAnswer *ret = (Fairlead__V1__HostListAnswer *)answer;
	struct selector *selector;
	struct store_host *rows;
	uint32_t limit = 0;
	size_t n;

	if (*q->pool && name_check(q->pool, "pool", err) != 0)
		return -1;
	if (selector_parse(q->selector, api->arena, &selector, err) != 0)
		return err_wrap(err, "selector");
	if (page_limit(q->limit, &limit, err) != 0 ||
	    store_host_list(api->store, *q->pool ? q->pool : NULL, q->all, q->after, limit,
		api->arena, &rows, &n, err) != 0)
		return -1;
	ret->hosts = arena_calloc(api->arena, n + 1, sizeof(*ret->hosts));
	if (!ret->hosts)
		return err_set(err, ERR_LIMIT, "the page is larger than this hub can hold");
	for (size_t i = 0; i < n; i++) {
		if (!selector_match(selector, rows[i].labels, rows[i].label_count))
			continue;
		if (host_answer(api, &rows[i], &ret->hosts[ret->n_hosts], err) != 0)
			return -1;
		ret->n_hosts++;
	}
	if (n == limit)
		ret->next = arena_strdup(api->arena, rows[n - 1].host_id);
	return 0;
}

int
handle_host_get(
    struct api *api, const ProtobufCMessage *request, ProtobufCMessage *answer, struct err *err)
{
	const Fairlead__V1__HostGetRequest *q = (const Fairlead__V1__HostGetRequest *)request;
	Fairlead__V1__HostGetAnswer *ret = (Fairlead__V1__HostGetAnswer *)answer;

	if (name_check(q->host_id, "host_id", err) != 0)
		return -1;
	return host_get(api, q->host_id, &ret->host, err);
}

int
handle_host_rm(
    struct api *api, const ProtobufCMessage *request, ProtobufCMessage *answer, struct err *err)
{
	const Fairlead__V1__HostRmRequest *q = (const Fairlead__V1__HostRmRequest *)request;
	Fairlead__V1__HostRmAnswer *ret = (Fairlead__V1__HostRmAnswer *)answer;

	if (name_check(q->host_id, "host_id", err) != 0 ||
	    store_host_remove(api->store, q->host_id, q->confirm, api->who, err) != 0)
		return -1;
	crash_point("hub.host_rm.after_commit");
	return host_get(api, q->host_id, &ret->host, err);
}

/* The successors may run beside the originals: only who says so twice gets it. */
int
handle_host_lost(
    struct api *api, const ProtobufCMessage *request, ProtobufCMessage *answer, struct err *err)
{
	const Fairlead__V1__HostLostRequest *q = (const Fairlead__V1__HostLostRequest *)request;
	Fairlead__V1__HostLostAnswer *ret = (Fairlead__V1__HostLostAnswer *)answer;

	if (name_check(q->host_id, "host_id", err) != 0)
		return -1;
	if (!q->confirm) {
		err_field(err, ERR_INVALID, "confirm",
		    "its executors are replaced at once, even if they still run");
		return err_hint(err, "--confirm when the machine is certainly gone");
	}
	if (store_host_confirm_lost(api->store, q->host_id, api->who, err) != 0)
		return -1;
	crash_point("hub.host_lost.after_commit");
	if (host_get(api, q->host_id, &ret->host, err) != 0)
		return -1;
	hub_nudge(api->hub, ret->host->pool);
	return 0;
}

/* Nobody here knows what they are for: only who says so twice stops them (K6). */
int
handle_host_stop_unknown(
    struct api *api, const ProtobufCMessage *request, ProtobufCMessage *answer, struct err *err)
{
	const Fairlead__V1__HostStopUnknownRequest *q =
	    (const Fairlead__V1__HostStopUnknownRequest *)request;
	Fairlead__V1__HostStopUnknownAnswer *ret = (Fairlead__V1__HostStopUnknownAnswer *)answer;
	size_t n;

	if (name_check(q->host_id, "host_id", err) != 0 ||
	    host_get(api, q->host_id, &ret->host, err) != 0)
		return -1;
	if (!q->confirm) {
		err_field(err, ERR_INVALID, "confirm",
		    "%u executors that the cell does not know are stopped for good",
		    ret->host->unknown);
		return err_hint(err, "`host show` names them; --confirm when nobody needs them");
	}
	if (store_unknown_stop(api->store, q->host_id, api->who, &n, err) != 0)
		return -1;
	ret->executors = (uint32_t)n;
	return host_get(api, q->host_id, &ret->host, err);
}

static int
reason_check(const char *reason, struct err *err)
{
	if (strlen(reason) > CORDON_REASON_BYTES_MAX)
		return err_field(
		    err, ERR_LIMIT, "reason", "at most %d bytes", CORDON_REASON_BYTES_MAX);
	return 0;
}

int
handle_host_drain(
    struct api *api, const ProtobufCMessage *request, ProtobufCMessage *answer, struct err *err)
{
	const Fairlead__V1__HostDrainRequest *q = (const Fairlead__V1__HostDrainRequest *)request;
	Fairlead__V1__HostDrainAnswer *ret = (Fairlead__V1__HostDrainAnswer *)answer;

	if (name_check(q->host_id, "host_id", err) != 0 || reason_check(q->reason, err) != 0)
		return -1;
	if (!q->dry_run && store_host_drain(api->store, q->host_id, true, q->deadline_ms, q->reason,
			       api->who, err) != 0)
		return -1;
	if (!q->dry_run)
		crash_point("hub.host_drain.after_commit");
	if (host_get(api, q->host_id, &ret->host, err) != 0)
		return -1;
	ret->executors = ret->host->executors;
	if (!q->dry_run)
		hub_nudge(api->hub, ret->host->pool);
	return 0;
}

int
handle_host_undrain(
    struct api *api, const ProtobufCMessage *request, ProtobufCMessage *answer, struct err *err)
{
	const Fairlead__V1__HostUndrainRequest *q =
	    (const Fairlead__V1__HostUndrainRequest *)request;
	Fairlead__V1__HostUndrainAnswer *ret = (Fairlead__V1__HostUndrainAnswer *)answer;

	if (name_check(q->host_id, "host_id", err) != 0 ||
	    store_host_drain(api->store, q->host_id, false, 0, "", api->who, err) != 0)
		return -1;
	crash_point("hub.host_drain.after_commit");
	return host_get(api, q->host_id, &ret->host, err);
}

static int
host_cordon(struct api *api, const char *host_id, bool cordon, const char *reason,
    Fairlead__V1__Host **ret, struct err *err)
{
	if (name_check(host_id, "host_id", err) != 0)
		return -1;
	if (reason_check(reason, err) != 0)
		return -1;
	if (store_host_cordon(api->store, host_id, cordon, reason, api->who, err) != 0)
		return -1;
	crash_point("hub.host_cordon.after_commit");
	if (host_get(api, host_id, ret, err) != 0)
		return -1;
	hub_nudge(api->hub, (*ret)->pool);
	return 0;
}

int
handle_host_cordon(
    struct api *api, const ProtobufCMessage *request, ProtobufCMessage *answer, struct err *err)
{
	const Fairlead__V1__HostCordonRequest *q = (const Fairlead__V1__HostCordonRequest *)request;

	return host_cordon(api, q->host_id, true, q->reason,
	    &((Fairlead__V1__HostCordonAnswer *)answer)->host, err);
}

int
handle_host_uncordon(
    struct api *api, const ProtobufCMessage *request, ProtobufCMessage *answer, struct err *err)
{
	const Fairlead__V1__HostUncordonRequest *q =
	    (const Fairlead__V1__HostUncordonRequest *)request;

	return host_cordon(
	    api, q->host_id, false, "", &((Fairlead__V1__HostUncordonAnswer *)answer)->host, err);
}
