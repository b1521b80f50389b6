/* machine: what this machine is: boot, kernel, size, and the lock of a state directory. */
#ifndef MACHINE_H
#define MACHINE_H

#include <stddef.h>

#include "compiler.h"
#include "records.h"
#include "resources.h"
#include "selector.h"

struct err;

struct machine {
	/* the kernel's boot id and the start time of PID 1: a restarted container is a reboot */
	char boot_id[RECORD_BOOT_ID_BYTES];
	char host_name[65], arch[65], kernel[130];
};
MUST_USE int machine_read(struct machine *m, struct err *err);
/* Processors, memory, and the size of the file system that holds path. */
MUST_USE int machine_capacity(const char *path, struct resources *ret, struct err *err);

/* Makes the directory (0700) and locks it for the life of the process (K20).  ERR_CONFLICT: another
 * agent has it.  *ret_fd is the caller's to close. */
MUST_USE int machine_lock_state_dir(const char *path, int *ret_fd, struct err *err);

/* "k=v,k=v", at most max.  The strings point into text, which is changed. */
MUST_USE int machine_parse_labels(
    char *text, struct label *ret_labels, size_t max, size_t *ret_count, struct err *err);

#endif
