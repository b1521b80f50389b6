/* doctor_host: this machine: settings, state directory, drivers. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena.h"
#include "doctor.h"
#include "driver.h"
#include "err.h"
#include "options.h"

#define PATH_BYTES 4096

extern char **environ;

/* [scheme://][user[:password]@]host[:port] */
static int
server_parse(char *url, struct doctor_server *ret, struct err *err)
{
	char *host = strstr(url, "://"), *at, *end;

	*ret =
	    (struct doctor_server){.fd = -1, .port = "4222", .tls = strncmp(url, "tls://", 6) == 0};
	host = host ? host + 3 : url;
	at = strrchr(host, '@');
	host = at ? at + 1 : host;
	if (*host == '[') {
		host++;
		end = host + strcspn(host, "]");
	} else {
		end = host + strcspn(host, ":");
	}
	if (end == host || (size_t)(end - host) >= sizeof(ret->host))
		return err_field(err, ERR_INVALID, "nats_servers",
		    "option nats_servers: %s has no host; allowed are urls like nats://host:4222",
		    url);
	memcpy(ret->host, host, (size_t)(end - host));
	end += *end == ']';
	if (*end == ':')
		snprintf(ret->port, sizeof(ret->port), "%.7s", end + 1);
	return 0;
}

static int
servers_parse(struct doctor *d, struct err *err)
{
	char *list = arena_strdup(d->arena, options_string(d->options, "nats_servers"));
	char *save = NULL;

	if (!list)
		return err_set(err, ERR_LIMIT, "no memory");
	for (char *url = strtok_r(list, ", ", &save); url; url = strtok_r(NULL, ", ", &save)) {
		if (d->server_count == DOCTOR_SERVERS_MAX)
			return err_field(err, ERR_LIMIT, "nats_servers",
			    "option nats_servers: more than %d", DOCTOR_SERVERS_MAX);
		if (server_parse(url, &d->servers[d->server_count], err) != 0)
			return -1;
		d->server_count++;
	}
	if (d->server_count == 0)
		return err_field(err, ERR_INVALID, "nats_servers", "option nats_servers is empty");
	return 0;
}

int
doctor_configuration(struct doctor *d, struct err *err)
{
	size_t n = (size_t)d->agent_word_count;
	char **argv = arena_calloc(d->arena, n + 2, sizeof(*argv));
	char name[] = "fairlead-agent";

	if (!argv)
		return err_set(err, ERR_LIMIT, "no memory");
	argv[0] = name;
	for (size_t i = 0; i < n; i++)
		argv[i + 1] = d->agent_words[i];
	if (options_load(d->options, (int)n + 1, argv, environ, NULL, err) != 0 ||
	    machine_read(&d->machine, err) != 0 ||
	    settings_check(&d->settings, d->options, &d->machine, err) != 0 ||
	    servers_parse(d, err) != 0) {
		if (!*err->hint)
			err_hint(err,
			    "say what the agent is told: environment FAIRLEAD_AGENT_*, or "
			    "`fairlead doctor -- --config FILE`");
		return -1;
	}
	doctor_say(d, "host %s, pool %s, %zu server%s", d->settings.host_id,
	    options_string(d->options, "pool"), d->server_count, d->server_count == 1 ? "" : "s");
	return 0;
}

/* ---- state directory ---- */

/* Nothing is made: is there a directory in which it could be? */
static int
state_missing(struct doctor *d, const char *path, struct err *err)
{
	char above[PATH_BYTES];
	char *slash;

	snprintf(above, sizeof(above), "%s", path);
	while ((slash = strrchr(above, '/')) != NULL) {
		slash[slash == above ? 1 : 0] = '\0';
		if (access(above, F_OK) == 0 || slash == above)
			break;
	}
	if (!slash)
		snprintf(above, sizeof(above), ".");
	if (access(above, W_OK | X_OK) != 0) {
		err_set(err, ERR_DENIED, "%s is not there, and cannot be made in %s: %s", path,
		    above, strerror(errno));
		return err_hint(err, "make it for the agent's user, or run doctor as that user");
	}
	doctor_say(d, "%s is not there: the agent makes it", path);
	return 0;
}

/* The lock is only looked at: held for a moment, when nobody has it. */
static int
state_lock(struct doctor *d, const char *path, struct err *err)
{
	char lock[PATH_BYTES];
	int fd;

	if ((size_t)snprintf(lock, sizeof(lock), "%s/lock", path) >= sizeof(lock))
		return err_field(err, ERR_LIMIT, "state_dir", "path too long: %s", path);
	fd = open(lock, O_RDWR | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT)
		return err_set(err, ERR_DENIED, "%s: %s", lock, strerror(errno));
	if (fd < 0)
		doctor_say(d, "%s: no agent has used it yet", path);
	else if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		doctor_say(d, "%s: no agent runs with it now", path);
	else
		doctor_say(d, "%s: an agent runs with it", path);
	if (fd >= 0)
		close(fd);
	return 0;
}

static void
state_binding(struct doctor *d, const char *path)
{
	char file[PATH_BYTES], bound[NAME_BYTES_MAX + 1] = "";
	FILE *in;

	snprintf(file, sizeof(file), "%.4000s/host_id", path);
	in = fopen(file, "re");
	if (!in)
		return;
	if (!fgets(bound, sizeof(bound), in))
		bound[0] = '\0';
	fclose(in);
	if (*bound && strcmp(bound, d->settings.host_id) != 0)
		doctor_say(d, "; its records are of host %s: an agent with id %s begins anew",
		    bound, d->settings.host_id);
}

int
doctor_state(struct doctor *d, struct err *err)
{
	const char *path = options_string(d->options, "state_dir");
	struct stat about;

	if (stat(path, &about) != 0) {
		if (errno == ENOENT)
			return state_missing(d, path, err);
		err_set(err, ERR_DENIED, "%s: %s", path, strerror(errno));
	} else if (!S_ISDIR(about.st_mode)) {
		err_set(err, ERR_INVALID, "%s is no directory", path);
	} else if (access(path, R_OK | W_OK | X_OK) != 0) {
		err_set(err, ERR_DENIED, "%s: %s", path, strerror(errno));
	} else if (state_lock(d, path, err) == 0) {
		state_binding(d, path);
		return 0;
	}
	return err_hint(err,
	    "it must be a directory that the agent's user can write; run doctor as that "
	    "user");
}

/* ---- drivers ---- */

int
doctor_drivers(struct doctor *d, struct err *err)
{
	const struct driver_ops *ops = driver_find("process");
	char dir[PATH_BYTES];
	const struct driver_host host = {.state_dir = dir,
	    .boot_id = d->machine.boot_id,
	    .shim_path = d->settings.shim_path,
	    .cgroup_mode = options_string(d->options, "cgroup")};
	struct driver_probe probe;

	/* Another place than the agent's own, which may be in use. */
	snprintf(dir, sizeof(dir), "%.4000s/doctor", options_string(d->options, "state_dir"));
	ops->probe(&host, &probe);
	if (!probe.usable) {
		err_set(err, ERR_UNAVAILABLE, "process: %s", probe.detail);
		return err_hint(err,
		    "option cgroup (auto, v2, hybrid, none) and shim_path decide; doctor "
		    "sees the control groups of the shell it runs in");
	}
	doctor_say(d, "process: %s, limits of cpu %s, memory %s, pids %s", probe.detail,
	    probe.enforces_cpu ? "yes" : "no", probe.enforces_memory ? "yes" : "no",
	    probe.enforces_pids ? "yes" : "no");
	return 0;
}
