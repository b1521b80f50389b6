/* event: a row of the timeline -> a message: of the API's answers, and of FL_EVENTS. */
#ifndef EVENT_H
#define EVENT_H

#include "compiler.h"
#include "store.h"

#include "fairlead/v1/api.pb-c.h"

/* In the arena; its texts are the row's. */
MUST_USE int event_encode(
    const struct store_event *row, struct arena *arena, Fairlead__V1__Event **ret, struct err *err);

#endif
