/* The contract of streams: what is stored, and once. */
#include "contract.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "wait.h"

static void
a_repeated_message_id_is_stored_once_K10(void **state)
{
	struct rig *rig = *state;
	const struct bus_stream s = {
	    .name = "DEDUPE", .subjects = {"dedupe.*"}, .duplicate_window_s = 600};
	struct bus_stream_state info;
	struct err err;

	ensure(rig, &s);
	struct bus_ack first = store(rig, "dedupe.a", "1", "id-1");
	struct bus_ack again = store(rig, "dedupe.a", "1", "id-1");
	struct bus_ack other = store(rig, "dedupe.a", "1", "id-2");
	assert_false(first.duplicate);
	assert_true(again.duplicate);
	assert_int_equal(again.stream_seq, first.stream_seq);
	assert_false(other.duplicate);
	assert_int_equal(other.stream_seq, first.stream_seq + 1);
	assert_ok(bus_stream_state(rig->bus, "DEDUPE", &info, &err));
	assert_int_equal(info.messages, 2);
	assert_int_equal(info.last_seq, other.stream_seq);
	drop(rig, "DEDUPE");
}

/* Publishes as the message that follows `after`. */
static int
store_after(struct rig *rig, const char *msg_id, const char *after, struct bus_ack *ret_ack,
    struct err *err)
{
	const struct bus_header expected = {BUS_HEADER_EXPECTED_LAST_SEQ, after};
	const struct bus_out out = {.subject = "row.a",
	    .data = msg_id,
	    .size = strlen(msg_id),
	    .headers = &expected,
	    .header_count = 1,
	    .msg_id = msg_id};

	return bus_js_publish(rig->bus, &out, WAIT_MS, ret_ack, err);
}

static void
a_message_out_of_its_row_is_a_conflict_G7(void **state)
{
	struct rig *rig = *state;
	const struct bus_stream s = {
	    .name = "ROW", .subjects = {"row.*"}, .duplicate_window_s = 600};
	struct bus_stream_state info;
	struct bus_ack ack;
	struct err err;

	ensure(rig, &s);
	assert_ok(store_after(rig, "one", "0", &ack, &err));
	assert_ok(store_after(rig, "two", "1", &ack, &err));
	assert_int_equal(ack.stream_seq, 2);
	/* What another appended already, and what would leave a hole. */
	assert_int_equal(store_after(rig, "late", "1", &ack, &err), -1);
	assert_int_equal(err.kind, ERR_CONFLICT);
	assert_int_equal(store_after(rig, "early", "3", &ack, &err), -1);
	assert_int_equal(err.kind, ERR_CONFLICT);
	/* A repetition is known by its id, wherever it says it belongs. */
	assert_ok(store_after(rig, "two", "1", &ack, &err));
	assert_true(ack.duplicate);
	assert_int_equal(ack.stream_seq, 2);
	assert_ok(bus_stream_state(rig->bus, "ROW", &info, &err));
	assert_int_equal(info.messages, 2);
	drop(rig, "ROW");
}

