/* host_verbs: one row per verb of fl.req.<host>.<verb>. */
#ifndef HOST_VERBS_H
#define HOST_VERBS_H

#include <stddef.h>
#include <protobuf-c/protobuf-c.h>

#include "compiler.h"

struct arena;
struct err;
struct hub;
struct store;

struct host_call {
	struct hub *hub;
	struct store *store;
	struct arena *arena;
	const char *host_id; /* from the subject: the identity */
};

struct host_verb {
	const char *name;
	const ProtobufCMessageDescriptor *question;
	/* *ret_answer lives in call->arena. */
	int (*handle)(const struct host_call *call, const ProtobufCMessage *question,
	    ProtobufCMessage **ret_answer, struct err *err);
};
extern const struct host_verb host_verbs[];
extern const size_t host_verb_count;

int handle_hello(const struct host_call *call, const ProtobufCMessage *question,
    ProtobufCMessage **ret_answer, struct err *err);
int handle_sync(const struct host_call *call, const ProtobufCMessage *question,
    ProtobufCMessage **ret_answer, struct err *err);

#endif
