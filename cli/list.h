/* list: an answer that comes in pages, as one table or as one document per page. */
#ifndef LIST_H
#define LIST_H

#include <protobuf-c/protobuf-c.h>

struct cli;
struct table;

struct list {
	const char *noun; /* fl.api.v1.<noun>.list */
	const ProtobufCMessage *request;
	char **after; /* in the request: where the next page begins */
	const ProtobufCMessageDescriptor *answer;
	struct table *(*table)(void);
	/* One row for each of a page, unless t is NULL; returns where the next page begins, ""
	 * after the last. */
	char *(*page)(struct table *t, const ProtobufCMessage *answer);
};

/* Calls until there is no further page, and prints what came; the exit code. */
int list_print(struct cli *c, const struct list *l);

#endif
