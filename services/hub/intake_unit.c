#include "intake_unit.h"

#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "bus.h"
#include "courier.h"
#include "err.h"
#include "name.h"
#include "subjects.h"

#include "fairlead/v1/host.pb-c.h"

#define UNIT_ARENA_BYTES_MAX (64u * 1024 * 1024)
#define REASON_BYTES_MAX 64
#define DETAIL_BYTES_MAX 256

struct intake_unit *
intake_unit_new(size_t transitions_max)
{
	struct intake_unit *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->raw_max = transitions_max + INTAKE_REPORTS_PER_MESSAGE;
	u->msg_max = transitions_max;
	u->arena = arena_new(UNIT_ARENA_BYTES_MAX);
	if (u->arena) {
		u->msgs = arena_calloc(u->arena, u->msg_max, sizeof(struct bus_msg *));
		u->first = arena_calloc(u->arena, u->msg_max + 1, sizeof(size_t));
		u->raw = arena_calloc(u->arena, u->raw_max, sizeof(*u->raw));
		u->folded = arena_calloc(u->arena, u->raw_max, sizeof(*u->folded));
	}
	if (!u->arena || !u->msgs || !u->first || !u->raw || !u->folded) {
		intake_unit_free(u);
		return NULL;
	}
	return u;
}

void
intake_unit_free(struct intake_unit *u)
{
	if (!u)
		return;
	for (size_t i = 0; i < u->msg_count; i++)
		bus_msg_free(u->msgs[i]);
	arena_free(u->arena);
	free(u);
}

/* States only the control plane may observe are not a host's to report. */
static int
check_state(const Fairlead__V1__ExecutorReport *r, struct err *err)
{
	enum executor_state state = (enum executor_state)r->state;

	if (state == EXECUTOR_NONE)
		return 0;
	for (size_t i = 0; i < executor_states_count; i++) {
		if (executor_states[i].state == state &&
		    executor_states[i].writer == STATE_WRITER_HOST)
			return 0;
	}
	return err_field(
	    err, ERR_INVALID, "executors.state", "a host cannot report state %d", (int)r->state);
}

static int
report_from_wire(const Fairlead__V1__ExecutorReport *r, const char *host_id,
    const struct id *journal_id, struct report *ret, struct err *err)
{
	if (check_state(r, err) != 0)
		return -1;
	if (r->accepted_generation > INT64_MAX || r->gone_generation > INT64_MAX ||
	    r->incarnation > INT32_MAX)
		return err_field(err, ERR_INVALID, "executors.generation", "out of range");
	if (strlen(r->reason) > REASON_BYTES_MAX || strlen(r->detail) > DETAIL_BYTES_MAX)
		return err_field(err, ERR_LIMIT, "executors.reason",
		    "a reason has at most %d bytes, a detail %d", REASON_BYTES_MAX,
		    DETAIL_BYTES_MAX);
	*ret = (struct report){.host_id = host_id,
	    .journal_id = *journal_id,
	    .accepted_generation = r->accepted_generation,
	    .gone_generation = r->gone_generation,
	    .incarnation = r->incarnation,
	    .state = (enum executor_state)r->state,
	    .started = r->started,
	    .oom = r->oom,
	    .exit_code = r->exit_code,
	    .signal = r->signal,
	    .reason = r->reason,
	    .detail = r->detail,
	    .starting_after_us = r->starting_after_us,
	    .running_after_us = r->running_after_us,
	    .ended_after_us = r->ended_after_us};
	return wire_id(&r->executor_id, "executors.executor_id", &ret->executor_id, err);
}

static int
message_check(const char *prefix, const struct bus_msg *m, const Fairlead__V1__Report *body,
    struct subject_match *ret_match, struct err *err)
{
	if (subject_parse(prefix, bus_msg_subject(m), ret_match, err) != 0)
		return -1;
	if (ret_match->subject != SUBJECT_RPT)
		return err_set(err, ERR_INVALID, "not a report subject: %s", bus_msg_subject(m));
	if (name_check(ret_match->tokens[0], "host", err) != 0)
		return -1;
	if (strcmp(body->host_id, ret_match->tokens[0]) != 0)
		return err_field(err, ERR_DENIED, "host_id",
		    "the body names host %.64s, the subject %s", body->host_id,
		    ret_match->tokens[0]);
	if (body->n_executors > INTAKE_REPORTS_PER_MESSAGE)
		return err_field(err, ERR_LIMIT, "executors",
		    "%zu reports in one message, at most %d", body->n_executors,
		    INTAKE_REPORTS_PER_MESSAGE);
	return 0;
}

int
intake_unit_add_take(struct intake_unit *u, const char *prefix, struct bus_msg *m, struct err *err)
{
	struct subject_match match;
	const Fairlead__V1__Report *body;
	const char *host_id;
	ProtobufCMessage *decoded;
	struct id journal_id;

	if (u->msg_count == u->msg_max)
		return err_set(err, ERR_LIMIT, "the unit is full");
	if (bus_msg_size(m) > subject_row(SUBJECT_RPT)->max_bytes)
		return err_set(err, ERR_LIMIT, "a report of %zu bytes, at most %zu",
		    bus_msg_size(m), (size_t)subject_row(SUBJECT_RPT)->max_bytes);
	u->tries++;
	if (courier_decode(m, &fairlead__v1__report__descriptor, u->arena, &decoded, err) != 0)
		return -1;
	body = (const Fairlead__V1__Report *)decoded;
	if (message_check(prefix, m, body, &match, err) != 0 ||
	    wire_id(&body->journal_id, "journal_id", &journal_id, err) != 0)
		return -1;
	host_id = arena_strdup(u->arena, match.tokens[0]);
	if (!host_id || u->raw_count + body->n_executors > u->raw_max)
		return err_set(err, ERR_LIMIT, "no room for %zu reports", body->n_executors);
	for (size_t i = 0; i < body->n_executors; i++) {
		if (report_from_wire(body->executors[i], host_id, &journal_id,
			&u->raw[u->raw_count + i], err) != 0)
			return -1;
	}
	u->msgs[u->msg_count] = m;
	u->first[u->msg_count] = u->raw_count;
	u->raw_count += body->n_executors;
	u->msg_count++;
	u->first[u->msg_count] = u->raw_count;
	return 0;
}

void
intake_unit_fold(struct intake_unit *u, size_t first_msg, size_t n)
{
	size_t from = u->first[first_msg], to = u->first[first_msg + n];

	if (to > from)
		memcpy(u->folded, u->raw + from, (to - from) * sizeof(*u->raw));
	u->folded_count = report_fold_batch(u->folded, to - from, NULL);
}
