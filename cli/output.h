/* output: tables, times and names for people. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include <stdint.h>
#include <stdio.h>
#include <protobuf-c/protobuf-c.h>

#include "fairlead/v1/api.pb-c.h"

struct table;

/* columns: "SESSION", "STATE", ... , NULL last. NULL: no memory. */
struct table *table_new(const char *const *columns);
/* One row: as many strings as columns; NULL prints as "-". */
void table_row(struct table *t, const char *const *cells);
/* Prints to stdout and frees. */
void table_print_free(struct table *t);

/* "3s", "4m12s", "2h5m", "6d3h" for an age; "-" for 0 or less.  buffer >= 32. */
char *output_age(int64_t from_us, char *buffer, size_t size);
/* "1.234 ms", "56 ms", "1.20 s"; buffer >= 32. */
char *output_took(int64_t us, char *buffer, size_t size);
/* "500ms", "30s", "5m": as a session file takes it; buffer >= 32. */
char *output_duration(uint32_t ms, char *buffer, size_t size);
/* "256Mi", "1.5Gi", "12"; buffer >= 32. */
char *output_bytes(uint64_t bytes, char *buffer, size_t size);
const char *output_executor_state(Fairlead__V1__ExecutorState s);
const char *output_session_state(Fairlead__V1__SessionState s);
const char *output_host_state(Fairlead__V1__HostState s);
/* "web/0", "web/0#2"; buffer >= EXECUTOR_NAME_BYTES. */
char *output_executor_name(const Fairlead__V1__Executor *e, char *buffer);
/* "exit 7", "signal 9", "exit 0", "out of memory"; of the last incarnation in
 * BACKOFF; "" while it lives. */
char *output_outcome(const Fairlead__V1__Executor *e, char *buffer, size_t size);

#endif
