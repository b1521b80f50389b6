/* pg_host_row: one host as people and the planner see it; shared by host.get/list and fleet_load.
 */
#ifndef PG_HOST_ROW_H
#define PG_HOST_ROW_H

#include "pg.h"

#define PG_HOST_COLUMNS                                                                            \
	"h.host_id, p.name, h.boot_id, h.agent_version, h.arch, h.kernel, coalesce(l.server, '')," \
	"h.state, h.epoch, h.host_seq, coalesce(l.contiguous_seq, 0), h.protocol_revision,"        \
	"(h.labels || h.operator_labels)::text, h.drivers::text,"                                  \
	"h.cpu_millis, h.memory_bytes, h.disk_bytes, h.gpus, h.slots,"                             \
	"c.cpu_millis, c.memory_bytes, c.disk_bytes, c.gpus, c.slots,"                             \
	"h.cordoned_at, h.cordoned_by, h.cordon_reason, h.first_seen_at, h.last_hello_at,"         \
	"l.last_heartbeat_at, coalesce(l.rtt_us, 0), h.suspect_since,"                             \
	"(SELECT count(*) FROM host_executor x WHERE x.host_id = h.host_id AND x.reserved),"       \
	"h.suspect_reason, h.verdict_held_at IS NOT NULL, h.verdict_by,"                           \
	"h.draining_at, h.drain_deadline_at, h.drained_by, h.capabilities,"                        \
	"(SELECT count(*) FROM host_unknown k WHERE k.host_id = h.host_id)"
#define PG_HOST_FROM                                                                               \
	" FROM host h JOIN pool p USING (pool_id) JOIN host_capacity c USING (host_id)"            \
	" LEFT JOIN host_liveness l USING (host_id)"

MUST_USE int pg_host_row(
    const PGresult *r, int row, struct arena *a, struct store_host *ret, struct err *err);
/* All rows of a result. */
MUST_USE int pg_host_rows(
    const PGresult *r, struct arena *a, struct store_host **ret, size_t *ret_n, struct err *err);

/* JSON texts of labels and drivers, for writing. NULL: no memory. */
const char *pg_labels_json(const struct label *labels, size_t n, struct arena *a);
const char *pg_drivers_json(const struct store_driver *drivers, size_t n, struct arena *a);

#endif
