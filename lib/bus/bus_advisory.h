/* bus_advisory: what JetStream says of messages that a consumer gave up ("$JS.EVENT.ADVISORY."). */
#ifndef BUS_ADVISORY_H
#define BUS_ADVISORY_H

#include <stdbool.h>
#include <stdint.h>

struct bus_msg;

struct bus_advisory {
	const char *reason; /* "max_deliveries", "terminated" */
	/* "" and 0 where the body does not say. */
	char stream[128], consumer[128], text[200];
	uint64_t stream_seq, deliveries;
};

/* False: m is about something else.  Of a body that is no JSON only the reason is known. */
bool bus_advisory_read(const struct bus_msg *m, struct bus_advisory *ret);

#endif
