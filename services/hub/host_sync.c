/* host_sync: the newest desired state of a host, page by page, from rows (K11). */
#include <string.h>

#include "arena.h"
#include "codec.h"
#include "command.h"
#include "err.h"
#include "host_verbs.h"
#include "hub.h"
#include "hub_metrics.h"
#include "name.h"
#include "store.h"

#include "fairlead/v1/host.pb-c.h"

#ifndef SYNC_PAGE_ITEMS /* tests have smaller pages */
#define SYNC_PAGE_ITEMS 64
#endif

static int
answer_items(const struct host_call *call, const struct store_sync_page *page,
    Fairlead__V1__SyncAnswer *m, struct err *err)
{
	m->items = arena_calloc(call->arena, page->item_count + 1, sizeof(*m->items));
	if (!m->items)
		return err_set(err, ERR_LIMIT, "sync page is larger than this hub can hold");
	for (size_t i = 0; i < page->item_count; i++) {
		if (command_item_encode(&page->items[i], call->arena, &m->items[i], err) != 0)
			return -1;
	}
	m->n_items = page->item_count;
	return 0;
}

int
handle_sync(const struct host_call *call, const ProtobufCMessage *question,
    ProtobufCMessage **ret_answer, struct err *err)
{
	const Fairlead__V1__SyncRequest *q = (const Fairlead__V1__SyncRequest *)question;
	Fairlead__V1__SyncAnswer *m = arena_alloc(call->arena, sizeof(*m));
	Fairlead__V1__Signature *signature = arena_alloc(call->arena, sizeof(*signature));
	struct store_sync sync = {.host_id = call->host_id,
	    .epoch = q->epoch,
	    .contiguous_seq = q->contiguous_seq,
	    .as_of_seq = q->as_of_seq,
	    .limit = SYNC_PAGE_ITEMS};
	struct store_sync_page page;

	if (!m || !signature)
		return err_set(err, ERR_LIMIT, "sync answer is larger than this hub can hold");
	if (name_check(call->host_id, "host_id", err) != 0)
		return -1;
	if (strcmp(q->host_id, call->host_id) != 0)
		return err_field(err, ERR_DENIED, "host_id",
		    "the body names host %.64s, the subject %s", q->host_id, call->host_id);
	if (q->after_executor_id.len > 0 &&
	    wire_id(&q->after_executor_id, "after_executor_id", &sync.after, err) != 0)
		return -1;
	if (store_host_sync(call->store, &sync, call->arena, &page, err) != 0)
		return -1;
	fairlead__v1__sync_answer__init(m);
	fairlead__v1__signature__init(signature);
	m->signature = signature;
	m->nonce_id = q->nonce_id;
	m->cp_now_us = page.now_us;
	m->verdict = page.hello_required ? FAIRLEAD__V1__SYNC_VERDICT__SYNC_HELLO_REQUIRED
					 : FAIRLEAD__V1__SYNC_VERDICT__SYNC_PAGE;
	m->as_of_seq = page.as_of_seq;
	m->last = page.last;
	if (page.hello_required)
		hub_metrics_stale_epoch(call->hub->metrics);
	*ret_answer = &m->base;
	return answer_items(call, &page, m, err);
}
