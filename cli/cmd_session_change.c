/* cmd_session_change: session scale, undo, resume. */
#include <stdio.h>

#include "declare.h"

static int
changed(struct cli *c, const char *verb, const ProtobufCMessage *q,
    const ProtobufCMessageDescriptor *answer, ProtobufCMessage **ret)
{
	struct err err = {0};

	if (cli_call(c, "session", verb, q, answer, ret, &err) != 0)
		return cli_fail(&err);
	return 0;
}

int
cmd_session_scale(struct cli *c, int argc, char **argv)
{
	struct args args = {.usage = "SESSION REPLICAS", .min = 2, .max = 2};
	Fairlead__V1__SessionScaleRequest q = FAIRLEAD__V1__SESSION_SCALE_REQUEST__INIT;
	ProtobufCMessage *m = NULL;
	uint64_t replicas;
	int code;

	if (args_parse(c, argc, argv, &args, NULL, NULL, NULL) != 0)
		return CLI_EXIT_USAGE;
	q.name = args.words[0];
	if (args_number("REPLICAS", args.words[1], 0, declare_most("replicas"), &replicas) != 0)
		return CLI_EXIT_USAGE;
	q.replicas = (uint32_t)replicas;
	code = changed(c, "scale", &q.base, &fairlead__v1__session_scale_answer__descriptor, &m);
	if (code != 0)
		return code;
	if (c->output != CLI_TABLE)
		return cli_print(c, m);
	printf("session %s: %u executors\n", q.name, q.replicas);
	return 0;
}

int
cmd_session_undo(struct cli *c, int argc, char **argv)
{
	struct args args = {.usage = "SESSION", .min = 1, .max = 1};
	Fairlead__V1__SessionUndoRequest q = FAIRLEAD__V1__SESSION_UNDO_REQUEST__INIT;
	ProtobufCMessage *m = NULL;
	int code;

	if (args_parse(c, argc, argv, &args, NULL, NULL, NULL) != 0)
		return CLI_EXIT_USAGE;
	q.name = args.words[0];
	code = changed(c, "undo", &q.base, &fairlead__v1__session_undo_answer__descriptor, &m);
	if (code != 0)
		return code;
	if (c->output != CLI_TABLE)
		return cli_print(c, m);
	printf("session %s goes back to the template before\n", q.name);
	return 0;
}

int
cmd_session_resume(struct cli *c, int argc, char **argv)
{
	struct args args = {.usage = "SESSION", .min = 1, .max = 1};
	Fairlead__V1__SessionResumeRequest q = FAIRLEAD__V1__SESSION_RESUME_REQUEST__INIT;
	ProtobufCMessage *m = NULL;
	int code;

	if (args_parse(c, argc, argv, &args, NULL, NULL, NULL) != 0)
		return CLI_EXIT_USAGE;
	q.name = args.words[0];
	code = changed(c, "resume", &q.base, &fairlead__v1__session_resume_answer__descriptor, &m);
	if (code != 0)
		return code;
	if (c->output != CLI_TABLE)
		return cli_print(c, m);
	printf("session %s: the rollout goes on\n", q.name);
	return 0;
}
