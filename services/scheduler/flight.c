#include "flight.h"

#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "clock.h"
#include "codec.h"
#include "command.h"
#include "courier.h"
#include "err.h"
#include "mutant.h"
#include "store.h"
#include "subjects.h"

#include "fairlead/v1/host.pb-c.h"

/* Everything in the arena; msg_id and subject too. */
static int
flight_encode(struct flight *f, const struct store_message *m, const char *prefix,
    int64_t cp_now_us, struct err *err)
{
	Fairlead__V1__Command command = FAIRLEAD__V1__COMMAND__INIT;
	Fairlead__V1__Signature unsigned_yet = FAIRLEAD__V1__SIGNATURE__INIT;
	struct id msg_id = m->resend && !MUTANT(sweep_same_msg_id) ? id_new() : m->message_id;
	char subject[SUBJECT_BYTES], hex[ID_HEX_BYTES];
	struct courier_message message = {.message = &command.base};

	command.signature = &unsigned_yet;
	command.message_id = wire_bytes_of_id(&m->message_id, f->arena);
	command.host_id = arena_strdup(f->arena, m->host_id);
	command.host_seq = m->host_seq;
	command.cp_now_us = cp_now_us;
	command.journal_id = wire_bytes_of_id(&m->journal_id, f->arena);
	command.items = arena_calloc(f->arena, m->item_count + 1, sizeof(*command.items));
	message.host = command.host_id;
	message.msg_id = arena_strdup(f->arena, id_to_hex(&msg_id, hex));
	message.subject =
	    arena_strdup(f->arena, subject_build(subject, prefix, SUBJECT_CMD, m->host_id));
	message.encoding = strcmp(m->encoding, "json") == 0 ? WIRE_JSON : WIRE_PROTOBUF;
	if (!command.host_id || !command.items || !message.msg_id || !message.subject)
		return err_set(err, ERR_LIMIT, "no memory for a command");
	for (size_t i = 0; i < m->item_count; i++) {
		if (command_item_encode(&m->items[i], f->arena, &command.items[i], err) != 0)
			return -1;
	}
	command.n_items = m->item_count;
	return courier_encode(&message, f->arena, &f->out, err);
}

int
flight_new(const struct store_message *m, const char *prefix, int64_t cp_now_us,
    struct flight **ret, struct err *err)
{
	struct flight *f = calloc(1, sizeof(*f));

	if (!f)
		return err_set(err, ERR_LIMIT, "no memory for a command");
	f->message_id = m->message_id;
	f->commands = m->item_count;
	f->resend = m->resend;
	f->begun_us = clock_mono_us(clock_system());
	f->arena = arena_new(0);
	if (!f->arena) {
		flight_free(f);
		return err_set(err, ERR_LIMIT, "no memory for a command");
	}
	if (flight_encode(f, m, prefix, cp_now_us, err) != 0) {
		flight_free(f);
		return -1;
	}
	*ret = f;
	return 0;
}

void
flight_free(struct flight *f)
{
	if (!f)
		return;
	arena_free(f->arena);
	free(f);
}
