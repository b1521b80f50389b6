#include "metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Upper bounds in microseconds: 1-2-5 from 100 us to 100 s; past the last is +Inf. */
static const int64_t bounds_us[] = {100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000,
    200000, 500000, 1000000, 2000000, 5000000, 10000000, 20000000, 50000000, 100000000};
#define BUCKETS (COUNT_OF(bounds_us) + 1)

struct histogram {
	atomic_uint_fast64_t buckets[BUCKETS]; /* not cumulative */
	_Atomic int64_t sum_us;
};

struct metric {
	enum metric_type type;
	char *value; /* of the label; "" without */
	_Atomic int64_t number;
	struct histogram *histogram; /* NULL for the other types */
	int64_t (*read)(void *arg);
	void *arg;
};

/* Members are only ever added, so readers need no lock: a slot below n is complete. */
struct metric_family {
	struct metric_family *next;
	pthread_mutex_t *lock; /* of the registry */
	enum metric_type type;
	const char *name, *help, *label;
	atomic_uint n;
	struct metric *members[METRIC_LABEL_VALUES_MAX + 1]; /* one more for "other" */
};

struct metrics {
	pthread_mutex_t lock; /* guards additions */
	struct metric_family *first, **last;
};

struct metrics *
metrics_new(void)
{
	struct metrics *m = calloc(1, sizeof(*m));

	if (m) {
		pthread_mutex_init(&m->lock, NULL);
		m->last = &m->first;
	}
	return m;
}

static void
metric_free(struct metric *metric)
{
	free(metric->value);
	free(metric->histogram);
	free(metric);
}

void
metrics_free(struct metrics *m)
{
	struct metric_family *next;

	if (!m)
		return;
	for (struct metric_family *f = m->first; f; f = next) {
		next = f->next;
		for (unsigned i = 0; i < atomic_load(&f->n); i++)
			metric_free(f->members[i]);
		free(f);
	}
	pthread_mutex_destroy(&m->lock);
	free(m);
}

static struct metric_family *
find_family(struct metrics *m, const char *name)
{
	for (struct metric_family *f = m->first; f; f = f->next)
		if (strcmp(f->name, name) == 0)
			return f;
	return NULL;
}

struct metric_family *
metrics_family(
    struct metrics *m, enum metric_type type, const char *name, const char *help, const char *label)
{
	if (!m)
		return NULL;
	pthread_mutex_lock(&m->lock);
	struct metric_family *f = find_family(m, name);
	if (f) {
		assert(f->type == type && (f->label == NULL) == (label == NULL));
	} else if ((f = calloc(1, sizeof(*f))) != NULL) {
		f->lock = &m->lock;
		f->type = type;
		f->name = name;
		f->help = help;
		f->label = label;
		*m->last = f;
		m->last = &f->next;
	}
	pthread_mutex_unlock(&m->lock);
	return f;
}

static struct metric *
find_member(struct metric_family *family, const char *value)
{
	unsigned n = atomic_load_explicit(&family->n, memory_order_acquire);

	for (unsigned i = 0; i < n; i++)
		if (strcmp(family->members[i]->value, value) == 0)
			return family->members[i];
	return NULL;
}

static struct metric *
metric_new(enum metric_type type, const char *value)
{
	struct metric *metric = calloc(1, sizeof(*metric));

	if (!metric)
		return NULL;
	metric->type = type;
	metric->value = strdup(value);
	if (type == METRIC_HISTOGRAM)
		metric->histogram = calloc(1, sizeof(*metric->histogram));
	if (!metric->value || (type == METRIC_HISTOGRAM && !metric->histogram)) {
		metric_free(metric);
		return NULL;
	}
	return metric;
}

/* With the registry's lock held. */
static struct metric *
add_member(struct metric_family *family, const char *value)
{
	unsigned n = atomic_load(&family->n);

	if (n >= METRIC_LABEL_VALUES_MAX) {
		value = "other";
		struct metric *other = find_member(family, value);
		if (other)
			return other;
	}
	assert(n < COUNT_OF(family->members));
	struct metric *metric = metric_new(family->type, value);
	if (metric) {
		family->members[n] = metric;
		atomic_store_explicit(&family->n, n + 1, memory_order_release);
	}
	return metric;
}

