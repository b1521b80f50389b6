#include "test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metrics.h"

static char *
text_of(struct metrics *m)
{
	size_t size;
	char *text = metrics_text(m, &size);

	assert_non_null(text);
	assert_int_equal(strlen(text), size);
	return text;
}

static int64_t
read_depth(void *arg)
{
	return *(int *)arg;
}

static void
counters_and_gauges_are_written_in_prometheus_text_O4(void **state)
{
	struct metrics *m = metrics_new();
	int depth = 9;

	(void)state;
	metric_add(metrics_counter(m, "a_total", "All \\ of\nthem."), 2);
	metric_add(metrics_counter(m, "a_total", "All \\ of\nthem."), 3);
	struct metric *gauge = metrics_gauge(m, "b", "B.");
	metric_set(gauge, 7);
	metric_set(gauge, -3);
	metrics_gauge_read(m, "depth", "Depth.", read_depth, &depth);
	struct metric_family *kinds = metrics_family(m, METRIC_COUNTER, "k_total", "K.", "kind");
	metric_add(metric_of(kinds, "x"), 1);
	metric_add(metric_of(kinds, "q\"\\\n"), 1);
	metric_add(metric_of(kinds, "x"), 1);
	char *text = text_of(m);
	assert_string_equal(text,
	    "# HELP a_total All \\\\ of\\nthem.\n# TYPE a_total counter\na_total 5\n"
	    "# HELP b B.\n# TYPE b gauge\nb -3\n"
	    "# HELP depth Depth.\n# TYPE depth gauge\ndepth 9\n"
	    "# HELP k_total K.\n# TYPE k_total counter\nk_total{kind=\"x\"} 2\n"
	    "k_total{kind=\"q\\\"\\\\\\n\"} 1\n");
	assert_int_equal(metric_value(gauge), -3);
	free(text);
	metrics_free(m);
}

static void
a_gauge_of_seconds_is_set_in_microseconds(void **state)
{
	struct metrics *m = metrics_new();
	struct metric *lag =
	    metric_of(metrics_family(m, METRIC_GAUGE_SECONDS, "lag_seconds", "L.", NULL), NULL);
	char *text;

	(void)state;
	metric_set_us(lag, 1250000);
	text = text_of(m);
	assert_string_equal(
	    text, "# HELP lag_seconds L.\n# TYPE lag_seconds gauge\nlag_seconds 1.25\n");
	free(text);
	metric_set_us(lag, -7); /* two clocks that disagree */
	assert_int_equal(metric_value(lag), 0);
	metrics_free(m);
}

static void
a_count_of_somebody_else_is_taken_over_and_never_goes_down(void **state)
{
	struct metrics *m = metrics_new();
	struct metric *c = metrics_counter(m, "a_total", "A.");

	(void)state;
	metric_add_up_to(c, 3);
	metric_add_up_to(c, 3);
	assert_int_equal(metric_value(c), 3);
	metric_add_up_to(c, 2);
	assert_int_equal(metric_value(c), 3);
	metric_add_up_to(c, 10);
	assert_int_equal(metric_value(c), 10);
	metric_add_up_to(NULL, 1);
	metrics_free(m);
}

