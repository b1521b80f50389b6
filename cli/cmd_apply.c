/* cmd_apply: apply -f FILE: sessions are declared, or changed to what the file says; diff -f FILE:
 * what that would change, by asking for the same without doing it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "declare.h"
#include "session_file.h"

#define FILE_BYTES_MAX (4u * 1024 * 1024)

struct apply_input {
	struct args args;
	const char *file;
	bool wait_for_hosts, dry_run;
	bool diff, differs; /* differs: some session of the file is not as declared */
};

#define DIFF_EXIT_DIFFERS 1
#define DIFF_EXIT_TROUBLE 2

static error_t
take(int key, char *value, void *arg)
{
	struct apply_input *in = arg;

	switch (key) {
	case 'f':
		in->file = value;
		return 0;
	case 'h':
		in->wait_for_hosts = true;
		return 0;
	case 'd':
		in->dry_run = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The whole file, or standard input for "-". */
static int
file_read(struct cli *c, const char *name, char **ret_text, size_t *ret_size, struct err *err)
{
	char *text = arena_alloc(c->arena, FILE_BYTES_MAX + 1);
	bool own = strcmp(name, "-") != 0;
	FILE *in;
	size_t n;

	if (!text)
		return err_set(err, ERR_LIMIT, "%s: no memory", name);
	in = own ? fopen(name, "re") : stdin;
	if (!in)
		return err_set(err, ERR_NOT_FOUND, "%s: %s", name, strerror(errno));
	n = fread(text, 1, FILE_BYTES_MAX + 1, in);
	if (own)
		fclose(in);
	if (n > FILE_BYTES_MAX)
		return err_set(err, ERR_LIMIT, "%s: larger than %u bytes", name, FILE_BYTES_MAX);
	*ret_text = text;
	*ret_size = n;
	return 0;
}

static void
update_say(const Fairlead__V1__SessionUpdateAnswer *a, const char *name, bool dry_run)
{
	if (!*a->changed)
		printf("session %s is as declared already\n", name);
	else
		printf("session %s %s: %s%s\n", name, dry_run ? "would change" : "changed",
		    a->changed, a->rolls ? ", its executors are replaced" : "");
}

/* What diff says of a session that is there. */
static void
update_diff(const Fairlead__V1__SessionUpdateAnswer *a, const Fairlead__V1__SessionSpec *spec)
{
	if (!*a->changed) {
		printf("session %s is as declared already\n", spec->name);
		return;
	}
	printf(
	    "session %s would change at revision %" PRIu64 "\n", spec->name, a->session->revision);
	for (size_t i = 0; i < a->n_changes; i++)
		printf("  %s: %s -> %s\n", a->changes[i]->field,
		    *a->changes[i]->from ? a->changes[i]->from : "(unset)",
		    *a->changes[i]->to ? a->changes[i]->to : "(unset)");
	if (a->changes_more > 0)
		printf("  and %u fields more\n", a->changes_more);
	if (a->rolls)
		printf("  rolls: %u executor%s replaced, at most %u away at a time\n", a->replaced,
		    a->replaced == 1 ? " is" : "s are", spec->max_unavailable);
	else
		printf("  does not roll: no executor is replaced\n");
	if (a->started + a->stopped > 0)
		printf("  %u executor%s %s\n", a->started + a->stopped,
		    a->started + a->stopped == 1 ? " is" : "s are",
		    a->started > 0 ? "started" : "stopped");
}

static void
warnings_say(char *const *warnings, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fprintf(stderr, "fairlead: warning: %s\n", warnings[i]);
}

/* The session is there and is another one. */
static int
update_one(struct cli *c, struct apply_input *in, Fairlead__V1__SessionSpec *spec, struct err *err)
{
	Fairlead__V1__SessionUpdateRequest q = FAIRLEAD__V1__SESSION_UPDATE_REQUEST__INIT;
	const Fairlead__V1__SessionUpdateAnswer *a;
	ProtobufCMessage *m;

	q.spec = spec;
	q.wait_for_hosts = in->wait_for_hosts;
	q.dry_run = in->dry_run;
	if (cli_call(c, "session", "update", &q.base,
		&fairlead__v1__session_update_answer__descriptor, &m, err) != 0)
		return -1;
	a = (const Fairlead__V1__SessionUpdateAnswer *)m;
	in->differs = in->differs || *a->changed;
	if (c->output == CLI_NAME && in->diff && !*a->changed)
		return 0;
	if (c->output != CLI_TABLE)
		return cli_print(c, m);
	if (in->diff)
		update_diff(a, spec);
	else
		update_say(a, spec->name, in->dry_run);
	warnings_say(a->warnings, a->n_warnings);
	return 0;
}

static int
create_one(struct cli *c, struct apply_input *in, Fairlead__V1__SessionSpec *spec, struct err *err)
{
	Fairlead__V1__SessionCreateAnswer *a;

	if (declare_create(c, spec, NULL, in->wait_for_hosts, in->dry_run, &a, err) != 0)
		return -1;
	in->differs = true;
	if (c->output == CLI_NAME && in->diff)
		puts(spec->name); /* the answer to a dry run has none */
	else if (c->output != CLI_TABLE)
		return cli_print(c, &a->base);
	else if (in->diff) {
		printf("session %s would be declared: %u executor%s started in pool %s\n",
		    spec->name, spec->replicas, spec->replicas == 1 ? " is" : "s are", spec->pool);
		warnings_say(a->warnings, a->n_warnings);
	} else {
		declare_say(a, spec, in->dry_run);
	}
	return 0;
}

/* An OPEN session is updated; one that is not there, or is closed, is declared. */
static int
apply_one(struct cli *c, struct apply_input *in, Fairlead__V1__SessionSpec *spec, struct err *err)
{
	Fairlead__V1__SessionGetRequest q = FAIRLEAD__V1__SESSION_GET_REQUEST__INIT;
	const Fairlead__V1__Session *s;
	ProtobufCMessage *m;

	q.name = spec->name;
	if (cli_call(c, "session", "get", &q.base, &fairlead__v1__session_get_answer__descriptor,
		&m, err) != 0) {
		if (err->kind != ERR_NOT_FOUND)
			return -1;
		err_clear(err);
		return create_one(c, in, spec, err);
	}
	s = ((Fairlead__V1__SessionGetAnswer *)m)->session;
	if (s->state == FAIRLEAD__V1__SESSION_STATE__SESSION_CLOSED)
		return create_one(c, in, spec, err);
	return update_one(c, in, spec, err);
}

static int
specs_read(struct cli *c, const struct apply_input *in, Fairlead__V1__SessionSpec ***ret,
    size_t *ret_n, struct err *err)
{
	char *text = NULL;
	size_t size = 0;

	if (!in->file) {
		err_field(err, ERR_INVALID, "file", "%s needs a file", in->diff ? "diff" : "apply");
		return err_hint(err, "-f FILE, or -f - for standard input");
	}
	if (file_read(c, in->file, &text, &size, err) != 0)
		return -1;
	return session_file_parse(in->file, text, size, c->arena, ret, ret_n, err);
}

int
cmd_apply(struct cli *c, int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"file", 'f', "FILE", 0, "YAML or JSON; - for standard input", 0},
	    {"wait-for-hosts", 'h', NULL, 0, "also when no present host could ever fit it", 0},
	    {"dry-run", 'd', NULL, 0, "check only", 0},
	    {0},
	};
	struct apply_input in = {.args = {.usage = ""}};
	Fairlead__V1__SessionSpec **specs;
	struct err err = {0};
	size_t n = 0;

	if (args_parse(c, argc, argv, &in.args, options, take, &in) != 0)
		return CLI_EXIT_USAGE;
	if (specs_read(c, &in, &specs, &n, &err) != 0)
		return cli_fail(&err);
	for (size_t i = 0; i < n; i++) {
		if (apply_one(c, &in, specs[i], &err) != 0)
			return cli_fail(&err);
	}
	return 0;
}

/* Exits as diff(1) does: 0 the same, 1 different, 2 trouble.  Goes on after a session that is
 * refused. */
int
cmd_diff(struct cli *c, int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"file", 'f', "FILE", 0, "YAML or JSON; - for standard input", 0},
	    {"wait-for-hosts", 'h', NULL, 0, "also when no present host could ever fit it", 0},
	    {0},
	};
	struct apply_input in = {.args = {.usage = ""}, .diff = true, .dry_run = true};
	Fairlead__V1__SessionSpec **specs;
	struct err err = {0};
	bool trouble = false;
	size_t n = 0;

	if (args_parse(c, argc, argv, &in.args, options, take, &in) != 0)
		return DIFF_EXIT_TROUBLE;
	if (specs_read(c, &in, &specs, &n, &err) != 0) {
		(void)cli_fail(&err);
		return DIFF_EXIT_TROUBLE;
	}
	for (size_t i = 0; i < n; i++) {
		err_clear(&err);
		if (apply_one(c, &in, specs[i], &err) == 0)
			continue;
		(void)cli_fail(&err);
		trouble = true;
	}
	if (trouble)
		return DIFF_EXIT_TROUBLE;
	return in.differs ? DIFF_EXIT_DIFFERS : 0;
}
