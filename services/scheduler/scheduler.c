#include "scheduler.h"

#include <stdio.h>
#include <string.h>

#include "err.h"
#include "name.h"
#include "scheduler_metrics.h"
#include "store.h"

static int
pool_add(struct scheduler *s, const char *name, struct err *err)
{
	if (name_check(name, "pools", err) != 0)
		return -1;
	for (size_t i = 0; i < s->pool_count; i++) {
		if (strcmp(s->pools[i], name) == 0)
			return err_field(err, ERR_INVALID, "pools", "pool %s is there twice", name);
	}
	if (s->pool_count == SCHEDULER_POOLS_MAX)
		return err_field(
		    err, ERR_LIMIT, "pools", "more than %d pools", SCHEDULER_POOLS_MAX);
	snprintf(s->pools[s->pool_count++], sizeof(s->pools[0]), "%s", name);
	return 0;
}

int
scheduler_pools_read(struct scheduler *s, const char *list, struct err *err)
{
	s->pool_count = 0;
	for (const char *at = list; *at;) {
		size_t n = strcspn(at, ", ");
		char name[NAME_BYTES_MAX + 1];

		if (n >= sizeof(name))
			return err_field(err, ERR_INVALID, "pools", "a pool's name is too long");
		snprintf(name, sizeof(name), "%.*s", (int)n, at);
		if (n > 0 && pool_add(s, name, err) != 0)
			return -1;
		at += n;
		at += strspn(at, ", ");
	}
	if (s->pool_count == 0)
		return err_field(err, ERR_INVALID, "pools", "no pool is named");
	return 0;
}

int
scheduler_store_new(
    const struct scheduler *s, const char *worker, struct store **ret, struct err *err)
{
	char application[96];
	struct store_options o = {.url = s->settings.database_url,
	    .application = application,
	    .role = *s->settings.database_role ? s->settings.database_role : NULL};

	snprintf(application, sizeof(application), "fairlead-scheduler/%.40s/%s",
	    s->settings.instance, worker);
	return store_pg_new(&o, ret, err);
}

void
scheduler_send(const struct scheduler *s, const struct store_message *messages, size_t n)
{
	for (size_t i = 0; i < n; i++)
		metric_add(s->metrics->written, messages[i].item_count);
	scheduler_send_again(s, messages, n);
}

void
scheduler_send_again(const struct scheduler *s, const struct store_message *messages, size_t n)
{
	s->outlet.send(s->outlet.arg, messages, n);
}
