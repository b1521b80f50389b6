/* heartbeat_answer: what a host is told about its heartbeat, from its row alone (K2, K11).  Pure.
 */
#ifndef HEARTBEAT_ANSWER_H
#define HEARTBEAT_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "fairlead/v1/host.pb-c.h"

struct store_host_head;

/* head NULL: no such host.  now_us: Postgres' clock.  *ret points at beat's nonce and *signature.
 * false: it must say hello. */
bool heartbeat_answer_of(Fairlead__V1__Heartbeat *beat, const struct store_host_head *head,
    int64_t now_us, Fairlead__V1__HeartbeatAnswer *ret, Fairlead__V1__Signature *signature);

#endif