static void
an_observation_falls_into_the_first_bucket_that_holds_it(void **state)
{
	static const struct {
		int64_t us;
		const char *below, *at; /* the buckets around it, one label each */
		const char *sum;
	} cases[] = {
	    {-5, NULL, "0.0001", "0"},
	    {0, NULL, "0.0001", "0"},
	    {100, NULL, "0.0001", "0.0001"},
	    {101, "0.0001", "0.0002", "0.000101"},
	    {1000000, "0.5", "1", "1"},
	    {1000001, "1", "2", "1.000001"},
	    {100000000, "50", "100", "100"},
	    {100000001, "100", "+Inf", "100.000001"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct metrics *m = metrics_new();
		struct metric *h = metrics_histogram(m, "t_seconds", "T.");
		char line[80];
		metric_observe_us(h, cases[i].us);
		char *text = text_of(m);
		snprintf(line, sizeof(line), "t_seconds_bucket{le=\"%s\"} 1\n", cases[i].at);
		assert_non_null(strstr(text, line));
		snprintf(line, sizeof(line), "t_seconds_bucket{le=\"%s\"} 0\n", cases[i].below);
		assert_true(!cases[i].below || strstr(text, line));
		snprintf(line, sizeof(line), "t_seconds_sum %s\nt_seconds_count 1\n", cases[i].sum);
		assert_non_null(strstr(text, line));
		assert_non_null(strstr(text, "t_seconds_bucket{le=\"+Inf\"} 1\n"));
		assert_int_equal(metric_value(h), 1);
		free(text);
		metrics_free(m);
	}
}

static void
a_histogram_with_a_label_has_both_labels_on_every_bucket(void **state)
{
	struct metrics *m = metrics_new();
	struct metric_family *f = metrics_family(m, METRIC_HISTOGRAM, "t_seconds", "T.", "op");

	(void)state;
	metric_observe_us(metric_of(f, "get"), 2000);
	metric_observe_us(metric_of(f, "get"), 3000);
	char *text = text_of(m);
	assert_non_null(strstr(text, "t_seconds_bucket{op=\"get\",le=\"0.002\"} 1\n"));
	assert_non_null(strstr(text, "t_seconds_bucket{op=\"get\",le=\"0.005\"} 2\n"));
	assert_non_null(strstr(text, "t_seconds_sum{op=\"get\"} 0.005\n"));
	assert_non_null(strstr(text, "t_seconds_count{op=\"get\"} 2\n"));
	free(text);
	metrics_free(m);
}

static void
label_values_past_the_bound_are_counted_under_other(void **state)
{
	struct metrics *m = metrics_new();
	struct metric_family *f = metrics_family(m, METRIC_COUNTER, "k_total", "K.", "kind");
	char value[16];

	(void)state;
	for (int i = 0; i < METRIC_LABEL_VALUES_MAX + 50; i++) {
		snprintf(value, sizeof(value), "v%d", i);
		metric_add(metric_of(f, value), 1);
	}
	assert_int_equal(metric_value(metric_of(f, "v0")), 1);
	assert_int_equal(metric_value(metric_of(f, "other")), 50);
	assert_int_equal(metric_value(metric_of(f, "v100")), 50);
	metrics_free(m);
}

static void
nothing_is_counted_without_a_registry(void **state)
{
	size_t size = 1;

	(void)state;
	metric_add(metrics_counter(NULL, "a_total", "A."), 1);
	metric_set(metrics_gauge(NULL, "b", "B."), 1);
	metric_observe_us(metrics_histogram(NULL, "c_seconds", "C."), 1);
	metric_add(metric_of(metrics_family(NULL, METRIC_COUNTER, "d", "D.", "x"), "y"), 1);
	assert_int_equal(metric_value(NULL), 0);
	char *text = metrics_text(NULL, &size);
	assert_string_equal(text, "");
	assert_int_equal(size, 0);
	free(text);
	metrics_free(NULL);
}

#define ROUNDS 20000

static void *
count_in_a_thread(void *arg)
{
	struct metrics *m = arg;
	char value[16];

	for (int i = 0; i < ROUNDS; i++) {
		snprintf(value, sizeof(value), "v%d", i % 100);
		metric_add(metrics_counter(m, "a_total", "A."), 1);
		metric_add(
		    metric_of(metrics_family(m, METRIC_COUNTER, "k_total", "K.", "k"), value), 1);
		metric_observe_us(metrics_histogram(m, "t_seconds", "T."), i);
	}
	return NULL;
}

static void
threads_that_count_and_a_reader_agree_in_the_end(void **state)
{
	struct metrics *m = metrics_new();
	pthread_t threads[3];
	int64_t sum = 0;

	(void)state;
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, count_in_a_thread, m);
	for (int i = 0; i < 20; i++)
		free(text_of(m));
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(metric_value(metrics_counter(m, "a_total", "A.")), 3 * ROUNDS);
	assert_int_equal(metric_value(metrics_histogram(m, "t_seconds", "T.")), 3 * ROUNDS);
	char *text = text_of(m), *rest = text;
	for (char *line; (line = strsep(&rest, "\n"));)
		if (strncmp(line, "k_total{", 8) == 0)
			sum += atoll(strrchr(line, ' '));
	assert_int_equal(sum, 3 * ROUNDS);
	free(text);
	metrics_free(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(counters_and_gauges_are_written_in_prometheus_text_O4),
	    cmocka_unit_test(a_gauge_of_seconds_is_set_in_microseconds),
	    cmocka_unit_test(a_count_of_somebody_else_is_taken_over_and_never_goes_down),
	    cmocka_unit_test(an_observation_falls_into_the_first_bucket_that_holds_it),
	    cmocka_unit_test(a_histogram_with_a_label_has_both_labels_on_every_bucket),
	    cmocka_unit_test(label_values_past_the_bound_are_counted_under_other),
	    cmocka_unit_test(nothing_is_counted_without_a_registry),
	    cmocka_unit_test(threads_that_count_and_a_reader_agree_in_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
