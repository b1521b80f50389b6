/* fixture: a driver on a real event loop with a state directory of its own, and what it said. */
#ifndef FIXTURE_H
#define FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "clock.h"
#include "driver.h"
#include "err.h"
#include "instance.h"
#include "test.h"

#define SAID_MAX 1024
#define PATIENCE_US (20 * SECOND_US)

struct said {
	struct driver_event event;
	char reason[32], detail[240];
	int64_t at_us;
};

struct fixture {
	struct sd_event *loop;
	struct driver_host host;
	const struct driver_ops *ops;
	struct driver *driver;
	char root[64], state_dir[256];
	struct said said[SAID_MAX];
	size_t n;
	struct driver_found found[256];
	char found_reason[256][32];
	size_t found_n;
};

static UNUSED void
on_event(void *arg, const struct driver_event *event)
{
	struct fixture *f = arg;
	assert_true(f->n < SAID_MAX);
	struct said *s = &f->said[f->n++];
	s->event = *event;
	s->at_us = clock_mono_us(clock_system());
	snprintf(s->reason, sizeof(s->reason), "%s", event->reason);
	snprintf(s->detail, sizeof(s->detail), "%s", event->detail);
}

static UNUSED void
on_found(void *arg, const struct driver_found *found)
{
	struct fixture *f = arg;
	assert_true(f->found_n < COUNT_OF(f->found));
	snprintf(f->found_reason[f->found_n], sizeof(f->found_reason[0]), "%s",
	    found->running ? "" : found->ended.reason);
	f->found[f->found_n++] = *found;
}

static UNUSED void
driver_up(struct fixture *f)
{
	struct err err;
	f->n = f->found_n = 0;
	if (f->ops->open(&f->host, &f->driver, &err))
		fail_msg("open: %s", err.text);
	if (f->ops->adopt(f->driver, on_found, f, &err))
		fail_msg("adopt: %s", err.text);
}

static UNUSED void
driver_down(struct fixture *f)
{
	f->ops->close(f->driver);
	f->driver = NULL;
}

static UNUSED struct fixture *
fixture_new(const char *cgroup_mode)
{
	struct fixture *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	const char *tmp = getenv("TMPDIR");
	snprintf(f->root, sizeof(f->root), "%.40s/fl-runtime-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(f->root));
	/* Longer than a socket's path may be. */
	snprintf(f->state_dir, sizeof(f->state_dir), "%s/%0120d", f->root, 0);
	assert_int_equal(mkdir(f->state_dir, 0700), 0);
	assert_true(sd_event_new(&f->loop) >= 0);
	f->ops = driver_find("process");
	f->host = (struct driver_host){.loop = f->loop,
	    .state_dir = f->state_dir,
	    .boot_id = "boot-one",
	    .shim_path = FL_BIN_DIR "/fairlead-shim",
	    .cgroup_mode = cgroup_mode,
	    .clock = clock_system(),
	    .on_event = on_event,
	    .arg = f};
	driver_up(f);
	return f;
}

/* Turns the loop until done says so; fails the test after PATIENCE_US. */
static UNUSED void
turn_until(struct fixture *f, bool (*done)(struct fixture *f, const void *arg), const void *arg,
    const char *what)
{
	int64_t end_us = clock_mono_us(clock_system()) + PATIENCE_US;
	while (!done(f, arg)) {
		if (clock_mono_us(clock_system()) > end_us)
			fail_msg("waited too long for %s", what);
		assert_true(sd_event_run(f->loop, 5000) >= 0);
	}
}

struct wanted {
	const struct id *id;
	enum driver_event_type type;
};

static UNUSED const struct said *
find_said(const struct fixture *f, const struct id *id, enum driver_event_type type)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->said[i].event.type == type && id_equal(&f->said[i].event.executor_id, id))
			return &f->said[i];
	return NULL;
}

/* The same where it must have been said. */
static UNUSED const struct said *
said_of(const struct fixture *f, const struct id *id, enum driver_event_type type)
{
	static const struct said nothing;
	const struct said *s = find_said(f, id, type);
	if (!s)
		fail_msg("event %d was not said", (int)type);
	return s ? s : &nothing;
}

