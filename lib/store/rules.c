#include "rules.h"

#include <stdlib.h>

#include "arena.h"
#include "err.h"

#define UNKNOWN_NAMED 8

static struct rules_ruling
rule_same_journal(const struct rules_host *now, const struct store_hello *h)
{
	if (now->state == HOST_RETIRED)
		return (struct rules_ruling){
		    .verdict = STORE_HELLO_RETIRED, .reason = "the host was removed"};
	if (h->start_no < now->start_no)
		return (struct rules_ruling){.verdict = STORE_HELLO_STALE,
		    .reason = "a newer start of this agent said hello"};
	if (h->start_no == now->start_no && !id_equal(&h->instance_id, &now->instance_id))
		return (struct rules_ruling){.verdict = STORE_HELLO_STALE,
		    .reason = "another process with this journal and start said hello"};
	if (h->start_no == now->start_no && h->hello_no < now->hello_no)
		return (struct rules_ruling){.verdict = STORE_HELLO_ACCEPTED, .late = true};
	return (struct rules_ruling){.verdict = STORE_HELLO_ACCEPTED,
	    .raise_epoch = h->start_no != now->start_no || now->epoch <= now->term_floor};
}

static struct rules_ruling
rule_identity(const struct rules_host *now, const struct store_hello *h)
{
	if (!now->exists)
		return (struct rules_ruling){.verdict = STORE_HELLO_ACCEPTED, .raise_epoch = true};
	if (id_equal(&h->journal_id, &now->journal_id))
		return rule_same_journal(now, h);
	if (now->journal_superseded)
		return (struct rules_ruling){.verdict = STORE_HELLO_STALE,
		    .reason = "this journal was superseded by a newer one"};
	if (h->ticket != now->epoch)
		return (struct rules_ruling){.verdict = STORE_HELLO_TICKET};
	return (struct rules_ruling){
	    .verdict = STORE_HELLO_ACCEPTED, .new_journal = true, .raise_epoch = true};
}

/* Who it is comes before what it wants: old news are stale whatever pool they name. */
struct rules_ruling
rules_hello(const struct rules_host *now, const struct store_hello *h)
{
	struct rules_ruling ruling = rule_identity(now, h);

	if (ruling.verdict == STORE_HELLO_ACCEPTED && !ruling.late && now->exists &&
	    !now->same_pool && now->has_executors)
		return (struct rules_ruling){.verdict = STORE_HELLO_REJECTED,
		    .reason = "a host changes its pool only without executors"};
	return ruling;
}

const char *
rules_hello_event(const struct rules_host *now, const struct rules_ruling *ruling)
{
	return ruling->new_journal        ? "new journal"
	       : ruling->raise_epoch      ? "agent started"
	       : now->state != HOST_READY ? "back"
					  : "";
}

static int
absent_order(const void *a, const void *b)
{
	const struct store_absent *x = a, *y = b;

	return id_compare(&x->executor_id, &y->executor_id);
}

void
rules_absent_sort(struct store_absent *rows, size_t n)
{
	if (n > 0)
		qsort(rows, n, sizeof(*rows), absent_order);
}

const char *
rules_unknown_event(const struct store_absent *rows, size_t n, struct arena *a)
{
	char *text = arena_printf(a, "%zu executors the cell does not know:", n);
	char hex[ID_HEX_BYTES];

	for (size_t i = 0; text && i < n && i < UNKNOWN_NAMED; i++)
		text = arena_printf(a, "%s %s", text, id_to_hex(&rows[i].executor_id, hex));
	if (text && n > UNKNOWN_NAMED)
		text = arena_printf(a, "%s and others", text);
	return text;
}

int
rules_reports_check(const struct report *reports, size_t n, struct err *err)
{
	char hex[ID_HEX_BYTES];

	for (size_t i = 0; i < n; i++) {
		/* The edge from PLACED says who may write a state: every host state is above it. */
		if (reports[i].state != EXECUTOR_NONE &&
		    !executor_edge_allowed(EXECUTOR_PLACED, reports[i].state, STATE_WRITER_HOST))
			return err_field(err, ERR_INVALID, "executors.state",
			    "a host cannot report state %d (executor %s)", (int)reports[i].state,
			    id_to_hex(&reports[i].executor_id, hex));
	}
	return 0;
}

const char *
rules_outcome(const struct report *n, struct arena *a)
{
	if (!executor_state_ended(n->state))
		return "";
	if (n->signal > 0)
		return arena_printf(a, "%s, signal %d", executor_state_text(n->state), n->signal);
	return arena_printf(a, "%s, exit %d", executor_state_text(n->state), n->exit_code);
}
