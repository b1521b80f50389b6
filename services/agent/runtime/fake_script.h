/* fake_script: what a fake executor does, from one line of text.
 *
 *   start=10ms      from the start to RUNNING           (default 0)
 *   run=50ms        from RUNNING to the end; "forever"  (default forever)
 *   exit=3          exit code                           (default 0)
 *   signal=9        ends by this signal instead
 *   oom             ends by SIGKILL, marked as out of memory
 *   stop=20ms       from a stop to the end; "ignore": only the end of the grace helps (default 0)
 *   lost            ends as lost: nobody can say how
 *   exec_fail       never runs: exec_failed
 *   fail=prepare    never runs: prepare_failed          fail=start   start itself is an error
 *
 * Times take us, ms, s, m.  Later words win over earlier ones. */
#ifndef FAKE_SCRIPT_H
#define FAKE_SCRIPT_H

#include <stdbool.h>
#include <stdint.h>

#include "compiler.h"

struct err;

#define FAKE_NEVER INT64_MAX

enum fake_failure { FAKE_WORKS, FAKE_FAILS_START, FAKE_FAILS_PREPARE, FAKE_FAILS_EXEC };

struct fake_script {
	int64_t start_us, run_us, stop_us; /* FAKE_NEVER: does not happen by itself */
	int exit_code, signal;
	bool oom, lost;
	enum fake_failure failure;
};

/* NULL and "": the defaults.  ERR_INVALID names the word. */
MUST_USE int fake_script_parse(const char *text, struct fake_script *ret, struct err *err);

#endif
