/* contract_schedule: what every implementation of lib/store promises its schedulers, on the rigs of
 * contract_hub. */
#ifndef CONTRACT_SCHEDULE_H
#define CONTRACT_SCHEDULE_H

#include "contract_hub.h"

/* The number of failed tests. */
int contract_schedule_run(const struct store_factory *f);
int contract_verify_run(const struct store_factory *f);  /* contract_verify.c */
int contract_metrics_run(const struct store_factory *f); /* contract_metrics.c */

/* The rig's lease, taken when it is not held yet. */
void lease_take(struct rig *r);
struct store_fold_result fold(struct rig *r, uint32_t absent_after_ms);
/* Folds until nothing is left to do. */
struct store_fold_result fold_all(struct rig *r);
/* No invariant is violated. */
void verify_clean(struct rig *r);

extern const struct CMUnitTest contract_place_tests[], contract_fold_tests[], contract_duty_tests[],
    contract_verdict_tests[], contract_relieve_tests[], contract_replace_tests[],
    contract_displace_tests[], contract_metrics_tests[], contract_command_tests[],
    contract_crowd_tests[];
extern const size_t contract_place_count, contract_fold_count, contract_duty_count,
    contract_verdict_count, contract_relieve_count, contract_replace_count, contract_displace_count,
    contract_command_count, contract_crowd_count;

#endif
