/* migrated: what fills the template of a postgres_server.  A header, because only the programs that
 * include it link lib/store. */
#ifndef MIGRATED_H
#define MIGRATED_H

#include "err.h"
#include "store.h"
#include "test.h"

/* Applies all migrations, or fails the test. */
static inline void
migrated(const char *url)
{
	const struct store_options o = {.url = url, .application = "migrate"};
	struct store *s = NULL;
	struct err err = {0};
	unsigned applied;

	if (store_pg_new(&o, &s, &err) != 0 || store_migrate(s, &applied, &err) != 0)
		fail_msg("%s", err.text);
	store_free(s);
}

#endif
