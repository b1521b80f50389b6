/* heartbeat: every hub hears every heartbeat; one of them answers it, over the command path.
 *
 * The answer is a core publish on fl.live.<host> (Fl-Kind: heartbeat): a host that hears it knows
 * that its command subscription works (L11).  Answers are made from rows, for all hosts heard in
 * one go. */
#ifndef HEARTBEAT_H
#define HEARTBEAT_H

#include <stdint.h>

#include "compiler.h"

struct err;
struct heartbeat_service;
struct hub;

MUST_USE int heartbeat_start(struct hub *h, struct heartbeat_service **ret, struct err *err);
/* Heartbeats that never reached this hub's memory, because it was too slow. */
uint64_t heartbeat_dropped(const struct heartbeat_service *s);
/* Heartbeats to be answered that never reached its queue. */
uint64_t heartbeat_questions_dropped(const struct heartbeat_service *s);
/* Asks the workers to end; heartbeat_stop waits for them.  NULL is fine. */
void heartbeat_close(struct heartbeat_service *s);
void heartbeat_stop(struct heartbeat_service *s); /* NULL is fine */

#endif
