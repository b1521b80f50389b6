/* adoption: what a new agent concludes from the evidence an old one left.  A pure function. */
#ifndef ADOPTION_H
#define ADOPTION_H

#include <stdbool.h>

struct adoption_evidence {
	bool exit_record; /* a valid one is there; an unreadable one counts as absent */
	bool same_boot;
	bool lock_held; /* its shim lives */
	bool answered;  /* ... and said the same executor and incarnation in time */
	bool populated; /* processes of it are alive */
	bool shim_ran; /* the shim wrote its name into the lock: it may have started the executor */
};

enum adoption_verdict {
	ADOPTION_ENDED,       /* as the exit record says */
	ADOPTION_HOST_REBOOT, /* ended */
	ADOPTION_RUNNING,
	ADOPTION_SILENT, /* kill the leaf, then the shim: ended, lost */
	ADOPTION_ORPHAN, /* kill the leaf: ended, lost */
	ADOPTION_LOST,   /* ended */
	ADOPTION_UNDO,   /* it never started: remove what was prepared, as if it had not been asked
			    for */
	ADOPTION_VERDICTS,
};

struct adoption_row {
	const char *reason; /* of the exit record to write; NULL: none */
	const char *detail;
	bool kill_leaf, kill_shim;
};

enum adoption_verdict adoption_judge(const struct adoption_evidence *evidence);
const struct adoption_row *adoption_row(enum adoption_verdict verdict);

#endif
