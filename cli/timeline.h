/* timeline: one executor from queued to its end, with times per stage. */
#ifndef TIMELINE_H
#define TIMELINE_H

#include "fairlead/v1/api.pb-c.h"

struct table;

void timeline_print(const Fairlead__V1__Executor *e);
struct table *executor_table_new(void);
void executor_table_row(struct table *t, const Fairlead__V1__Executor *e);

#endif
