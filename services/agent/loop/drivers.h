/* drivers: the drivers of one host, opened, probed, asked what they hold. */
#ifndef DRIVERS_H
#define DRIVERS_H

#include <stdbool.h>
#include <stddef.h>

#include "agent.h"
#include "compiler.h"
#include "driver.h"

struct err;

struct drivers {
	struct agent_driver infos[AGENT_DRIVERS_MAX];
	const struct driver_ops *ops[AGENT_DRIVERS_MAX];
	struct driver *handles[AGENT_DRIVERS_MAX]; /* NULL: unusable */
	char *state_dirs[AGENT_DRIVERS_MAX];
	size_t count;
};

/* Opens the named drivers (NULL-terminated).  Each gets state_dir/<name>, made when missing;
 * state_dir NULL: "" (drivers that keep nothing).  A driver that does not work here stays in the
 * list with the reason in its probe.  ERR_INVALID: no such driver. */
MUST_USE int drivers_open(struct drivers *d, const char *const *names,
    const struct driver_host *host, const char *state_dir, struct err *err);
/* Calls found for everything each driver still holds. */
MUST_USE int drivers_adopt(struct drivers *d,
    void (*found)(void *arg, const char *driver, const struct driver_found *found), void *arg,
    struct err *err);
/* Leaves executors running. */
void drivers_close(struct drivers *d);

/* ERR_NOT_FOUND: no such driver, or it does not work here. */
MUST_USE int drivers_start(struct drivers *d, const char *driver, const struct id *executor_id,
    uint32_t incarnation, const struct driver_spec *spec, struct err *err);
MUST_USE int drivers_stop(struct drivers *d, const char *driver, const struct id *executor_id,
    uint32_t grace_ms, struct err *err);
MUST_USE int drivers_destroy(
    struct drivers *d, const char *driver, const struct id *executor_id, struct err *err);
MUST_USE int drivers_logs(struct drivers *d, const char *driver, const struct id *executor_id,
    void *buffer, size_t size, size_t *ret_size, uint64_t *ret_total, struct err *err);

#endif
