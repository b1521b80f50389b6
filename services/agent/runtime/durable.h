/* durable: files that are either whole or absent after a power cut.
 *
 * Shared by the agent and the shim: no heap, no libraries, errno on failure. */
#ifndef DURABLE_H
#define DURABLE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "compiler.h"

/* Writes name inside dir_fd by temporary file, fsync, rename, fsync of the directory. */
MUST_USE int durable_write(int dir_fd, const char *name, const void *data, size_t size);
/* Reads at most size bytes of a whole file; -1 with errno (EFBIG when it is larger). */
MUST_USE ssize_t durable_read(int dir_fd, const char *name, void *buffer, size_t size);
/* FNV-1a over 64 bits: tells a torn or zeroed file from a whole one, nothing more. */
uint64_t durable_checksum(const void *data, size_t size);

#endif
