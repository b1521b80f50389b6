/* wait: polling with a deadline, the only way a test waits for something it cannot block on. */
#ifndef WAIT_H
#define WAIT_H

#include <stdbool.h>

/* Calls condition(arg) every few milliseconds until it is true or timeout_ms have passed.
 * Returns the last answer: `assert_true(test_wait_until(...))`. */
bool test_wait_until(bool (*condition)(void *arg), void *arg, int timeout_ms);

#endif
