#include "adoption.h"

#include <assert.h>
#include <stddef.h>

static const struct adoption_row rows[ADOPTION_VERDICTS] = {
    [ADOPTION_ENDED] = {.kill_leaf = true},
    [ADOPTION_HOST_REBOOT] = {.reason = "host_reboot", .detail = "the host booted in between"},
    [ADOPTION_RUNNING] = {0},
    [ADOPTION_SILENT] = {.reason = "lost",
	.detail = "its shim lived and did not answer",
	.kill_leaf = true,
	.kill_shim = true},
    [ADOPTION_ORPHAN] = {.reason = "lost",
	.detail = "its shim died while no agent ran; what was left was killed",
	.kill_leaf = true},
    [ADOPTION_LOST] = {.reason = "lost",
	.detail = "its shim died while no agent ran",
	.kill_leaf = true},
    [ADOPTION_UNDO] = {.kill_leaf = true},
};

enum adoption_verdict
adoption_judge(const struct adoption_evidence *evidence)
{
	if (evidence->exit_record)
		return ADOPTION_ENDED;
	if (!evidence->same_boot)
		return ADOPTION_HOST_REBOOT;
	if (evidence->lock_held)
		return evidence->answered ? ADOPTION_RUNNING : ADOPTION_SILENT;
	if (evidence->populated)
		return ADOPTION_ORPHAN;
	return evidence->shim_ran ? ADOPTION_LOST : ADOPTION_UNDO;
}

const struct adoption_row *
adoption_row(enum adoption_verdict verdict)
{
	assert(verdict < ADOPTION_VERDICTS);
	return &rows[verdict];
}
