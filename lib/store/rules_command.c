/* rules_command: which commands people may have said again, or need not look at any more (K8). */
#include <inttypes.h>
#include <string.h>

#include "arena.h"
#include "err.h"
#include "name.h"
#include "rules.h"

bool
rules_command_open(const struct store_command *c)
{
	switch (c->state) {
	case COMMAND_WRITTEN:
	case COMMAND_PUBLISHED:
		return true;
	case COMMAND_EXPIRED:
		return *c->settled == '\0' && c->successor == 0 &&
		       c->session_state != SESSION_CLOSED;
	case COMMAND_DEAD:
		return *c->settled == '\0' && c->generation == c->newest_generation &&
		       c->host_state != HOST_RETIRED;
	case COMMAND_ACCEPTED:
	case COMMAND_SUPERSEDED:
	default:
		return false;
	}
}

bool
rules_command_replayed(const struct store_command *c)
{
	return strcmp(c->settled, "replayed") == 0 ||
	       (c->state == COMMAND_EXPIRED && c->successor > 0);
}

/* The same executor gets the next generation: only of what cannot start anything. */
static const char *
dead_refused(const struct store_command *c, struct arena *a)
{
	if (c->host_state == HOST_RETIRED)
		return arena_printf(a, "host %s was removed: nobody listens there", c->host_id);
	if (c->generation < c->newest_generation)
		return arena_printf(
		    a, "generation %" PRIu64 " came after it", c->newest_generation);
	if (c->desired == DESIRED_RUN)
		return "its executor has ended: what follows is the session's to decide";
	return "";
}

/* Another attempt, and only when the one that expired cannot be running (K8). */
static const char *
expired_refused(const struct store_command *c, struct arena *a)
{
	if (c->session_state != SESSION_OPEN)
		return arena_printf(a, "session %s is closing or closed", c->session);
	if (!c->wanted)
		return arena_printf(
		    a, "session %s was scaled below index %u", c->session, c->index);
	if (!c->gone && !c->host_lost && c->host_state != HOST_RETIRED)
		return arena_printf(a,
		    "host %s may have taken it in time, and has not yet said that it is gone",
		    c->host_id);
	return "";
}

const char *
rules_replay_refused(const struct store_command *c, struct arena *a)
{
	if (rules_command_replayed(c))
		return "";
	if (strcmp(c->settled, "dropped") == 0)
		return arena_printf(a, "it was dropped by %s", c->settled_by);
	switch (c->state) {
	case COMMAND_WRITTEN:
	case COMMAND_PUBLISHED:
		return "it is on its way, and sent again until its host answers";
	case COMMAND_ACCEPTED:
		return "its host has it";
	case COMMAND_SUPERSEDED:
		return arena_printf(
		    a, "generation %" PRIu64 " came after it", c->newest_generation);
	case COMMAND_EXPIRED:
		return expired_refused(c, a);
	case COMMAND_DEAD:
		return dead_refused(c, a);
	default:
		return "its state is not known";
	}
}

int
rules_replay_check(const struct store_command *c, struct err *err)
{
	char name[COMMAND_NAME_BYTES];

	if (*c->refused == '\0')
		return 0;
	err_set(err, ERR_CONFLICT, "%s cannot be replayed: %s",
	    command_name_format(c->session, c->index, c->attempt, c->generation, name), c->refused);
	if (c->state == COMMAND_EXPIRED && c->session_state == SESSION_OPEN && c->wanted)
		return err_hint(
		    err, "when the host is certainly gone: `fairlead host lost --confirm`");
	return -1;
}

int
rules_drop_check(const struct store_command *c, struct err *err)
{
	char name[COMMAND_NAME_BYTES];

	command_name_format(c->session, c->index, c->attempt, c->generation, name);
	if (c->state != COMMAND_EXPIRED && c->state != COMMAND_DEAD)
		return err_set(err, ERR_CONFLICT,
		    "%s has neither expired nor died: there is nothing to drop", name);
	if (strcmp(c->settled, "replayed") == 0)
		return err_set(err, ERR_CONFLICT, "%s was replayed by %s", name, c->settled_by);
	return 0;
}
