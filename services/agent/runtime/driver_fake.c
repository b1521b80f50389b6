/* driver fake: a fake_engine on the event loop, with one timer for all its executors. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <systemd/sd-event.h>

#include "clock.h"
#include "driver.h"
#include "err.h"
#include "fake_engine.h"

/* Each driver has a struct driver of its own; nobody outside looks into it. */
struct driver {
	struct driver_host host;
	struct fake_engine *engine;
	struct sd_event_source *timer;
};

static void
fake_probe(const struct driver_host *host UNUSED, struct driver_probe *ret)
{
	*ret = (struct driver_probe){.usable = true,
	    .enforces_cpu = true,
	    .enforces_memory = true,
	    .enforces_pids = true,
	    .detail = "fake: nothing runs"};
}

/* The engine counts by the agent's clock; the loop's timer only wakes it. */
static void
arm(struct driver *d)
{
	int64_t next_us = fake_engine_next_us(d->engine);
	if (next_us == INT64_MAX) {
		(void)sd_event_source_set_enabled(d->timer, SD_EVENT_OFF);
		return;
	}
	int64_t wait_us = next_us - clock_mono_us(d->host.clock);
	(void)sd_event_source_set_time_relative(d->timer, wait_us > 0 ? (uint64_t)wait_us : 0);
	(void)sd_event_source_set_enabled(d->timer, SD_EVENT_ONESHOT);
}

static int
on_timer(struct sd_event_source *source UNUSED, uint64_t usec UNUSED, void *arg)
{
	struct driver *d = arg;
	fake_engine_tick(d->engine, clock_mono_us(d->host.clock));
	arm(d);
	return 0;
}

static void
fake_close(struct driver *d)
{
	if (!d)
		return;
	sd_event_source_disable_unref(d->timer);
	fake_engine_free(d->engine);
	free(d);
}

static int
fake_open(const struct driver_host *host, struct driver **ret, struct err *err)
{
	struct driver *d = calloc(1, sizeof(*d));
	if (!d)
		return err_set(err, ERR_UNAVAILABLE, "no memory");
	d->host = *host;
	int r = sd_event_add_time(host->loop, &d->timer, CLOCK_MONOTONIC, 0, 1, on_timer, d);
	if (r < 0) {
		free(d);
		return err_set(err, ERR_INTERNAL, "event loop: %s", strerror(-r));
	}
	(void)sd_event_source_set_enabled(d->timer, SD_EVENT_OFF);
	if (fake_engine_new(host->on_event, host->arg, &d->engine, err)) {
		fake_close(d);
		return -1;
	}
	*ret = d;
	return 0;
}

static int
fake_adopt(struct driver *d UNUSED, void (*found)(void *arg, const struct driver_found *f) UNUSED,
    void *arg UNUSED, struct err *err UNUSED)
{
	return 0; /* its executors ended with the last driver */
}

static int
fake_start(struct driver *d, const struct id *executor_id, uint32_t incarnation,
    const struct driver_spec *spec, struct err *err)
{
	int result = fake_engine_start(d->engine, clock_mono_us(d->host.clock), executor_id,
	    incarnation, spec->fake_script, err);
	arm(d);
	return result;
}

static int
fake_stop(struct driver *d, const struct id *executor_id, uint32_t grace_ms, struct err *err UNUSED)
{
	fake_engine_stop(d->engine, clock_mono_us(d->host.clock), executor_id, grace_ms);
	arm(d);
	return 0;
}

static int
fake_destroy(struct driver *d, const struct id *executor_id, struct err *err)
{
	int result = fake_engine_destroy(d->engine, clock_mono_us(d->host.clock), executor_id, err);
	arm(d);
	return result;
}

static int
fake_logs(struct driver *d, const struct id *executor_id, void *buffer UNUSED, size_t size UNUSED,
    size_t *ret_size, uint64_t *ret_total, struct err *err)
{
	if (!fake_engine_has(d->engine, executor_id))
		return err_set(err, ERR_NOT_FOUND, "no such executor on this host");
	*ret_size = 0;
	*ret_total = 0;
	return 0;
}

const struct driver_ops driver_fake_ops = {
    .name = "fake",
    .probe = fake_probe,
    .open = fake_open,
    .adopt = fake_adopt,
    .start = fake_start,
    .stop = fake_stop,
    .destroy = fake_destroy,
    .logs = fake_logs,
    .close = fake_close,
};
