/* The JetStream API: JSON requests to $JS.API, and its errors. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "bus_nats.h"

static const struct {
	int code;
	enum err_kind kind;
} api_errors[] = {
    {10014, ERR_NOT_FOUND},   /* consumer not found */
    {10059, ERR_NOT_FOUND},   /* stream not found */
    {10058, ERR_CONFLICT},    /* stream name in use with another configuration */
    {10065, ERR_CONFLICT},    /* subjects overlap with another stream */
    {10071, ERR_CONFLICT},    /* wrong last sequence */
    {10148, ERR_CONFLICT},    /* consumer already exists */
    {10054, ERR_LIMIT},       /* message larger than the stream's limit */
    {10077, ERR_LIMIT},       /* maximum messages exceeded */
    {10023, ERR_LIMIT},       /* insufficient resources */
    {10026, ERR_LIMIT},       /* maximum consumers */
    {10027, ERR_LIMIT},       /* maximum streams */
    {10047, ERR_LIMIT},       /* insufficient storage */
    {10005, ERR_UNAVAILABLE}, /* no suitable peers for placement */
    {10008, ERR_UNAVAILABLE}, /* JetStream system temporarily unavailable */
    {10049, ERR_UNAVAILABLE}, /* error creating store for stream */
    {10039, ERR_DENIED},      /* JetStream not enabled for the account */
};

int
nats_api_check(const json_t *reply, const char *what, int *ret_code, struct err *err)
{
	const json_t *e = json_object_get(reply, "error");
	enum err_kind kind = ERR_INTERNAL;

	if (ret_code)
		*ret_code = 0;
	if (!e)
		return 0;
	int http = (int)json_integer_value(json_object_get(e, "code"));
	int code = (int)json_integer_value(json_object_get(e, "err_code"));
	const char *text = json_string_value(json_object_get(e, "description"));
	if (http == 404)
		kind = ERR_NOT_FOUND;
	else if (http == 400)
		kind = ERR_INVALID;
	else if (http == 503)
		kind = ERR_UNAVAILABLE;
	for (size_t i = 0; i < COUNT_OF(api_errors); i++) {
		if (api_errors[i].code == code)
			kind = api_errors[i].kind;
	}
	if (ret_code)
		*ret_code = code;
	return err_set(err, kind, "%s: %s (JetStream error %d)", what, text ? text : "", code);
}

int
nats_api_call(struct nats_bus *b, const char *subject, const json_t *request, json_t **ret_reply,
    int *ret_code, struct err *err)
{
	char *body = request ? json_dumps(request, JSON_COMPACT) : NULL;
	struct bus_out out = {.subject = subject, .data = body, .size = body ? strlen(body) : 0};
	struct bus_msg *answer = NULL;
	json_error_t syntax;

	if (ret_code)
		*ret_code = 0;
	int rc = nats_core_request(&b->base, &out, NATS_API_TIMEOUT_MS, &answer, err);
	free(body);
	if (rc) {
		if (err->kind == ERR_UNAVAILABLE)
			err_hint(
			    err, "is JetStream enabled for this account, and has it a leader?");
		return -1;
	}
	json_t *reply = json_loadb(bus_msg_data(answer), bus_msg_size(answer), 0, &syntax);
	bus_msg_free(answer);
	if (!reply)
		return err_set(err, ERR_INTERNAL, "%s: the answer is not JSON", subject);
	if (nats_api_check(reply, subject, ret_code, err)) {
		json_decref(reply);
		return -1;
	}
	*ret_reply = reply;
	return 0;
}
