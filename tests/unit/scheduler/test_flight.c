/* flight: what of a committed message reaches the wire. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "bus.h"
#include "clock.h"
#include "codec.h"
#include "courier.h"
#include "err.h"
#include "flight.h"
#include "store.h"

#include "fairlead/v1/host.pb-c.h"

#define CP_NOW_US INT64_C(1700000000000000)

/* Two items: an executor to stop, one to forget. */
static struct store_message
message_of(struct store_item items[2])
{
	items[0] = (struct store_item){.executor_id = id_new(),
	    .generation = 3,
	    .host_seq = 41,
	    .desired = DESIRED_STOP,
	    .session = "web",
	    .index = 1,
	    .attempt = 2,
	    .stop_grace_ms = 700};
	items[1] = (struct store_item){.executor_id = id_new(),
	    .generation = 4,
	    .host_seq = 42,
	    .desired = DESIRED_ABSENT,
	    .session = "web",
	    .attempt = 1};
	return (struct store_message){.message_id = id_new(),
	    .host_id = "h1",
	    .encoding = "protobuf",
	    .journal_id = id_new(),
	    .host_seq = 42,
	    .items = items,
	    .item_count = 2};
}

/* Sends it over a bus, as the host would get it. */
static void
take(void *arg, const struct bus_msg *m)
{
	*(struct bus_msg **)arg = bus_msg_copy(m);
}

static Fairlead__V1__Command *
received(const struct flight *f, struct arena *a)
{
	CLEANUP(bus_free) struct bus *b = bus_memory_new(clock_system(), true);
	CLEANUP(bus_msg_free) struct bus_msg *got = NULL;
	struct bus_sub *sub;
	ProtobufCMessage *command;
	struct err err;

	assert_int_equal(bus_subscribe(b, "other.cmd.h1", NULL, 0, take, &got, &sub, &err), 0);
	assert_int_equal(bus_publish(b, &f->out, &err), 0);
	while (bus_memory_step(b))
		;
	bus_unsubscribe(sub);
	assert_non_null(got);
	assert_int_equal(
	    courier_decode(got, &fairlead__v1__command__descriptor, a, &command, &err), 0);
	return (Fairlead__V1__Command *)command;
}

static void
a_host_reads_what_was_committed_in_either_encoding(void **state)
{
	static const char *const encodings[] = {"protobuf", "json"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(encodings); i++) {
		CLEANUP(arena_free) struct arena *a = arena_new(0);
		struct store_item items[2];
		struct store_message m = message_of(items);
		Fairlead__V1__Command *c;
		struct flight *f;
		struct err err;

		m.encoding = encodings[i];
		assert_int_equal(flight_new(&m, "other", CP_NOW_US, &f, &err), 0);
		assert_true(id_equal(&f->message_id, &m.message_id));
		c = received(f, a);
		assert_memory_equal(c->message_id.data, m.message_id.bytes, 16);
		assert_memory_equal(c->journal_id.data, m.journal_id.bytes, 16);
		assert_string_equal(c->host_id, "h1");
		assert_int_equal(c->host_seq, 42);
		assert_int_equal(c->cp_now_us, CP_NOW_US);
		assert_non_null(c->signature);
		assert_int_equal(c->n_items, 2);
		assert_memory_equal(c->items[0]->executor_id.data, items[0].executor_id.bytes, 16);
		assert_int_equal(c->items[0]->generation, 3);
		assert_int_equal(c->items[0]->host_seq, 41);
		assert_int_equal(c->items[0]->desired, FAIRLEAD__V1__DESIRED__STOP);
		assert_int_equal(c->items[0]->stop_grace_ms, 700);
		assert_int_equal(c->items[1]->desired, FAIRLEAD__V1__DESIRED__ABSENT);
		flight_free(f);
	}
}

static void
the_first_send_carries_the_id_of_the_outbox_row_K10(void **state)
{
	struct store_item items[2];
	struct store_message m = message_of(items);
	char hex[ID_HEX_BYTES];
	struct flight *f;
	struct err err;

	(void)state;
	assert_int_equal(flight_new(&m, "fl", CP_NOW_US, &f, &err), 0);
	assert_string_equal(f->out.subject, "fl.cmd.h1");
	assert_string_equal(f->out.msg_id, id_to_hex(&m.message_id, hex));
	flight_free(f);
}

static void
a_resend_has_a_fresh_msg_id_and_its_old_number_K10(void **state)
{
	CLEANUP(arena_free) struct arena *a = arena_new(0);
	struct store_item items[2];
	struct store_message m = message_of(items);
	char hex[ID_HEX_BYTES];
	struct flight *first, *second;
	struct err err;

	(void)state;
	m.resend = true;
	assert_int_equal(flight_new(&m, "other", CP_NOW_US, &first, &err), 0);
	assert_int_equal(flight_new(&m, "other", CP_NOW_US, &second, &err), 0);
	assert_string_not_equal(first->out.msg_id, id_to_hex(&m.message_id, hex));
	assert_string_not_equal(first->out.msg_id, second->out.msg_id);
	assert_true(id_equal(&second->message_id, &m.message_id));
	assert_int_equal(received(second, a)->host_seq, 42);
	flight_free(first);
	flight_free(second);
}

static void
a_stored_spec_that_does_not_decode_is_refused(void **state)
{
	static const uint8_t garbage[] = {0xff, 0xff, 0xff, 0xff, 0xff};
	struct store_item items[2];
	struct store_message m = message_of(items);
	struct flight *f = NULL;
	struct err err;

	(void)state;
	items[0].desired = DESIRED_RUN;
	items[0].spec_body = garbage;
	items[0].spec_size = sizeof(garbage);
	assert_int_equal(flight_new(&m, "fl", CP_NOW_US, &f, &err), -1);
	assert_int_equal(err.kind, ERR_INVALID);
	assert_null(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_host_reads_what_was_committed_in_either_encoding),
	    cmocka_unit_test(the_first_send_carries_the_id_of_the_outbox_row_K10),
	    cmocka_unit_test(a_resend_has_a_fresh_msg_id_and_its_old_number_K10),
	    cmocka_unit_test(a_stored_spec_that_does_not_decode_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
