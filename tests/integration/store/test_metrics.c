/* What Postgres says for metrics. */
#include "contract_schedule.h"
#include "postgres_cell.h"

int
main(void)
{
	int failed;

	postgres_cells_start();
	failed = contract_metrics_run(&postgres_factory);
	postgres_cells_stop();
	return failed;
}
