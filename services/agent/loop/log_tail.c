/* log_tail: the newest output of an executor, asked for over fl.io.<host>.<channel>.ctl. */
#include <stdlib.h>

#include "courier.h"
#include "err.h"
#include "host_private.h"
#include "log.h"

/* Without a record the executor was forgotten; a driver may still keep its output for a while. */
static int
read_forgotten(struct host *h, const struct id *id, Fairlead__V1__LogTailAnswer *answer,
    size_t size, struct err *err)
{
	for (size_t i = 0; i < h->drivers.count; i++) {
		if (h->drivers.handles[i] &&
		    drivers_logs(&h->drivers, h->drivers.ops[i]->name, id, answer->data.data, size,
			&answer->data.len, &answer->total_bytes, err) == 0)
			return 0;
	}
	return err_field(
	    err, ERR_NOT_FOUND, "executor_id", "this host does not have its output (any more)");
}

static int
read_tail(struct host *h, const Fairlead__V1__LogTailRequest *request,
    Fairlead__V1__LogTailAnswer *answer, uint8_t *buffer, struct err *err)
{
	size_t size = request->bytes_max && request->bytes_max < DRIVER_LOG_TAIL_BYTES
			  ? request->bytes_max
			  : DRIVER_LOG_TAIL_BYTES;
	const struct record *record;
	struct id id;

	if (wire_id(&request->executor_id, "executor_id", &id, err) < 0)
		return -1;
	answer->data.data = buffer;
	record = agent_record(h->agent, &id);
	if (!record)
		return read_forgotten(h, &id, answer, size, err);
	return drivers_logs(&h->drivers, record->driver, &id, buffer, size, &answer->data.len,
	    &answer->total_bytes, err);
}

void
log_tail_answer(struct host *h, const struct bus_msg *m)
{
	struct arena *arena = h->shared->arena;
	Fairlead__V1__LogTailAnswer answer = FAIRLEAD__V1__LOG_TAIL_ANSWER__INIT;
	Fairlead__V1__Error error = FAIRLEAD__V1__ERROR__INIT;
	ProtobufCMessage *request = NULL;
	uint8_t *buffer = malloc(DRIVER_LOG_TAIL_BYTES);
	struct err err;
	int result = -1;

	err_clear(&err);
	if (!buffer)
		(void)err_set(&err, ERR_LIMIT, "no memory");
	else if (courier_decode(
		     m, &fairlead__v1__log_tail_request__descriptor, arena, &request, &err) == 0)
		result = read_tail(
		    h, (const Fairlead__V1__LogTailRequest *)request, &answer, buffer, &err);
	if (result < 0) {
		answer.data.len = 0;
		error.kind = (char *)(uintptr_t)err_row(err.kind)->name;
		error.message = err.text;
		error.field = err.field;
		error.hint = err.hint;
		answer.error = &error;
	}
	if (courier_respond(link_bus(h->options.link), m, &answer.base,
		wire_encoding_of(
		    bus_msg_header(m, "Content-Type"), bus_msg_data(m), bus_msg_size(m)),
		arena, &err) < 0 &&
	    !h->shared->quiet)
		log_warn("logs.not_answered", LOG_ERR(&err));
	free(buffer);
}
