#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "adoption.h"
#include "err.h"
#include "proc_tree.h"
#include "process.h"

#define SILENCE_MS 2000
#define CONNECT_AGAIN_MS 10

/* One state directory that was found. */
struct candidate {
	struct id id;
	uint32_t incarnation;
	int dir_fd, ctl_fd;
	int pidfd, log_fd; /* from the answer */
	struct shim_message answer;
	struct adoption_evidence evidence;
	struct instance_owner owner;
	struct exit_record record;
	bool quarantined;
};

struct candidates {
	struct driver *driver;
	struct candidate *items;
	size_t n, room;
};

static int64_t
now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
candidate_done(struct candidate *c)
{
	process_close_fd(&c->dir_fd);
	process_close_fd(&c->ctl_fd);
	process_close_fd(&c->pidfd);
	process_close_fd(&c->log_fd);
}

static int
add_candidate(struct candidates *all, const struct id *id, uint32_t incarnation, struct err *err)
{
	if (all->n == all->room) {
		size_t room = all->room ? all->room * 2 : 64;
		struct candidate *items = realloc(all->items, room * sizeof(*items));
		if (!items)
			return err_set(err, ERR_UNAVAILABLE, "no memory");
		all->items = items;
		all->room = room;
	}
	int dir_fd = instance_open(all->driver->state_fd, id, incarnation);
	if (dir_fd < 0)
		return err_set(err, ERR_UNAVAILABLE, "state directory: %s", strerror(errno));
	all->items[all->n++] = (struct candidate){.id = *id,
	    .incarnation = incarnation,
	    .dir_fd = dir_fd,
	    .ctl_fd = -1,
	    .pidfd = -1,
	    .log_fd = -1};
	return 0;
}

static DIR *
open_directory(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

static int
collect_incarnations(struct candidates *all, const char *hex, const struct id *id, struct err *err)
{
	const struct dirent *entry;
	int result = 0;
	DIR *dir = open_directory(all->driver->state_fd, hex);
	while (dir && !result && (entry = readdir(dir))) {
		char *end;
		unsigned long number = strtoul(entry->d_name, &end, 10);
		if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9' && !*end &&
		    number <= UINT32_MAX)
			result = add_candidate(all, id, (uint32_t)number, err);
	}
	if (dir)
		closedir(dir);
	return result;
}

static int
collect(struct candidates *all, struct err *err)
{
	const struct dirent *entry;
	struct err ignored;
	struct id id;
	int result = 0;
	DIR *dir = open_directory(all->driver->state_fd, ".");
	if (!dir)
		return err_set(err, ERR_UNAVAILABLE, "state directory: %s", strerror(errno));
	while (!result && (entry = readdir(dir)))
		if (strlen(entry->d_name) == ID_HEX_BYTES - 1 &&
		    !id_from_hex(entry->d_name, &id, &ignored))
			result = collect_incarnations(all, entry->d_name, &id, err);
	closedir(dir);
	return result;
}

static bool
owner_alive(const struct instance_owner *owner)
{
	int fd = proc_pidfd_open_exact(owner->pid, owner->start);
	if (fd < 0)
		return false;
	/* A zombie that nobody reaped yet has ended. */
	struct pollfd ended = {.fd = fd, .events = POLLIN};
	bool alive = poll(&ended, 1, 0) == 0;
	close(fd);
	return alive;
}

static void
gather(struct driver *d, struct candidate *c)
{
	char name[INSTANCE_NAME_BYTES];
	struct run_spec_head *spec = NULL;
	struct adoption_evidence *evidence = &c->evidence;

	instance_name(&c->id, c->incarnation, '-', name);
	enum instance_read exit_read = instance_exit(c->dir_fd, &c->record);
	evidence->exit_record = exit_read == INSTANCE_READ;
	if (exit_read == INSTANCE_UNREADABLE)
		instance_quarantine(d->state_fd, c->dir_fd, name, EXIT_RECORD_FILE);
	enum instance_read spec_read = instance_spec(c->dir_fd, &spec);
	if (spec_read == INSTANCE_UNREADABLE)
		instance_quarantine(d->state_fd, c->dir_fd, name, RUN_SPEC_FILE);
	c->quarantined = exit_read == INSTANCE_UNREADABLE || spec_read == INSTANCE_UNREADABLE;
	/* The spec names its own boot; an unreadable one belongs to the boot of the directory. */
	evidence->same_boot = spec ? strcmp(spec->boot, d->host.boot_id) == 0 : d->same_boot;
	instance_owner(c->dir_fd, &c->owner);
	evidence->shim_ran = c->owner.shim_pid > 0;
	evidence->lock_held = evidence->same_boot && instance_lock_held(c->dir_fd);
	struct cgroup_leaf leaf;
	cgroup_base_leaf(&d->cgroups, name, &leaf);
	evidence->populated =
	    evidence->same_boot &&
	    (cgroup_leaf_populated(spec ? &spec->leaf : &leaf) || owner_alive(&c->owner));
	free(spec);
}

