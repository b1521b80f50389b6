/* cmd_session_change: session scale, undo, resume. */
#include "declare.h"

int
cmd_session_scale(struct cli *c, int argc, char **argv)
{
	struct args args = {.usage = "SESSION REPLICAS", .min = 2, .max = 2};
	Fairlead__V1__SessionScaleRequest q = FAIRLEAD__V1__SESSION_SCALE_REQUEST__INIT;
	uint64_t replicas;

	if (args_parse(c, argc, argv, &args, NULL, NULL, NULL) != 0)
		return CLI_EXIT_USAGE;
	q.name = args.words[0];
	if (args_number("REPLICAS", args.words[1], 0, declare_most("replicas"), &replicas) != 0)
		return CLI_EXIT_USAGE;
	q.replicas = (uint32_t)replicas;
	return cli_ask(c, "session", "scale", &q.base,
	    &fairlead__v1__session_scale_answer__descriptor, "session %s: %u executors\n", q.name,
	    q.replicas);
}

int
cmd_session_undo(struct cli *c, int argc, char **argv)
{
	struct args args = {.usage = "SESSION", .min = 1, .max = 1};
	Fairlead__V1__SessionUndoRequest q = FAIRLEAD__V1__SESSION_UNDO_REQUEST__INIT;

	if (args_parse(c, argc, argv, &args, NULL, NULL, NULL) != 0)
		return CLI_EXIT_USAGE;
	q.name = args.words[0];
	return cli_ask(c, "session", "undo", &q.base,
	    &fairlead__v1__session_undo_answer__descriptor,
	    "session %s goes back to the template before\n", q.name);
}

int
cmd_session_resume(struct cli *c, int argc, char **argv)
{
	struct args args = {.usage = "SESSION", .min = 1, .max = 1};
	Fairlead__V1__SessionResumeRequest q = FAIRLEAD__V1__SESSION_RESUME_REQUEST__INIT;

	if (args_parse(c, argc, argv, &args, NULL, NULL, NULL) != 0)
		return CLI_EXIT_USAGE;
	q.name = args.words[0];
	return cli_ask(c, "session", "resume", &q.base,
	    &fairlead__v1__session_resume_answer__descriptor, "session %s: the rollout goes on\n",
	    q.name);
}
