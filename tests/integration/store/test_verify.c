/* The verifier's contract against Postgres. */
#include "contract_schedule.h"
#include "postgres_cell.h"

int
main(void)
{
	int failed;

	postgres_cells_start();
	failed = contract_verify_run(&postgres_factory);
	postgres_cells_stop();
	return failed;
}
