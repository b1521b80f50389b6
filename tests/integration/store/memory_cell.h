/* memory_cell: contract cells in this process, on the system's clock. */
#ifndef MEMORY_CELL_H
#define MEMORY_CELL_H

#include "contract_hub.h"

extern const struct store_factory memory_factory;

#endif
