/* settings: what the options of an agent mean on this machine, checked; shared by the agent and by
 * whoever looks at a host as its agent would (fairlead doctor). */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stddef.h>

#include "agent.h"
#include "compiler.h"
#include "name.h"
#include "options.h"

#define SETTINGS_PATH_BYTES 4096

struct err;
struct machine;

struct settings {
	char host_id[NAME_BYTES_MAX + 2];
	char shim_path[SETTINGS_PATH_BYTES], inbox_prefix[NAME_BYTES_MAX + 16];
	char *labels_text;
	struct label labels[AGENT_LABELS_MAX]; /* point into labels_text */
	size_t label_count;
};

/* ERR_INVALID names the option and its rule (A3); nothing was touched.  settings_done also then. */
MUST_USE int settings_check(struct settings *s, const struct options *options,
    const struct machine *machine, struct err *err);
void settings_done(struct settings *s);

#endif
