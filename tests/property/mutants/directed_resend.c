/* K10: a resend is a new message.  With the Msg-Id of the first one the stream takes it for a
 * duplicate and republishes nothing; what heals it is K11: a heartbeat's answer shows the lag and
 * the host asks sync.  It costs as long as heartbeats do not come through: here 40 s instead of the
 * sweep's ack_deadline of 10 s. */
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "mutant.h"
#include "sim.h"

#define DEAF_US (2 * SECOND_US)   /* the command itself is lost */
#define MUTE_US (40 * SECOND_US)  /* and nothing that the host says arrives */
#define SWEEP_US (20 * SECOND_US) /* ack_deadline, and the pace of the sweep */

static struct world world;

static int64_t
last_start_us(const struct sim_session *session, int64_t since_us)
{
	int64_t last_us = 0;

	for (size_t i = 0; i < world.host_count; i++) {
		const struct sim_host *h = &world.hosts[i];

		for (size_t k = 0; k < h->process_count; k++) {
			const struct sim_process *p = &h->processes[k];
			const struct sim_known *known = known_of(&world, &p->id);

			if (known && strcmp(known->session, session->name) == 0 &&
			    p->started_us > last_us)
				last_us = p->started_us;
		}
	}
	return last_us > since_us ? last_us - since_us : -1;
}

int
main(void)
{
	const struct sim_session wanted = {
	    .replicas = 4, .lost_after_ms = 70000, .accept_timeout_ms = 60000};
	const struct sim_session *session;
	int64_t from_us, took_us;
	bool right;

	log_init(LOG_ERROR_LEVEL, LOG_FORMAT_LOGFMT, "directed", "resend");
	world_init(&world, 1, false);
	world.nobody = true;
	world_run_until(&world, 30 * SECOND_US);
	from_us = world.now_us;
	for (size_t i = 0; i < world.host_count; i++) {
		world.hosts[i].cut_down_us = from_us + DEAF_US;
		world.hosts[i].cut_up_us = from_us + MUTE_US;
	}
	session = &world.sessions[world.session_count];
	user_declare(&world, &wanted);
	world_run_until(&world, from_us + 2 * MUTE_US);
	took_us = last_start_us(session, from_us);
	right = MUTANT(sweep_same_msg_id) ? took_us >= MUTE_US
					  : took_us >= DEAF_US && took_us < SWEEP_US;
	printf("%s: started after %.3f s %s\n", right ? "as it should" : "WRONG",
	    (double)took_us / 1e6, world.why);
	right = right && !*world.why;
	world_done(&world);
	return right ? 0 : 1;
}
