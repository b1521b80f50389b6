/* process: what Prometheus shows of every process: memory, descriptors, processor time, threads. */
#ifndef PROCESS_H
#define PROCESS_H

struct metrics;

/* Adds gauges that are read from /proc when somebody looks. */
void process_metrics_add(struct metrics *m);

#endif
