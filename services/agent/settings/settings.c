#include "settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "err.h"
#include "machine.h"

/* A3: the rule is named, and nothing has been touched yet. */
static int
choose_host_id(
    struct settings *s, const struct options *o, const struct machine *machine, struct err *err)
{
	const char *given = options_string(o, "host_id");
	const char *id = given[0] ? given : machine->host_name;

	if (name_check(id, "host_id", err) < 0)
		return given[0]
			   ? -1
			   : err_hint(err, "this machine's host name is no host id: set host_id");
	snprintf(s->host_id, sizeof(s->host_id), "%s", id);
	snprintf(s->inbox_prefix, sizeof(s->inbox_prefix), "_INBOX.%s", s->host_id);
	return 0;
}

static int
choose_shim(struct settings *s, const struct options *o, struct err *err)
{
	const char *given = options_string(o, "shim_path");
	char self[SETTINGS_PATH_BYTES];
	ssize_t n;
	char *slash;

	if (given[0]) {
		snprintf(s->shim_path, sizeof(s->shim_path), "%s", given);
		return 0;
	}
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n < 0)
		return err_set(err, ERR_INTERNAL, "cannot find this program's own path");
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (slash)
		slash[1] = '\0';
	snprintf(s->shim_path, sizeof(s->shim_path), "%.4000sfairlead-shim", self);
	return 0;
}

static int
check_cgroup(const struct options *o, struct err *err)
{
	static const char *const modes[] = {"auto", "v2", "hybrid", "none"};
	const char *given = options_string(o, "cgroup");

	for (size_t i = 0; i < COUNT_OF(modes); i++)
		if (strcmp(given, modes[i]) == 0)
			return 0;
	return err_field(err, ERR_INVALID, "cgroup",
	    "option cgroup: \"%.40s\" is not auto, v2, hybrid or none", given);
}

int
settings_check(
    struct settings *s, const struct options *o, const struct machine *machine, struct err *err)
{
	s->labels_text = strdup(options_string(o, "labels"));
	if (!s->labels_text)
		return err_set(err, ERR_LIMIT, "no memory");
	if (choose_host_id(s, o, machine, err) < 0 ||
	    name_check(options_string(o, "pool"), "pool", err) < 0 ||
	    name_check(options_string(o, "prefix"), "prefix", err) < 0 ||
	    machine_parse_labels(
		s->labels_text, s->labels, AGENT_LABELS_MAX, &s->label_count, err) < 0 ||
	    check_cgroup(o, err) < 0)
		return -1;
	return choose_shim(s, o, err);
}

void
settings_done(struct settings *s)
{
	free(s->labels_text);
	s->labels_text = NULL;
}
