/* event_message: a numbered event as a message of FL_EVENTS, and what such a message says. */
#ifndef EVENT_MESSAGE_H
#define EVENT_MESSAGE_H

#include <stdint.h>

#include "compiler.h"

struct arena;
struct bus_msg;
struct bus_out;
struct err;
struct store_event;

/* JSON, on fl.evt.<noun>.<about>: the first word of its kind, and the session, or the host where
 * there is none or the event is the host's.  The same event has the same Msg-Id, always. after_seq:
 * the stream takes it only as the next one.  Parts live in the arena. */
MUST_USE int event_message_encode(const struct store_event *row, const char *prefix,
    uint64_t after_seq, struct arena *arena, struct bus_out *ret, struct err *err);
/* 0: it is no event of ours. */
uint64_t event_message_cursor(const struct bus_msg *m);

#endif
