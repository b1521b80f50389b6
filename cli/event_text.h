/* event_text: one event as a line of output. */
#ifndef EVENT_TEXT_H
#define EVENT_TEXT_H

#include "cli.h"

#include "fairlead/v1/api.pb-c.h"

/* A line for people, one JSON object, one YAML document, or its cursor; with a newline at the end,
 * in c's arena.  -1: no memory. */
MUST_USE int event_text(
    struct cli *c, const Fairlead__V1__Event *e, const char **ret, struct err *err);

#endif
