/* api_letter: letter.list. */
#include <inttypes.h>
#include <stdlib.h>

#include "api.h"
#include "arena.h"
#include "dead_letter_read.h"
#include "err.h"
#include "hub.h"
#include "name.h"
#include "page.h"

static int
after_parse(const char *text, uint64_t *ret, struct err *err)
{
	char *end;

	*ret = *text ? strtoull(text, &end, 10) : 0;
	if (*text && (*end || *ret == 0 || *text == '-'))
		return err_field(err, ERR_INVALID, "after", "is not what a page ended with");
	return 0;
}

int
handle_letter_list(
    struct api *api, const ProtobufCMessage *request, ProtobufCMessage *answer, struct err *err)
{
	const Fairlead__V1__LetterListRequest *q = (const Fairlead__V1__LetterListRequest *)request;
	Fairlead__V1__LetterListAnswer *ret = (Fairlead__V1__LetterListAnswer *)answer;
	struct dead_letter_query query = {.prefix = api->hub->settings.prefix,
	    .host = *q->host ? q->host : NULL,
	    .reason = *q->reason ? q->reason : NULL,
	    .since_us = q->since_us};
	struct dead_letter_page page;

	if (*q->host && name_check(q->host, "host", err) != 0)
		return -1;
	if (after_parse(q->after, &query.before, err) != 0 ||
	    page_limit(q->limit, &query.limit, err) != 0 ||
	    dead_letter_list(api->hub->bus, &query, api->arena, &page, err) != 0)
		return -1;
	ret->letters = page.rows;
	ret->n_letters = page.n;
	if (page.next == 0)
		return 0;
	ret->next = arena_printf(api->arena, "%" PRIu64, page.next);
	return ret->next ? 0 : err_set(err, ERR_LIMIT, "the page is larger than this hub can hold");
}
