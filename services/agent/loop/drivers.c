#include "drivers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "err.h"

static int
make_state_dir(struct drivers *d, size_t i, const char *state_dir, struct err *err)
{
	if (!state_dir) {
		d->state_dirs[i] = strdup("");
		return d->state_dirs[i] ? 0 : err_set(err, ERR_LIMIT, "driver: no memory");
	}
	if (asprintf(&d->state_dirs[i], "%s/%s", state_dir, d->infos[i].name) < 0) {
		d->state_dirs[i] = NULL;
		return err_set(err, ERR_LIMIT, "driver: no memory");
	}
	if (mkdir(d->state_dirs[i], 0700) < 0 && errno != EEXIST)
		return err_set(
		    err, ERR_UNAVAILABLE, "driver: make %s: %s", d->state_dirs[i], strerror(errno));
	return 0;
}

static int
open_one(struct drivers *d, const char *name, const struct driver_host *host, const char *state_dir,
    struct err *err)
{
	const struct driver_ops *ops = driver_find(name);
	struct driver_host own = *host;
	struct agent_driver *info = &d->infos[d->count];
	struct err why;
	size_t i = d->count;

	if (!ops)
		return err_set(err, ERR_INVALID, "no driver is called \"%s\"", name);
	if (i == AGENT_DRIVERS_MAX)
		return err_set(err, ERR_LIMIT, "more than %u drivers", AGENT_DRIVERS_MAX);
	info->name = ops->name;
	d->ops[i] = ops;
	d->count++;
	if (make_state_dir(d, i, state_dir, err) < 0)
		return -1;
	own.state_dir = d->state_dirs[i];
	ops->probe(&own, &info->probe);
	if (!info->probe.usable || ops->open(&own, &d->handles[i], &why) == 0)
		return 0;
	info->probe.usable = false;
	snprintf(info->probe.detail, sizeof(info->probe.detail), "%.150s", why.text);
	return 0;
}

int
drivers_open(struct drivers *d, const char *const *names, const struct driver_host *host,
    const char *state_dir, struct err *err)
{
	memset(d, 0, sizeof(*d));
	for (; *names; names++) {
		if (open_one(d, *names, host, state_dir, err) < 0) {
			drivers_close(d);
			return -1;
		}
	}
	return 0;
}

struct adopt {
	const char *driver;
	void (*found)(void *arg, const char *driver, const struct driver_found *found);
	void *arg;
};

static void
adopt_found(void *arg, const struct driver_found *found)
{
	const struct adopt *adopt = arg;

	adopt->found(adopt->arg, adopt->driver, found);
}

int
drivers_adopt(struct drivers *d,
    void (*found)(void *arg, const char *driver, const struct driver_found *found), void *arg,
    struct err *err)
{
	for (size_t i = 0; i < d->count; i++) {
		struct adopt adopt = {d->infos[i].name, found, arg};

		if (d->handles[i] && d->ops[i]->adopt(d->handles[i], adopt_found, &adopt, err) < 0)
			return err_wrap(err, "driver %s", d->infos[i].name);
	}
	return 0;
}

void
drivers_close(struct drivers *d)
{
	for (size_t i = 0; i < d->count; i++) {
		if (d->handles[i])
			d->ops[i]->close(d->handles[i]);
		free(d->state_dirs[i]);
	}
	memset(d, 0, sizeof(*d));
}

static int
find(struct drivers *d, const char *driver, size_t *ret, struct err *err)
{
	for (size_t i = 0; i < d->count; i++) {
		if (strcmp(d->infos[i].name, driver) != 0)
			continue;
		if (!d->handles[i])
			return err_set(err, ERR_NOT_FOUND, "driver %s is not usable: %s", driver,
			    d->infos[i].probe.detail);
		*ret = i;
		return 0;
	}
	return err_set(err, ERR_NOT_FOUND, "this host has no driver \"%.40s\"", driver);
}

int
drivers_start(struct drivers *d, const char *driver, const struct id *executor_id,
    uint32_t incarnation, const struct driver_spec *spec, struct err *err)
{
	size_t i = 0;

	if (find(d, driver, &i, err) < 0)
		return -1;
	return d->ops[i]->start(d->handles[i], executor_id, incarnation, spec, err);
}

int
drivers_stop(struct drivers *d, const char *driver, const struct id *executor_id, uint32_t grace_ms,
    struct err *err)
{
	size_t i = 0;

	if (find(d, driver, &i, err) < 0)
		return -1;
	return d->ops[i]->stop(d->handles[i], executor_id, grace_ms, err);
}

int
drivers_destroy(
    struct drivers *d, const char *driver, const struct id *executor_id, struct err *err)
{
	size_t i = 0;

	if (find(d, driver, &i, err) < 0)
		return -1;
	return d->ops[i]->destroy(d->handles[i], executor_id, err);
}

int
drivers_logs(struct drivers *d, const char *driver, const struct id *executor_id, void *buffer,
    size_t size, size_t *ret_size, uint64_t *ret_total, struct err *err)
{
	size_t i = 0;

	if (find(d, driver, &i, err) < 0)
		return -1;
	return d->ops[i]->logs(d->handles[i], executor_id, buffer, size, ret_size, ret_total, err);
}
