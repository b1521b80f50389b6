/* effects: what a step wants done, in order.  The list owns everything its rows point at. */
#ifndef EFFECTS_H
#define EFFECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"
#include "fairlead/v1/host.pb-c.h"
#include "id.h"

struct arena;

enum agent_effect_type {
	AGENT_SEND_HELLO,     /* request on fl.req.<host>.hello; the answer is an event */
	AGENT_SEND_SYNC,      /* request on fl.req.<host>.sync */
	AGENT_SEND_HEARTBEAT, /* fl.hb.<host>, no reply; the loop adds load, rtt, server */
	AGENT_SEND_REPORT,    /* fl.rpt.<host>; AGENT_REPORT_ACK must follow, stored or not */
	AGENT_DRIVER_START,
	AGENT_DRIVER_STOP,
	AGENT_DRIVER_DESTROY,
	AGENT_EXIT, /* the process ends with exit_code */
	AGENT_NOTE, /* something a person should find in the log */
};

struct agent_effect {
	enum agent_effect_type type;
	union {
		Fairlead__V1__Hello *hello;
		Fairlead__V1__SyncRequest *sync;
		Fairlead__V1__Heartbeat *heartbeat;
		struct {
			Fairlead__V1__Report *message;
			uint64_t counter;
			const char *msg_id; /* instance:counter (K18) */
		} report;
		struct {
			struct id executor_id;
			const char *driver, *name;
			uint32_t incarnation, grace_ms;
			/* start: decoded, NULL when the record's spec cannot be read */
			const Fairlead__V1__ExecutorSpec *spec;
		} executor;
		int exit_code;
		struct {
			const char *event;
			struct id executor_id; /* zero: none */
			const char *detail;
			bool warning;
		} note;
	} u;
};

struct agent_effects {
	struct arena *arena;
	struct agent_effect *rows;
	size_t count, capacity;
};

/* -1: no memory. */
MUST_USE int effects_init(struct agent_effects *e);
void effects_reset(struct agent_effects *e);
void effects_done(struct agent_effects *e);
/* A zeroed row of the type; ends the process when there is no memory for a few hundred bytes. */
struct agent_effect *effects_add(struct agent_effects *e, enum agent_effect_type type);
/* Zeroed memory that lives as long as the rows. */
void *effects_alloc(struct agent_effects *e, size_t size);
/* Copies that protobuf-c fields may point at. */
ProtobufCBinaryData effects_id(struct agent_effects *e, const struct id *id);
char *effects_copy(struct agent_effects *e, const char *text);
const char *effects_text(struct agent_effects *e, const char *format, ...) PRINTF(2, 3);

#endif
