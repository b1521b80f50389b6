/* The whole contract against the store in memory: no server, so it runs with the units. */
#include "contract_schedule.h"
#include "memory_cell.h"

int
main(void)
{
	return contract_hub_run(&memory_factory) + contract_schedule_run(&memory_factory) +
	       contract_verify_run(&memory_factory) + contract_metrics_run(&memory_factory);
}
