/* fuzz: the entry that libFuzzer and the replay of the corpus both call. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Must return 0; a defect is a crash, a sanitizer report or a failed assert. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
