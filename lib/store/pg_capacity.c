#include "pg_capacity.h"

#include "err.h"

int
pg_capacity_lock(
    struct pg *pg, const struct id *executor_ids, size_t n, struct arena *a, struct err *err)
{
	static const struct pg_statement lock = {"capacity_lock",
	    "SELECT 1 FROM host_capacity WHERE host_id IN (SELECT host_id FROM host_executor"
	    "   WHERE executor_id = ANY($1::uuid[])) ORDER BY host_id FOR NO KEY UPDATE"};
	struct pg_params p;

	if (n == 0)
		return 0;
	pg_params_init(&p, a);
	pg_add_ids(&p, executor_ids, n);
	return pg_run(pg, &lock, &p, NULL, err);
}

int
pg_capacity_free(
    struct pg *pg, const struct id *executor_ids, size_t n, struct arena *a, struct err *err)
{
	static const struct pg_statement free_rows = {"capacity_free",
	    "WITH x AS (UPDATE host_executor SET reserved = false"
	    "   WHERE executor_id = ANY($1::uuid[]) AND reserved"
	    "   RETURNING host_id, cpu_millis, memory_bytes, disk_bytes, gpus, slots),"
	    "m AS (SELECT host_id, sum(cpu_millis)::int8 AS cpu, sum(memory_bytes)::int8 AS memory,"
	    "   sum(disk_bytes)::int8 AS disk, sum(gpus)::int8 AS gpus, sum(slots)::int8 AS slots"
	    "   FROM x GROUP BY 1 ORDER BY 1)"
	    "UPDATE host_capacity c SET cpu_millis = c.cpu_millis - m.cpu,"
	    " memory_bytes = c.memory_bytes - m.memory, disk_bytes = c.disk_bytes - m.disk,"
	    " gpus = c.gpus - m.gpus, slots = c.slots - m.slots FROM m WHERE c.host_id = "
	    "m.host_id"};
	struct pg_params p;

	if (n == 0)
		return 0;
	pg_params_init(&p, a);
	pg_add_ids(&p, executor_ids, n);
	return pg_run(pg, &free_rows, &p, NULL, err);
}
