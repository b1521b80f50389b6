/* watch: follows the events of a cell until it is told to end (G7, G8).
 *
 * What happened comes from the rows, by pages; what happens is heard on fl.evt.> as it is
 * published.  A number that is missing, and silence, send it back to the rows, so that hubs,
 * schedulers and the bus may restart and the streams may be wiped meanwhile.  While it only
 * listens, at most `queue` events wait to be printed; a reader slower than that ends the watch, and
 * nobody else notices. */
#ifndef WATCH_H
#define WATCH_H

#include <stdint.h>

#include "follow.h"

struct cli;

struct watch_options {
	struct follow from;
	bool from_now; /* nothing of the past; from.cursor is not looked at */
	unsigned queue;
};

/* Prints, and returns the exit code: 0 after Ctrl-C, SIGTERM, or when the reader of the output has
 * gone. */
int watch_run(struct cli *c, const struct watch_options *o);

#endif
