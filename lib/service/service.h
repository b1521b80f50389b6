/* service: the main() that hub and scheduler share.
 *
 * Owns:     options, log, signals, metrics, the health server, the exit code.
 * Threads:  start, drain and stop are called by the main thread, one after the other.
 * Signals:  SIGTERM or SIGINT drains within option drain_timeout and exits 0; the second one exits
 *           at once.  A service that hangs in drain or stop is ended a few seconds later.
 *
 *     int main(int argc, char **argv) { return service_main(&hub, argc, argv); }
 */
#ifndef SERVICE_H
#define SERVICE_H

#include <stdbool.h>

#include "compiler.h"
#include "options.h"

struct clock;
struct crash_row;
struct err;
struct health;
struct metrics;

/* What a service is handed.  Valid from start until stop has returned. */
struct service_context {
	const char *name;     /* struct service.name */
	const char *instance; /* option instance; [A-Za-z0-9_-] only, fit for a subject */
	const struct options *options;
	const struct clock *clock;
	struct metrics *metrics;
	struct health *health; /* register readiness probes here, in start */
};

struct service {
	const char *name;        /* "hub": program fairlead-hub, environment FAIRLEAD_HUB_* */
	const char *summary;     /* one sentence for --help */
	const char *http_listen; /* default of the common option, "" for off */
	/* The service's own rows, ended by a NULL name.  Common rows are added: log_level,
	 * log_format, instance, http_listen, drain_timeout; their names are taken. */
	const struct option_row *options;
	const struct crash_row *crash_points; /* NULL: none */

	/* Connects, starts workers, returns.  It may wait for a dependency that is away with
	 * service_wait, and should say so in the log each time.  0 with *ret_state set, or -1 with
	 * *err set and nothing left behind: the process exits with the kind's code.  Before it
	 * frees what a probe or a metric of its own looks at, it calls health_stop. */
	int (*start)(struct service_context *context, void **ret_state, struct err *err);
	/* Takes no new work and finishes what is in hand, within timeout_ms.  May be NULL. */
	int (*drain)(void *state, int timeout_ms, struct err *err);
	/* Joins workers, closes connections, frees state.  The health server has stopped before. */
	void (*stop)(void *state);
};

/* Returns the exit code.  Also answers --help, --version, --print-config,
 * --print-config-markdown and --list-crash-points. */
int service_main(const struct service *service, int argc, char **argv);

/* Any thread.  True once a signal or service_fail has asked the service to end. */
bool service_stopping(const struct service_context *context);
/* Any thread.  Sleeps up to timeout_ms; false, at once, when the service is to end. */
bool service_wait(struct service_context *context, int timeout_ms);
/* Any thread: a worker met something it cannot go on from.  The service drains, stops, and exits
 * with the code of the first error's kind. */
void service_fail(struct service_context *context, const struct err *err);

#endif
