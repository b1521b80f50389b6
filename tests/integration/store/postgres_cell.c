#include "postgres_cell.h"

#include <stdlib.h>
#include <string.h>

#include "postgres_server.h"

static struct postgres_server *server;

struct store *
postgres_connect(const char *url, const char *role)
{
	struct store_options o = {.url = url, .application = "contract", .role = role};
	struct err err = {0};
	struct store *s = NULL;

	if (store_pg_new(&o, &s, &err) != 0)
		fail_msg("%s", err.text);
	return s;
}

static void
migrate(const char *url)
{
	CLEANUP(store_free) struct store *s = postgres_connect(url, NULL);
	struct err err = {0};
	unsigned applied;

	if (store_migrate(s, &applied, &err) != 0)
		fail_msg("%s", err.text);
}

void
postgres_cells_start(void)
{
	server = postgres_server_new(migrate);
}

void
postgres_cells_stop(void)
{
	postgres_server_free(server);
	server = NULL;
}

static void *
cell_new(void)
{
	char *url = strdup(postgres_server_clone(server));

	assert_non_null(url);
	return url;
}

static struct store *
connect_as_hub(void *cell)
{
	return postgres_connect(cell, "fairlead_hub");
}

const struct store_factory postgres_factory = {
    .name = "postgres", .cell_new = cell_new, .connect = connect_as_hub, .cell_free = free};

const char *
cell_query(const struct rig *r, const char *sql)
{
	return postgres_query(r->cell, sql);
}
