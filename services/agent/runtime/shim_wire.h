/* shim_wire: what the agent and a shim say to each other over the SEQPACKET socket "ctl", and which
 * descriptors a new shim finds.
 *
 * One packet is one struct shim_message.  An agent talks to shims of older versions: a packet of
 * another size or magic is ignored, a type that is not known is ignored. */
#ifndef SHIM_WIRE_H
#define SHIM_WIRE_H

#include <stdint.h>

#define SHIM_MAGIC UINT32_C(0x666c7331) /* "fls1" */
#define SHIM_CTL_FILE "ctl"
#define SHIM_LOCK_FILE "lock"
/* "<shim pid> <its start time> <executor pid> <its start time>\n", rewritten by the shim alone.
 * Empty: the shim never ran. */
#define SHIM_LOCK_TEXT_BYTES 96

/* Descriptors at exec. */
enum { SHIM_FD_CTL = 3, SHIM_FD_DIR = 4, SHIM_FD_LOCK = 5, SHIM_FD_END = 6 };

enum shim_type {
	SHIM_ASK = 1, /* agent: who are you?  The answer is STATE. */
	SHIM_STOP,    /* agent: end it; grace_ms between SIGTERM and the kill, 0: kill now */
	SHIM_STATE, /* shim: as it is now; a running one comes with two descriptors: pidfd, log pipe
		     */
	SHIM_ENDED, /* shim: the exit record is durable */
};

struct shim_message {
	uint32_t magic;
	uint32_t type;
	char executor[36];
	uint32_t incarnation;
	uint32_t running; /* STATE: exec has succeeded and it has not ended */
	int32_t pid;      /* STATE: the executor's, 0 while it starts */
	uint32_t grace_ms;
	uint32_t reserved;
};

/* The executor and all that come from it carry this in their environment, unless they drop it. */
#define SHIM_ENV_EXECUTOR "FAIRLEAD_EXECUTOR_ID="
#define SHIM_ENV_INCARNATION "FAIRLEAD_INCARNATION="

#endif
