/* host_private: shared by host.c, carry.c and log_tail.c only. */
#ifndef HOST_PRIVATE_H
#define HOST_PRIVATE_H

#include <systemd/sd-event.h>

#include "host.h"

/* A driver's word, kept until the step that reads it. */
struct driver_word {
	struct driver_event event;
	bool start_failed;
	char reason[RECORD_REASON_BYTES];
	char detail[RECORD_DETAIL_BYTES];
};

struct host {
	struct host_options options;
	struct host_shared *shared;
	struct agent *agent;
	struct drivers drivers;
	struct sd_event_source *timer, *wake;
	int64_t timer_us, lag_us;
	size_t index; /* on the link */
	bool accepted, started, exited;

	struct agent_event *events; /* of the next step */
	size_t event_count, event_capacity;
	struct driver_word *words, *words_spare;
	size_t word_count, word_capacity, spare_capacity;
	struct driver_found *found; /* only while starting */
	const char **found_drivers;
	size_t found_count;
};

/* A zeroed event of the next step. */
struct agent_event *host_event(struct host *h, enum agent_event_type type);
void host_driver_word(struct host *h, const struct driver_event *event, bool start_failed);

/* carry.c: does what the effects say, in order. */
void carry_out(struct host *h, const struct agent_effects *effects);
/* log_tail.c: answers on fl.io.<host>.<channel>.ctl. */
void log_tail_answer(struct host *h, const struct bus_msg *m);

#endif
