/* command: desired state as rows -> desired state as messages.
 *
 * The scheduler's commands and the hub's sync pages say the same thing in the same words; this is
 * the only place where the store's rows and the wire meet (events: event.h). */
#ifndef COMMAND_H
#define COMMAND_H

#include "compiler.h"
#include "store.h"

#include "fairlead/v1/host.pb-c.h"

/* The item lives in the arena.  ERR_INVALID: the stored spec does not decode. */
MUST_USE int command_item_encode(const struct store_item *row, struct arena *arena,
    Fairlead__V1__CommandItem **ret, struct err *err);

#endif
