#include "cgroup_leaf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

/* Plain directories with the control files of a kernel: what is written can be read back. */
static const char *const v2_files[] = {"cpu.max", "memory.max", "memory.swap.max",
    "memory.oom.group", "pids.max", "cgroup.kill", "cgroup.procs"};
static const char *const v1_files[] = {
    "cpu.cfs_period_us", "cpu.cfs_quota_us", "memory.limit_in_bytes", "pids.max", "cgroup.procs"};

struct hierarchy {
	char root[48];
	struct cgroup_leaf leaf;
};

static void
make_file(const char *dir, const char *file, const char *text)
{
	char path[CGROUP_PATH_BYTES + 64];
	snprintf(path, sizeof(path), "%s/%s", dir, file);
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void
expect(const char *dir, const char *file, const char *text)
{
	char found[64];
	(void)cgroup_read(dir, file, found, sizeof(found));
	assert_string_equal(found, text);
}

static int
set_up(void **state)
{
	struct hierarchy *h = calloc(1, sizeof(*h));
	assert_non_null(h);
	strcpy(h->root,
	    "/tmp/fl-cgroup-XXXXXX"); /* NOLINT(clang-analyzer-security.insecureAPI.strcpy) */
	assert_non_null(mkdtemp(h->root));
	*state = h;
	return 0;
}

static int
tear_down(void **state)
{
	struct hierarchy *h = *state;
	char command[96];
	snprintf(command, sizeof(command), "rm -r '%s'", h->root);
	int result = system(command); /* a test's own directory under /tmp */
	free(h);
	return result;
}

static void
use_v2(struct hierarchy *h)
{
	snprintf(h->leaf.unified, CGROUP_PATH_BYTES, "%s/unified", h->root);
	h->leaf.unified_controllers = 7;
	assert_int_equal(mkdir(h->leaf.unified, 0755), 0);
	for (size_t i = 0; i < COUNT_OF(v2_files); i++)
		make_file(h->leaf.unified, v2_files[i], "");
}

static void
use_v1(struct hierarchy *h)
{
	for (size_t i = 0; i < CGROUP_CONTROLLERS; i++) {
		snprintf(
		    h->leaf.v1[i], CGROUP_PATH_BYTES, "%s/%s", h->root, cgroup_controller_names[i]);
		assert_int_equal(mkdir(h->leaf.v1[i], 0755), 0);
		for (size_t j = 0; j < COUNT_OF(v1_files); j++)
			make_file(h->leaf.v1[i], v1_files[j], "");
	}
}

static const struct cgroup_limits limits = {
    .cpu_millis = 1500, .memory_bytes = 64 << 20, .pids_max = 10};

static void
limits_of_v2_are_written_in_its_words(void **state)
{
	struct hierarchy *h = *state;
	char why[CGROUP_PATH_BYTES + 64];
	use_v2(h);
	assert_int_equal(cgroup_leaf_make(&h->leaf, &limits, why, sizeof(why)), 0);
	expect(h->leaf.unified, "cpu.max", "150000 100000");
	expect(h->leaf.unified, "memory.max", "67108864");
	expect(h->leaf.unified, "memory.swap.max", "0");
	expect(h->leaf.unified, "memory.oom.group", "1");
	expect(h->leaf.unified, "pids.max", "10");
	cgroup_leaf_kill(&h->leaf);
	expect(h->leaf.unified, "cgroup.kill", "1");
	assert_int_equal(cgroup_leaf_enter(&h->leaf, true), 0);
	expect(h->leaf.unified, "cgroup.procs", "");
	assert_int_equal(cgroup_leaf_enter(&h->leaf, false), 0);
	expect(h->leaf.unified, "cgroup.procs", "0");
}

static void
limits_of_v1_are_written_where_v1_has_them(void **state)
{
	struct hierarchy *h = *state;
	char why[CGROUP_PATH_BYTES + 64];
	use_v2(h);
	h->leaf.unified_controllers = 0;
	use_v1(h);
	assert_int_equal(cgroup_leaf_make(&h->leaf, &limits, why, sizeof(why)), 0);
	expect(h->leaf.v1[CGROUP_CPU], "cpu.cfs_period_us", "100000");
	expect(h->leaf.v1[CGROUP_CPU], "cpu.cfs_quota_us", "150000");
	expect(h->leaf.v1[CGROUP_MEMORY], "memory.limit_in_bytes", "67108864");
	expect(h->leaf.v1[CGROUP_PIDS], "pids.max", "10");
	expect(h->leaf.unified, "memory.max", "");
	assert_int_equal(cgroup_leaf_enter(&h->leaf, true), 0);
	for (size_t i = 0; i < CGROUP_CONTROLLERS; i++)
		expect(h->leaf.v1[i], "cgroup.procs", "0");
}

static void
a_tiny_cpu_limit_is_the_least_the_kernel_takes(void **state)
{
	struct hierarchy *h = *state;
	char why[CGROUP_PATH_BYTES + 64];
	const struct cgroup_limits tiny = {.cpu_millis = 1};
	use_v2(h);
	assert_int_equal(cgroup_leaf_make(&h->leaf, &tiny, why, sizeof(why)), 0);
	expect(h->leaf.unified, "cpu.max", "1000 100000");
	expect(h->leaf.unified, "memory.max", "");
}

static void
a_limit_that_cannot_be_written_fails_and_names_the_file(void **state)
{
	struct hierarchy *h = *state;
	char why[CGROUP_PATH_BYTES + 64], path[CGROUP_PATH_BYTES + 64];
	use_v2(h);
	snprintf(path, sizeof(path), "%s/pids.max", h->leaf.unified);
	unlink(path);
	assert_int_equal(cgroup_leaf_make(&h->leaf, &limits, why, sizeof(why)), -1);
	assert_int_equal(errno, ENOENT);
	assert_memory_equal(why, "pids.max ", 9);
}

static void
counters_are_found_by_their_key(void **state)
{
	struct hierarchy *h = *state;
	use_v2(h);
	const char *dir = h->leaf.unified;
	make_file(dir, "cgroup.events", "populated 1\nfrozen 0\n");
	make_file(
	    dir, "memory.events", "low 0\nhigh 7\nmax 8\noom 9\noom_kill 3\noom_group_kill 1\n");
	make_file(dir, "pids.events", "max 119\n");
	assert_true(cgroup_leaf_populated(&h->leaf));
	assert_int_equal(cgroup_leaf_oom_kills(&h->leaf), 3);
	assert_int_equal(cgroup_leaf_pids_refused(&h->leaf), 119);
	make_file(dir, "cgroup.events", "populated 0\nfrozen 0\n");
	assert_false(cgroup_leaf_populated(&h->leaf));
	/* A controller that is not ours has nothing to say. */
	h->leaf.unified_controllers = 0;
	assert_int_equal(cgroup_leaf_oom_kills(&h->leaf), 0);
	assert_int_equal(cgroup_leaf_pids_refused(&h->leaf), 0);
}

static void
no_cgroup_at_all_is_a_success_without_effect(void **state UNUSED)
{
	const struct cgroup_leaf none = {0};
	char why[64];
	assert_int_equal(cgroup_leaf_make(&none, &limits, why, sizeof(why)), 0);
	assert_int_equal(cgroup_leaf_enter(&none, false), 0);
	cgroup_leaf_kill(&none);
	assert_false(cgroup_leaf_populated(&none));
	assert_int_equal(cgroup_leaf_oom_kills(&none), 0);
	assert_int_equal(cgroup_leaf_remove(&none), 0);
}

static void
a_hierarchy_without_a_limit_is_not_entered_unless_it_is_the_only_one(void **state)
{
	const struct cgroup_leaf full = {.unified = "/u",
	    .v1 = {[CGROUP_CPU] = "/c", [CGROUP_MEMORY] = "/m", [CGROUP_PIDS] = "/p"}};
	const struct cgroup_limits none = {0}, memory = {.memory_bytes = 1},
				   cpu = {.cpu_millis = 1};
	const struct {
		bool unified;
		const struct cgroup_limits *limits;
		const char *cpu, *memory, *pids;
	} rows[] = {
	    {true, &none, "", "", ""},
	    {true, &memory, "", "/m", ""},
	    {true, &cpu, "/c", "", ""},
	    {false, &none, "/c", "", ""},
	    {false, &memory, "/c", "/m", ""},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct cgroup_leaf leaf = full;
		if (!rows[i].unified)
			leaf.unified[0] = '\0';
		cgroup_leaf_narrow(&leaf, rows[i].limits);
		assert_string_equal(leaf.unified, rows[i].unified ? "/u" : "");
		assert_string_equal(leaf.v1[CGROUP_CPU], rows[i].cpu);
		assert_string_equal(leaf.v1[CGROUP_MEMORY], rows[i].memory);
		assert_string_equal(leaf.v1[CGROUP_PIDS], rows[i].pids);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		limits_of_v2_are_written_in_its_words, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		limits_of_v1_are_written_where_v1_has_them, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		a_tiny_cpu_limit_is_the_least_the_kernel_takes, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		a_limit_that_cannot_be_written_fails_and_names_the_file, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(counters_are_found_by_their_key, set_up, tear_down),
	    cmocka_unit_test(a_hierarchy_without_a_limit_is_not_entered_unless_it_is_the_only_one),
	    cmocka_unit_test(no_cgroup_at_all_is_a_success_without_effect),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
