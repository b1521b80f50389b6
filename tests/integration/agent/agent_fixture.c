#include "agent_fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int
setup(void **state)
{
	static struct fixture fixture;

	memset(&fixture, 0, sizeof(fixture));
	cp_init(&fixture.cp);
	cp_connect(&fixture.cp);
	cp_agent_init(&fixture.agent);
	*state = &fixture;
	return 0;
}

int
teardown(void **state)
{
	struct fixture *f = *state;

	cp_agent_done(&f->agent);
	cp_done(&f->cp);
	return 0;
}

void
expect_hellos(struct fixture *f, unsigned n)
{
	assert_true(cp_wait(&f->cp, cp_heard_hellos, &n, PATIENCE_MS));
}

void
expect_settled(struct fixture *f)
{
	unsigned n = f->cp.heartbeats_seen + 2;

	assert_true(cp_wait(&f->cp, cp_heard_heartbeats, &n, PATIENCE_MS));
}

void
start(struct fixture *f)
{
	unsigned hellos = f->cp.hellos + 1;

	cp_agent_start(&f->agent, &f->cp, NULL);
	expect_hellos(f, hellos);
	expect_settled(f);
}

void
expect_state(struct fixture *f, struct id id, int state)
{
	struct cp_expect x = {.id = id, .state = state};

	if (!cp_wait(&f->cp, cp_has_state, &x, PATIENCE_MS))
		fail_msg("state %d, not %d", (int)f->cp.rows[cp_row(&f->cp, &id)].state, state);
}

void
expect_gone(struct fixture *f, const struct cp_order *order)
{
	struct cp_expect x = {.id = order->id, .gone = order->generation};

	assert_true(cp_wait(&f->cp, cp_is_gone, &x, PATIENCE_MS));
}

bool
file_has_line(struct cp *cp, void *arg)
{
	struct stat st;

	(void)cp;
	return stat(arg, &st) == 0 && st.st_size > 0;
}

long
read_number(const char *path)
{
	FILE *file = fopen(path, "r");
	long number = -1;

	if (!file)
		return -1;
	if (fscanf(file, "%ld", &number) != 1)
		number = -1;
	fclose(file);
	return number;
}
