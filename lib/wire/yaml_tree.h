/* yaml_tree: YAML or JSON text -> json trees, with a map from path to line.
 *
 * YAML is read as people mean it: plain true and false are bools, plain decimal integers are
 * numbers, plain null, ~ and nothing are null, everything else is text (so `no` and 1.10 stay what
 * they look like).  Anchors, aliases, tags and repeated keys are refused: what is written is what
 * is there.  Text that begins with '{' is JSON. */
#ifndef YAML_TREE_H
#define YAML_TREE_H

#include <stddef.h>

#include <jansson.h>

#include "compiler.h"

struct err;

#define YAML_BYTES_MAX 1048576
#define YAML_NODES_MAX 65536
#define YAML_DEPTH_MAX 16
#define YAML_PATH_BYTES 256

struct yaml_tree {
	json_t *json;  /* owned */
	json_t *lines; /* owned: path -> line */
	int line;      /* of its beginning */
};

/* Documents that are empty are left out.  name: for messages.  On -1 nothing is left to free. */
MUST_USE int yaml_tree_load(const char *name, const char *text, size_t size, struct yaml_tree *docs,
    size_t docs_max, size_t *ret_n, struct err *err);
void yaml_tree_done(struct yaml_tree *docs, size_t n);
/* Line of a path ("executor.command[1]"), or of the nearest thing around it. */
int yaml_tree_line(const struct yaml_tree *d, const char *path);

#endif