static bool
wants_answer(const struct candidate *c)
{
	return c->evidence.lock_held && !c->evidence.exit_record && !c->evidence.answered;
}

static void
connect_shim(struct candidate *c)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const struct shim_message ask = {.magic = SHIM_MAGIC, .type = SHIM_ASK};
	/* Through the descriptor: a socket's path has 108 bytes, state directories more. */
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/" SHIM_CTL_FILE,
	    c->dir_fd);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
	    send(fd, &ask, sizeof(ask), MSG_NOSIGNAL) == (ssize_t)sizeof(ask))
		c->ctl_fd = fd;
	else
		close(fd);
}

/* A shim that ended while it was asked: its record is the better evidence. */
static void
look_again(struct candidate *c)
{
	process_close_fd(&c->ctl_fd);
	c->evidence.lock_held = instance_lock_held(c->dir_fd);
	c->evidence.exit_record = instance_exit(c->dir_fd, &c->record) == INSTANCE_READ;
}

static void
take_answer(struct candidate *c)
{
	char hex[ID_HEX_BYTES];
	int pidfd = -1, log_fd = -1;
	int r = process_receive(c->ctl_fd, &c->answer, &pidfd, &log_fd);
	if (r < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (r > 0 && c->answer.type == SHIM_STATE && c->answer.incarnation == c->incarnation &&
	    strncmp(c->answer.executor, id_to_hex(&c->id, hex), sizeof(c->answer.executor)) == 0) {
		process_close_fd(&c->pidfd);
		process_close_fd(&c->log_fd);
		c->pidfd = pidfd;
		c->log_fd = log_fd;
		c->evidence.answered = true;
		return;
	}
	process_close_fd(&pidfd);
	process_close_fd(&log_fd);
	if (r <= 0 || c->answer.type == SHIM_ENDED)
		look_again(c);
}

/* Asks every living shim at once; all of them together have SILENCE_MS. */
static int
ask_all(struct candidates *all, struct err *err)
{
	struct pollfd *polls = calloc(all->n + 1, sizeof(*polls));
	if (!polls)
		return err_set(err, ERR_UNAVAILABLE, "no memory");
	const int64_t end_ms = now_ms() + SILENCE_MS;
	size_t open = 1;
	while (open > 0 && now_ms() < end_ms) {
		open = 0;
		for (size_t i = 0; i < all->n; i++) {
			struct candidate *c = &all->items[i];
			bool wanted = wants_answer(c);
			if (wanted && c->ctl_fd < 0)
				connect_shim(c);
			open += wanted;
			polls[i] = (struct pollfd){.fd = wanted ? c->ctl_fd : -1, .events = POLLIN};
		}
		if (open == 0 || poll(polls, all->n, CONNECT_AGAIN_MS) <= 0)
			continue;
		for (size_t i = 0; i < all->n; i++)
			if (polls[i].revents)
				take_answer(&all->items[i]);
	}
	free(polls);
	return 0;
}

static int
hold_running(struct driver *d, struct candidate *c, struct driver_found *found, struct err *err)
{
	struct process_executor *x = process_new(d, &c->id, c->incarnation);
	if (!x)
		return err_set(err, ERR_UNAVAILABLE, "no memory");
	x->ctl_fd = c->ctl_fd;
	c->ctl_fd = -1;
	x->shim_pidfd = proc_pidfd_open_exact(c->owner.shim_pid, c->owner.shim_start);
	process_take_state(x, &c->answer, c->pidfd, c->log_fd);
	c->pidfd = c->log_fd = -1;
	found->running = true;
	found->pid = x->pid;
	return process_watch(x, err);
}

static void
kill_shim(const struct candidate *c)
{
	siginfo_t info;
	int fd = proc_pidfd_open_exact(c->owner.shim_pid, c->owner.shim_start);
	if (fd < 0)
		return;
	struct pollfd ended = {.fd = fd, .events = POLLIN};
	(void)proc_pidfd_signal(fd, SIGKILL);
	if (poll(&ended, 1, 100) == 1)
		(void)waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG);
	close(fd);
}

