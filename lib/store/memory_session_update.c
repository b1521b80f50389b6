/* memory_session_update: another spec for a session, drain marks: what hubs wish; see
 * pg_session_update and pg_drain. */
#include <stdio.h>

#include "arena.h"
#include "err.h"
#include "memory.h"

void
memory_policy_set(struct memory_session *s, const struct store_session_new *n)
{
	s->replicas = n->replicas;
	s->priority = n->priority;
	s->lost_after_ms = n->lost_after_ms;
	s->replace_lost = n->replace_lost;
	s->replace_after_ms = n->replace_after_ms;
	s->keep_replacement = n->keep_replacement;
	s->replace_failed = n->replace_failed;
	s->replacements_max = n->replacements_max;
	s->max_unavailable = n->max_unavailable;
}

void
memory_template_add(struct memory_session *s, const struct store_session_new *n)
{
	struct memory_template *t = memory_alloc(sizeof(*t));

	t->revision = s->revision;
	t->body = memory_alloc(n->executor_body_size + 1);
	memcpy(t->body, n->executor_body, n->executor_body_size);
	t->body_size = n->executor_body_size;
	t->driver = memory_text(n->driver);
	t->selector = memory_text(n->selector);
	t->needs = memory_text(n->needs);
	t->spread_by = memory_text(n->spread_by);
	t->apart_by = memory_text(n->apart_by);
	t->spread_skew = n->spread_skew;
	t->apart_max = n->apart_max;
	t->limits_required = n->limits_required;
	t->resources = n->resources;
	t->stop_grace_ms = n->stop_grace_ms;
	t->accept_timeout_ms = n->accept_timeout_ms;
	LL_PREPEND2(s->templates, t, older);
	s->template_revision = t->revision;
}

static int
update_check(const struct memory_session *s, const char *name, uint64_t revision, struct err *err)
{
	if (!s)
		return err_set(err, ERR_NOT_FOUND, "no session %s", name);
	if (s->state != SESSION_OPEN)
		return err_set(
		    err, ERR_CONFLICT, "session %s is %s", name, session_state_text(s->state));
	if (revision != 0 && s->revision != revision)
		return err_field(err, ERR_CONFLICT, "revision",
		    "session %s is at revision %llu, not %llu", name,
		    (unsigned long long)s->revision, (unsigned long long)revision);
	return 0;
}

static void
template_change(struct memory_cell *c, struct memory_session *s, const struct store_session_new *n)
{
	memory_text_set(&s->previous_spec_json, s->spec_json);
	memory_template_add(s, n);
	memory_text_set(&s->rollout_paused, "");
	s->rolling = true;
	s->rollout_since_us = c->now_us;
}

static void
reconcile_intent(struct memory_session *s)
{
	struct memory_intent *i = memory_alloc(sizeof(*i));

	i->session_id = s->session_id;
	i->kind = MEMORY_INTENT_RECONCILE;
	DL_APPEND(s->pool->intents, i);
}

int
memory_store_session_update(struct store *store, const struct store_session_new *n,
    uint64_t revision, bool template_changed, struct arena *a, struct store_session *ret,
    struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(store);
	struct memory_session *s = memory_session_named(c, n->name);
	char text[96];

	if (update_check(s, n->name, revision, err) != 0)
		return -1;
	s->revision++;
	if (template_changed)
		template_change(c, s, n);
	memory_text_set(&s->spec_json, n->spec_json);
	memory_policy_set(s, n);
	reconcile_intent(s);
	snprintf(text, sizeof(text), "revision %llu, %u executors%s",
	    (unsigned long long)s->revision, s->replicas,
	    template_changed ? ", another template" : "");
	memory_event_add(
	    c, &(struct store_event){
		   .kind = "session.updated", .session = s->name, .who = n->who, .text = text});
	return memory_session_read(c, n->name, a, ret, err);
}

int
memory_store_session_resume(struct store *store, const char *name, const char *who, struct arena *a,
    struct store_session *ret, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(store);
	struct memory_session *s = memory_session_named(c, name);

	if (!s)
		return err_set(err, ERR_NOT_FOUND, "no session %s", name);
	if (s->state != SESSION_OPEN || !*s->rollout_paused)
		return err_set(err, ERR_CONFLICT, "session %s has no paused rollout", name);
	s->revision++;
	s->rollout_since_us = c->now_us;
	memory_text_set(&s->rollout_paused, "");
	memory_event_add(c, &(struct store_event){.kind = "session.resumed",
				.session = s->name,
				.who = who,
				.text = "the rollout goes on"});
	return memory_session_read(c, name, a, ret, err);
}

int
memory_store_host_drain(struct store *store, const char *host_id, bool drain, int64_t deadline_ms,
    const char *reason, const char *who, struct err *err)
{
	CLEANUP(memory_cell_end) struct memory_cell *c = memory_cell_begin(store);
	struct memory_host *h = memory_host_find(c, host_id);

	if (!h)
		return err_set(err, ERR_NOT_FOUND, "no host %s", host_id);
	if (h->state == HOST_RETIRED || (!drain && h->draining_us == 0))
		return 0;
	if (drain && h->draining_us == 0)
		h->draining_us = c->now_us;
	if (drain && h->cordoned_us == 0)
		h->cordoned_us = c->now_us;
	if (!drain)
		h->draining_us = 0;
	h->drain_deadline_us = drain && deadline_ms > 0 ? c->now_us + deadline_ms * 1000 : 0;
	memory_text_set(&h->drained_by, drain ? who : "");
	if (drain) {
		memory_text_set(&h->cordoned_by, who);
		memory_text_set(&h->cordon_reason, reason);
	}
	memory_event_add(
	    c, &(struct store_event){.kind = drain ? "host.draining" : "host.undrained",
		   .host = h->host_id,
		   .who = who,
		   .text = reason});
	return 0;
}