static UNUSED bool
was_said(struct fixture *f, const void *arg)
{
	const struct wanted *w = arg;
	return find_said(f, w->id, w->type) != NULL;
}

static UNUSED const struct said *
wait_said(struct fixture *f, const struct id *id, enum driver_event_type type)
{
	static const char *const names[] = {"STARTING", "RUNNING", "EXITED", "GONE"};
	const struct wanted w = {.id = id, .type = type};
	turn_until(f, was_said, &w, names[type]);
	return said_of(f, id, type);
}

/* sh -c script with these limits. */
static UNUSED int
start_spec(struct fixture *f, const struct id *id, const char *script, struct driver_spec spec,
    struct err *err)
{
	const char *const argv[] = {"/bin/sh", "-c", script, NULL};
	const char *const env[] = {"PATH=/usr/bin:/bin", NULL};
	spec.name = "test/0";
	spec.argv = spec.argv ? spec.argv : argv;
	spec.env = spec.env ? spec.env : env;
	return f->ops->start(f->driver, id, 1, &spec, err);
}

static UNUSED struct id
start(struct fixture *f, const char *script)
{
	struct err err;
	struct id id = id_new();
	if (start_spec(f, &id, script, (struct driver_spec){0}, &err))
		fail_msg("start: %s", err.text);
	return id;
}

static UNUSED struct id
start_running(struct fixture *f, const char *script)
{
	struct id id = start(f, script);
	(void)wait_said(f, &id, DRIVER_RUNNING);
	return id;
}

static UNUSED void
stop(struct fixture *f, const struct id *id, uint32_t grace_ms)
{
	struct err err;
	if (f->ops->stop(f->driver, id, grace_ms, &err))
		fail_msg("stop: %s", err.text);
}

static UNUSED void
destroy(struct fixture *f, const struct id *id)
{
	struct err err;
	if (f->ops->destroy(f->driver, id, &err))
		fail_msg("destroy: %s", err.text);
	(void)wait_said(f, id, DRIVER_GONE);
}

static UNUSED int
remove_path(const char *path)
{
	char command[400];
	snprintf(command, sizeof(command), "rm -rf '%s'", path);
	return system(command); /* a test's own directory under /tmp */
}

static UNUSED void
fixture_free(struct fixture *f)
{
	if (f->driver)
		driver_down(f);
	sd_event_unref(f->loop);
	assert_int_equal(remove_path(f->root), 0);
	free(f);
}

static UNUSED int
open_instance(const struct fixture *f, const struct id *id)
{
	char name[INSTANCE_NAME_BYTES], path[400];
	snprintf(path, sizeof(path), "%s/%s", f->state_dir, instance_name(id, 1, '/', name));
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Alive and not a zombie. */
static UNUSED bool
is_alive(pid_t pid)
{
	char path[64], text[512] = "";
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	size_t n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	const char *state = n ? strrchr(text, ')') : NULL;
	return state && state[1] && state[2] != 'Z' && state[2] != 'X';
}

static UNUSED bool
file_has_lines(const char *path, int lines)
{
	int n = 0;
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	for (int c; (c = fgetc(file)) != EOF;)
		n += c == '\n';
	fclose(file);
	return n >= lines;
}

struct file_wanted {
	const char *path;
	int lines;
};

static UNUSED bool
has_lines(struct fixture *f UNUSED, const void *arg)
{
	const struct file_wanted *w = arg;
	return file_has_lines(w->path, w->lines);
}

static UNUSED void
wait_lines(struct fixture *f, const char *path, int lines)
{
	const struct file_wanted w = {.path = path, .lines = lines};
	turn_until(f, has_lines, &w, path);
}

static UNUSED bool
exit_is_there(struct fixture *f, const void *arg)
{
	struct exit_record record;
	int fd = open_instance(f, arg);
	bool there = fd >= 0 && instance_exit(fd, &record) == INSTANCE_READ;
	if (fd >= 0)
		close(fd);
	return there;
}

#endif
