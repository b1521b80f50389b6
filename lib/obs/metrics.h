/* metrics: counters, gauges and latency histograms in Prometheus text form.
 *
 * Updates are lock free and never fail.  Everything accepts NULL and then does nothing, so code
 * under test needs no registry.  A family has no label or one; the values of a label are bounded,
 * what comes past the bound is counted under "other".
 *
 * Names carry their unit: fairlead_hub_reports_total, fairlead_bus_lag_seconds.
 *
 * What a service counts stands in rows of its *_metrics.def, which name a field of its struct:
 *     METRIC_ROW(field, TYPE, "name", "help")                  struct metric *field
 *     METRIC_FAMILY_ROW(field, TYPE, "name", "label", "help")  struct metric_family *field
 * docs/operations.md has its table from the same rows. */
#ifndef METRICS_H
#define METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

struct metric;
struct metric_family;
struct metrics;

#define METRIC_LABEL_VALUES_MAX 64

/* METRIC_GAUGE_SECONDS: set in microseconds, shown in seconds. */
enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_GAUGE_SECONDS, METRIC_HISTOGRAM };
/* As the text format names it: "counter", "gauge", "histogram". */
const char *metric_type_text(enum metric_type type);

/* NULL: no memory; then nothing is counted. */
struct metrics *metrics_new(void);
/* Frees every family and metric with it. */
void metrics_free(struct metrics *m);
DEFINE_CLEANUP(struct metrics *, metrics_free);

/* The family called name, made at the first call.  label is the label's key, NULL for none.  name,
 * help and label must outlive m.  Asking again with another type or label is a programmer error. */
struct metric_family *metrics_family(struct metrics *m, enum metric_type type, const char *name,
    const char *help, const char *label);
/* The member with this label value (copied; NULL or "" in a family without label).  Meant to be
 * kept, but cheap enough to be called every time. */
struct metric *metric_of(struct metric_family *family, const char *value);

/* The same for families without a label. */
struct metric *metrics_counter(struct metrics *m, const char *name, const char *help);
struct metric *metrics_gauge(struct metrics *m, const char *name, const char *help);
struct metric *metrics_histogram(struct metrics *m, const char *name, const char *help);
/* A gauge that is read when somebody looks.  read is called from the health server's thread until
 * that has stopped; arg must live that long.  It must not add metrics. */
void metrics_gauge_read(
    struct metrics *m, const char *name, const char *help, int64_t (*read)(void *arg), void *arg);

void metric_add(struct metric *metric, uint64_t n); /* counters */
/* Counters that somebody else counts: its count, which never goes down. */
void metric_add_up_to(struct metric *metric, uint64_t count);
void metric_set(struct metric *metric, int64_t value);     /* gauges */
void metric_set_us(struct metric *metric, int64_t us);     /* gauges in seconds */
void metric_observe_us(struct metric *metric, int64_t us); /* histograms; shown in seconds */

/* The current count of a counter, value of a gauge, number of observations; for tests and stats. */
int64_t metric_value(const struct metric *metric);

/* Prometheus text format 0.0.4, to be freed by the caller.  NULL: no memory. */
char *metrics_text(struct metrics *m, size_t *ret_size);

#endif