/* Ends what has to be ended; afterwards c->record says how, durably. */
static void
conclude(struct driver *d, struct candidate *c, enum adoption_verdict verdict)
{
	const struct adoption_row *row = adoption_row(verdict);
	/* A silent shim first of all: it must not write a record of its own any more. */
	if (row->kill_shim)
		kill_shim(c);
	if (row->kill_leaf && (c->evidence.populated || row->kill_shim || c->evidence.lock_held))
		process_kill_leftovers(d, &c->id, c->incarnation, c->dir_fd);
	int pidfd = row->kill_leaf && c->evidence.same_boot
			? proc_pidfd_open_exact(c->owner.pid, c->owner.start)
			: -1;
	if (pidfd >= 0 && !c->evidence.exit_record)
		(void)proc_pidfd_signal(pidfd, SIGKILL);
	process_close_fd(&pidfd);
	/* It may have written one in its last moment. */
	if (!row->reason ||
	    (row->kill_shim && instance_exit(c->dir_fd, &c->record) == INSTANCE_READ))
		return;
	c->record = (struct exit_record){
	    .incarnation = c->incarnation, .code = -1, .started = c->owner.pid > 0};
	(void)id_to_hex(&c->id, c->record.executor);
	exit_record_explain(&c->record, row->reason, "%s%s", row->detail,
	    c->quarantined ? "; an unreadable record is kept in quarantine" : "");
	(void)!instance_exit_write(c->dir_fd, &c->record);
}

/* Executors that are gone for good: prepared only, or an incarnation that has a successor. */
static void
discard(struct driver *d, struct candidate *c, enum adoption_verdict verdict)
{
	if (verdict == ADOPTION_RUNNING || verdict == ADOPTION_SILENT)
		kill_shim(c);
	if (c->evidence.same_boot)
		process_kill_leftovers(d, &c->id, c->incarnation, c->dir_fd);
	(void)!instance_remove(d->state_fd, &c->id, c->incarnation);
}

static bool
has_successor(const struct candidates *all, const struct candidate *c)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->items[i].incarnation > c->incarnation &&
		    id_equal(&all->items[i].id, &c->id))
			return true;
	return false;
}

static int
settle(struct candidates *all, struct candidate *c, struct driver_found *found, bool *ret_found,
    struct err *err)
{
	struct driver *d = all->driver;
	enum adoption_verdict verdict = adoption_judge(&c->evidence);
	*ret_found = false;
	if (verdict == ADOPTION_UNDO || has_successor(all, c)) {
		discard(d, c, verdict);
		return 0;
	}
	*ret_found = true;
	*found = (struct driver_found){.executor_id = c->id, .incarnation = c->incarnation};
	if (verdict == ADOPTION_RUNNING)
		return hold_running(d, c, found, err);
	conclude(d, c, verdict);
	struct process_executor *x = process_new(d, &c->id, c->incarnation);
	if (!x)
		return err_set(err, ERR_UNAVAILABLE, "no memory");
	x->phase = PROCESS_ENDED;
	x->record = c->record;
	found->ended = process_ended_event(x, &c->record);
	return 0;
}

static bool
is_known_leaf(void *arg, const char *name)
{
	const struct candidates *all = arg;
	char text[INSTANCE_NAME_BYTES];
	for (size_t i = 0; i < all->n; i++)
		if (strcmp(instance_name(&all->items[i].id, all->items[i].incarnation, '-', text),
			name) == 0)
			return true;
	return false;
}

int
process_adopt(struct driver *d, void (*found)(void *arg, const struct driver_found *f), void *arg,
    struct err *err)
{
	struct candidates all = {.driver = d};
	int result = collect(&all, err);
	for (size_t i = 0; !result && i < all.n; i++)
		gather(d, &all.items[i]);
	if (!result)
		result = ask_all(&all, err);
	for (size_t i = 0; !result && i < all.n; i++) {
		struct driver_found f;
		bool said;
		result = settle(&all, &all.items[i], &f, &said, err);
		if (!result && said)
			found(arg, &f);
	}
	/* Leaves without a state directory have no other owner (K5). */
	if (!result)
		cgroup_base_sweep(&d->cgroups, is_known_leaf, &all);
	if (!result)
		result = process_note_boot(d, err);
	for (size_t i = 0; i < all.n; i++)
		candidate_done(&all.items[i]);
	free(all.items);
	return result;
}