struct metric *
metric_of(struct metric_family *family, const char *value)
{
	if (!family)
		return NULL;
	if (!value)
		value = "";
	assert(family->label || !value[0]);
	struct metric *metric = find_member(family, value);
	if (metric)
		return metric;
	pthread_mutex_lock(family->lock);
	metric = find_member(family, value); /* somebody may have been first */
	if (!metric)
		metric = add_member(family, value);
	pthread_mutex_unlock(family->lock);
	return metric;
}

struct metric *
metrics_counter(struct metrics *m, const char *name, const char *help)
{
	return metric_of(metrics_family(m, METRIC_COUNTER, name, help, NULL), NULL);
}

struct metric *
metrics_gauge(struct metrics *m, const char *name, const char *help)
{
	return metric_of(metrics_family(m, METRIC_GAUGE, name, help, NULL), NULL);
}

struct metric *
metrics_histogram(struct metrics *m, const char *name, const char *help)
{
	return metric_of(metrics_family(m, METRIC_HISTOGRAM, name, help, NULL), NULL);
}

void
metrics_gauge_read(
    struct metrics *m, const char *name, const char *help, int64_t (*read)(void *arg), void *arg)
{
	struct metric *metric = metrics_gauge(m, name, help);

	if (!metric)
		return;
	pthread_mutex_lock(&m->lock);
	metric->read = read;
	metric->arg = arg;
	pthread_mutex_unlock(&m->lock);
}

void
metric_add(struct metric *metric, uint64_t n)
{
	if (!metric)
		return;
	assert(metric->type == METRIC_COUNTER);
	atomic_fetch_add_explicit(&metric->number, (int64_t)n, memory_order_relaxed);
}

void
metric_add_up_to(struct metric *metric, uint64_t count)
{
	int64_t now;

	if (!metric)
		return;
	assert(metric->type == METRIC_COUNTER);
	now = atomic_load_explicit(&metric->number, memory_order_relaxed);
	while (now < (int64_t)count &&
	       !atomic_compare_exchange_weak(&metric->number, &now, (int64_t)count))
		;
}

void
metric_set(struct metric *metric, int64_t value)
{
	if (!metric)
		return;
	assert(metric->type == METRIC_GAUGE);
	atomic_store_explicit(&metric->number, value, memory_order_relaxed);
}

void
metric_set_us(struct metric *metric, int64_t us)
{
	if (!metric)
		return;
	assert(metric->type == METRIC_GAUGE_SECONDS);
	if (us < 0)
		us = 0; /* a wall clock that went back */
	atomic_store_explicit(&metric->number, us, memory_order_relaxed);
}

void
metric_observe_us(struct metric *metric, int64_t us)
{
	size_t bucket = 0;

	if (!metric)
		return;
	assert(metric->type == METRIC_HISTOGRAM);
	if (us < 0)
		us = 0; /* a wall clock that went back */
	while (bucket < COUNT_OF(bounds_us) && us > bounds_us[bucket])
		bucket++;
	atomic_fetch_add_explicit(&metric->histogram->buckets[bucket], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&metric->histogram->sum_us, us, memory_order_relaxed);
}

int64_t
metric_value(const struct metric *metric)
{
	uint64_t count = 0;

	if (!metric)
		return 0;
	if (metric->type != METRIC_HISTOGRAM)
		return metric->read ? metric->read(metric->arg)
				    : atomic_load_explicit(&metric->number, memory_order_relaxed);
	for (size_t i = 0; i < BUCKETS; i++)
		count += atomic_load_explicit(&metric->histogram->buckets[i], memory_order_relaxed);
	return (int64_t)count;
}

/* Text with the escapes of the format; quotes only count inside label values. */
static void
print_escaped(FILE *out, const char *text, const char *special)
{
	for (; *text; text++) {
		if (*text == '\n') {
			fputs("\\n", out);
			continue;
		}
		if (strchr(special, *text))
			fputc('\\', out);
		fputc(*text, out);
	}
}

