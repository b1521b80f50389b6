#include "list.h"

#include "cli.h"
#include "output.h"

/* One page: a document, or more rows of the table, which the first page makes. */
static int
page_print(struct cli *c, const struct list *l, struct table **t)
{
	struct err err = {0};
	ProtobufCMessage *m;

	if (cli_call(c, l->noun, "list", l->request, l->answer, &m, &err) != 0)
		return cli_fail(&err);
	if (c->output == CLI_TABLE && !*t)
		*t = l->table();
	*l->after = l->page(*t, m);
	return c->output != CLI_TABLE ? cli_print(c, m) : 0;
}

int
list_print(struct cli *c, const struct list *l)
{
	struct table *t = NULL;
	int code;

	do {
		code = page_print(c, l, &t);
	} while (code == 0 && **l->after);
	table_print_free(t); /* what was there before a page failed, too */
	return code;
}