static void
a_stored_message_is_read_by_its_sequence(void **state)
{
	struct rig *rig = *state;
	const struct bus_stream s = {.name = "READ", .subjects = {"read.*"}};
	CLEANUP(bus_msg_free) struct bus_msg *m = NULL;
	struct bus_msg *none = NULL;
	struct err err;

	ensure(rig, &s);
	store(rig, "read.a", "first", "id-1");
	store(rig, "read.b", "second", "id-2");
	assert_ok(bus_stream_message(rig->bus, "READ", 2, &m, &err));
	assert_string_equal(bus_msg_subject(m), "read.b");
	assert_int_equal(bus_msg_size(m), strlen("second"));
	assert_memory_equal(bus_msg_data(m), "second", strlen("second"));
	assert_string_equal(bus_msg_header(m, "Nats-Msg-Id"), "id-2");
	assert_in_range(bus_msg_stored_us(m), clock_real_us(clock_system()) - 60 * SECOND_US,
	    clock_real_us(clock_system()) + SECOND_US);
	assert_int_equal(bus_stream_message(rig->bus, "READ", 3, &none, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	drop(rig, "READ");
	assert_int_equal(bus_stream_message(rig->bus, "READ", 1, &none, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
}

struct acks {
	atomic_uint calls, stored, duplicates, errors;
	_Atomic enum err_kind kind;
	unsigned want;
};

static void
on_ack(void *arg, const struct bus_ack *ack, const struct err *err)
{
	struct acks *a = arg;

	if (err) {
		atomic_store(&a->kind, err->kind);
		atomic_fetch_add(&a->errors, 1);
	} else if (ack->duplicate) {
		atomic_fetch_add(&a->duplicates, 1);
	} else {
		atomic_fetch_add(&a->stored, 1);
	}
	atomic_fetch_add(&a->calls, 1);
}

static bool
all_called(void *arg)
{
	struct acks *a = arg;

	return atomic_load(&a->calls) >= a->want;
}

static void
every_asynchronous_publish_is_answered_once_K10(void **state)
{
	struct rig *rig = *state;
	const struct bus_stream s = {
	    .name = "ASYNC", .subjects = {"async.*"}, .duplicate_window_s = 600};
	struct acks acks = {.want = 400};
	struct err err;
	char id[16];

	ensure(rig, &s);
	for (int i = 0; i < 400; i++) {
		struct bus_out out = {.subject = "async.x", .data = "x", .size = 1, .msg_id = id};

		snprintf(id, sizeof(id), "m-%d", i % 200);
		assert_ok(bus_js_publish_async(rig->bus, &out, on_ack, &acks, &err));
	}
	assert_true(test_wait_until(all_called, &acks, WAIT_MS));
	barrier(rig);
	assert_int_equal(atomic_load(&acks.calls), 400);
	assert_int_equal(atomic_load(&acks.stored), 200);
	assert_int_equal(atomic_load(&acks.duplicates), 200);
	drop(rig, "ASYNC");
}

static void
a_publish_that_no_stream_takes_is_unavailable_K12(void **state)
{
	struct rig *rig = *state;
	struct acks acks = {.want = 1};
	struct bus_out out = {.subject = "nostream.x", .data = "x", .size = 1};
	struct bus_ack ack;
	struct err err;

	assert_int_equal(bus_js_publish(rig->bus, &out, WAIT_MS, &ack, &err), -1);
	assert_int_equal(err.kind, ERR_UNAVAILABLE);
	assert_ok(bus_js_publish_async(rig->bus, &out, on_ack, &acks, &err));
	assert_true(test_wait_until(all_called, &acks, WAIT_MS));
	assert_int_equal(atomic_load(&acks.errors), 1);
	assert_int_equal(atomic_load(&acks.kind), ERR_UNAVAILABLE);
}

static void
a_message_above_the_limit_of_its_stream_is_refused(void **state)
{
	struct rig *rig = *state;
	const struct bus_stream s = {.name = "SMALL", .subjects = {"small.*"}, .max_msg_bytes = 16};
	struct bus_out out = {.subject = "small.x", .data = "0123456789abcdef0", .size = 17};
	struct bus_ack ack;
	struct err err;

	ensure(rig, &s);
	assert_int_equal(bus_js_publish(rig->bus, &out, WAIT_MS, &ack, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	store(rig, "small.x", "fits", NULL);
	drop(rig, "SMALL");
}

static void
a_republished_message_shows_a_gap_K11(void **state)
{
	struct rig *rig = *state;
	const struct bus_stream s = {.name = "CMD",
	    .subjects = {"t.cmd.*"},
	    .max_msgs_per_subject = 2,
	    .duplicate_window_s = 600,
	    .allow_direct = true,
	    .republish_source = "t.cmd.*",
	    .republish_destination = "t.live.{{wildcard(1)}}"};
	struct inbox in = INBOX;
	struct bus_sub *sub;
	struct bus_stream_state info;
	struct err err;

	ensure(rig, &s);
	assert_ok(bus_subscribe(rig->bus, "t.live.h1", NULL, 0, on_message, &in, &sub, &err));
	store(rig, "t.cmd.h1", "a", "c1");
	store(rig, "t.cmd.h2", "other", "c2");
	store(rig, "t.cmd.h1", "b", "c3");
	store(rig, "t.cmd.h1", "b", "c3"); /* a duplicate is not republished */
	store(rig, "t.cmd.h1", "c", "c4");
	inbox_wait(&in, 3);
	barrier(rig);
	assert_int_equal(inbox_count(&in), 3);
	assert_string_equal(bus_msg_subject(in.msgs[0]), "t.live.h1");
	assert_text(in.msgs[1], "b");
	assert_int_equal(bus_msg_stream_seq(in.msgs[0]), 1);
	assert_int_equal(bus_msg_last_seq(in.msgs[0]), 0);
	assert_int_equal(bus_msg_stream_seq(in.msgs[1]), 3);
	assert_int_equal(bus_msg_last_seq(in.msgs[1]), 1);
	assert_int_equal(bus_msg_stream_seq(in.msgs[2]), 4);
	assert_int_equal(bus_msg_last_seq(in.msgs[2]), 3);
	assert_string_equal(bus_msg_header(in.msgs[1], "Nats-Subject"), "t.cmd.h1");
	assert_string_equal(bus_msg_header(in.msgs[1], "Nats-Stream"), "CMD");
	assert_string_equal(bus_msg_header(in.msgs[1], "Nats-Msg-Id"), "c3");
	/* Two of h1 (the oldest went), one of h2. */
	assert_ok(bus_stream_state(rig->bus, "CMD", &info, &err));
	assert_int_equal(info.messages, 3);
	assert_int_equal(info.first_seq, 2);
	bus_unsubscribe(sub);
	inbox_done(&in);
	drop(rig, "CMD");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    BOTH(a_repeated_message_id_is_stored_once_K10),
	    BOTH(a_message_out_of_its_row_is_a_conflict_G7),
	    BOTH(a_stored_message_is_read_by_its_sequence),
	    BOTH(every_asynchronous_publish_is_answered_once_K10),
	    BOTH(a_publish_that_no_stream_takes_is_unavailable_K12),
	    BOTH(a_message_above_the_limit_of_its_stream_is_refused),
	    BOTH(a_republished_message_shows_a_gap_K11),
	};

	return cmocka_run_group_tests(tests, start_server, stop_server);
}
