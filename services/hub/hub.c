#include "hub.h"

#include <stdio.h>

#include "bus.h"
#include "err.h"
#include "headers.h"
#include "log.h"
#include "store.h"
#include "subjects.h"

int
hub_store_new(const struct hub *h, const char *worker, struct store **ret, struct err *err)
{
	char application[96];
	struct store_options o = {.url = h->settings.database_url,
	    .application = application,
	    .role = *h->settings.database_role ? h->settings.database_role : NULL};

	snprintf(application, sizeof(application), "fairlead-hub/%.40s/%s", h->settings.instance,
	    worker);
	return store_pg_new(&o, ret, err);
}

bool
hub_store_answers(struct store *store)
{
	struct err ignored = {0};
	int64_t now_us;

	return store_ping(store, &now_us, &ignored) == 0;
}

void
hub_nudge(const struct hub *h, const char *pool)
{
	char subject[SUBJECT_BYTES];
	const struct bus_header headers[] = {
	    {HEADER_KIND, "nudge"}, {HEADER_SUMMARY, "nudge: there is work to place"}};
	struct bus_out out = {.headers = headers, .header_count = COUNT_OF(headers)};
	struct err err = {0};

	out.subject = subject_build(subject, h->settings.prefix, SUBJECT_NUDGE, pool);
	if (bus_publish(h->bus, &out, &err) != 0)
		log_debug("nudge.failed", LOG_STR("pool", pool), LOG_ERR(&err));
}