/* name_suffix{label="value",le="..."} with whatever of the braces is needed. */
static void
print_name(FILE *out, const struct metric_family *f, const struct metric *metric,
    const char *suffix, const char *le)
{
	fprintf(out, "%s%s", f->name, suffix);
	if (!f->label && !le) {
		fputc(' ', out);
		return;
	}
	fputc('{', out);
	if (f->label) {
		fprintf(out, "%s=\"", f->label);
		print_escaped(out, metric->value, "\\\"");
		fputc('"', out);
	}
	if (le)
		fprintf(out, "%sle=\"%s\"", f->label ? "," : "", le);
	fputs("} ", out);
}

/* Integer microseconds as seconds, exact and without a locale. */
static void
format_seconds(int64_t us, char *buffer, size_t size)
{
	int length = snprintf(buffer, size, "%" PRId64 ".%06" PRId64, us / 1000000, us % 1000000);

	while (length > 0 && buffer[length - 1] == '0')
		buffer[--length] = '\0';
	if (length > 0 && buffer[length - 1] == '.')
		buffer[--length] = '\0';
}

static void
print_histogram(FILE *out, const struct metric_family *f, const struct metric *metric)
{
	uint64_t total = 0;
	char seconds[48];

	for (size_t i = 0; i < BUCKETS; i++) {
		total += atomic_load_explicit(&metric->histogram->buckets[i], memory_order_relaxed);
		if (i < COUNT_OF(bounds_us))
			format_seconds(bounds_us[i], seconds, sizeof(seconds));
		else
			snprintf(seconds, sizeof(seconds), "+Inf");
		print_name(out, f, metric, "_bucket", seconds);
		fprintf(out, "%" PRIu64 "\n", total);
	}
	int64_t sum_us = atomic_load_explicit(&metric->histogram->sum_us, memory_order_relaxed);
	format_seconds(sum_us, seconds, sizeof(seconds));
	print_name(out, f, metric, "_sum", NULL);
	fprintf(out, "%s\n", seconds);
	print_name(out, f, metric, "_count", NULL);
	fprintf(out, "%" PRIu64 "\n", total);
}

const char *
metric_type_text(enum metric_type type)
{
	static const char *const types[] = {[METRIC_COUNTER] = "counter",
	    [METRIC_GAUGE] = "gauge",
	    [METRIC_GAUGE_SECONDS] = "gauge",
	    [METRIC_HISTOGRAM] = "histogram"};

	return types[type];
}

static void
print_number(FILE *out, const struct metric_family *f, const struct metric *metric)
{
	char seconds[48];

	print_name(out, f, metric, "", NULL);
	if (f->type == METRIC_GAUGE_SECONDS) {
		format_seconds(metric_value(metric), seconds, sizeof(seconds));
		fprintf(out, "%s\n", seconds);
	} else {
		fprintf(out, "%" PRId64 "\n", metric_value(metric));
	}
}

static void
print_family(FILE *out, struct metric_family *f)
{
	unsigned n = atomic_load_explicit(&f->n, memory_order_acquire);

	fprintf(out, "# HELP %s ", f->name);
	print_escaped(out, f->help, "\\");
	fprintf(out, "\n# TYPE %s %s\n", f->name, metric_type_text(f->type));
	for (unsigned i = 0; i < n; i++) {
		if (f->type == METRIC_HISTOGRAM)
			print_histogram(out, f, f->members[i]);
		else
			print_number(out, f, f->members[i]);
	}
}

char *
metrics_text(struct metrics *m, size_t *ret_size)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	if (m) {
		/* Families are few and readers rarer: the lock keeps additions out meanwhile. */
		pthread_mutex_lock(&m->lock);
		for (struct metric_family *f = m->first; f; f = f->next)
			print_family(out, f);
		pthread_mutex_unlock(&m->lock);
	}
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	*ret_size = size;
	return text;
}
