/* sim: a whole cell in one thread under a clock of its own.
 *
 * What decides is the product: plan, rounds and duties of the scheduler, hello, sync, heartbeat
 * answers, intake and judge of the hub, the agent's step function, each over its real encoding.
 * What carries is ours: a network and two streams that lose, repeat, reorder, hold and forget, and
 * processes that agents and control plane die and live with.  A seed decides everything; an event
 * is one transaction, one delivery or one step of an agent, and the invariants are asked after it.
 *
 * Times are simulated microseconds since the start. */
#ifndef SIM_H
#define SIM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent.h"
#include "bus_internal.h"
#include "clock.h"
#include "courier.h"
#include "hub.h"
#include "judge_look.h"
#include "round.h"
#include "scheduler.h"
#include "scheduler_metrics.h"
#include "store.h"

#define SIM_PREFIX "fl"
#define SIM_POOL "default"
#define SIM_HOSTS_MAX 4
#define SIM_HUBS 2
#define SIM_SCHEDULERS 2
#define SIM_PROCESSES_MAX 64 /* of one host at a time */
#define SIM_EXECUTORS_MAX 512
#define SIM_SESSIONS_MAX 8
#define SIM_REPLICAS_MAX 6
#define SIM_FAULT_KINDS_MAX 16
/* Faults happen until the first, then everything must settle until the second. */
#define SIM_FAULTS_US (240 * SECOND_US)
#define SIM_SETTLE_US (420 * SECOND_US)

struct world;
struct sim_flight;
struct sim_unit;

struct sim_event {
	int64_t at_us;
	uint64_t tie, n; /* drawn, so that events of one moment come in any order; then by age */
	void (*fn)(struct world *w, struct sim_event *e);
	void *who;
	uint64_t number;
	int64_t sent_us;     /* answers: when their question was sent */
	struct bus_msg *msg; /* owned; whoever takes it leaves NULL */
};

/* ---- one host ---- */

struct sim_process {
	struct id id;
	uint32_t incarnation;
	bool alive, running;
	int exit_code;
	const char *reason; /* of its end, as the driver says it */
	int64_t started_us;
	uint32_t stop_on_host_after_ms, grace_ms;
};

struct sim_host {
	struct world *world;
	char id[16], boot_id[32];
	struct clock
	    clock; /* its own: offset of its boot, and somebody's idea of the time of day */
	int64_t mono_offset_us, real_offset_us;
	struct records *records;
	struct agent *agent; /* NULL: down */
	struct agent_effects effects;
	struct agent_config config;
	struct agent_driver driver;
	uint64_t life, tick_no; /* of this process; of the newest timer */
	unsigned boots;
	int64_t tick_us, word_us, up_us;
	int64_t cut_up_us, cut_down_us; /* nothing passes before */
	int64_t contact_us;             /* sending of the newest request that was answered */
	bool exited;
	/* Until when commands may have been meant for a journal that was lost: 0: none was. */
	int64_t journal_since_us;
	struct sim_process processes[SIM_PROCESSES_MAX];
	size_t process_count;
};

/* ---- control plane ---- */

struct sim_hub {
	struct world *world;
	struct hub hub;
	struct judge_look judge;
	struct store *store;
	int64_t deaf_until_us, listening_us;   /* listening_us 0: deaf */
	int64_t blind_until_us[SIM_HOSTS_MAX]; /* does not hear that host, and cannot know it */
	int64_t judge_since_us;
	uint64_t life;
	struct sim_unit *units; /* fetched and not acknowledged */
};

struct sim_scheduler {
	struct world *world;
	struct scheduler scheduler;
	struct round round;
	struct store *store;
	struct arena *arena;
	struct store_lease leases[4]; /* pool, counters, events, retention */
	struct sim_flight *flights;
	int64_t paused_until_us;
	uint64_t life;
	char instance[8];
};

/* ---- streams ---- */

struct sim_report {
	struct sim_report *next;
	struct bus_msg *msg;
	uint64_t seq;
	int64_t not_before_us; /* in flight until then */
};

struct sim_seen { /* Msg-Ids of the duplicate window */
	struct sim_seen *next;
	char msg_id[64];
};

struct sim_streams {
	uint64_t commands_generation, command_seq, last_seq[SIM_HOSTS_MAX];
	struct sim_seen *seen;
	struct sim_report *reports;
	uint64_t report_seq;
};

/* ---- what was ever seen ---- */

struct sim_known {
	struct id id;
	char session[32];
	uint32_t index, attempt;
	bool stop_asked; /* by a user */
	bool excused;    /* the control plane gave it up: its successor may live beside it */
	bool unheard;    /* FL_REPORTS was wiped with a report of it */
	bool forgotten;  /* of a history that the rows do not have any more */
	bool moved;      /* stopped by a drain or a rollout, and nobody has taken its place yet */
	bool replaced;   /* somebody has, or nobody needs to */
	bool taken;      /* it ran, or ended: its place was taken */
	uint64_t revision;
	bool exited; /* its newest process ended by itself or obeyed */
	int exit_code;
	/* processes */ int host; /* that it ever ran on, -1 */
	int64_t placed_us;        /* 0: not yet */
	uint32_t started;         /* the newest incarnation */
	/* the row */
	uint64_t generation, accepted, gone;
	uint32_t incarnation;
	enum executor_state state;
};

struct sim_session {
	char name[32];
	uint32_t replicas, lost_after_ms, accept_timeout_ms, stop_on_host_after_ms;
	uint32_t max_unavailable, stop_grace_ms;
	bool closed, restarts;
};

struct world {
	uint64_t seed, random;
	bool chaos;  /* faults at all */
	bool nobody; /* no users of its own */
	/* Digests are compared, and reports may be wiped.  In other seeds they are not: K19 heals,
	 * and so hides, what other rules have to do by themselves. */
	bool digests;
	bool hurries; /* drains have deadlines, and past them no budget counts */
	/* How often, of a thousand; each seed has its own. */
	unsigned lose, repeat, overtake, hold;
	unsigned strikes[SIM_FAULT_KINDS_MAX];
	bool tracing, hashing;
	uint64_t history; /* hash of everything that happened, when hashing */
	char why[512];    /* the violated invariant, "": none */
	int64_t now_us;
	struct clock_manual clock; /* Postgres', and the control plane's */
	struct sim_event *heap;
	size_t heap_count, heap_capacity;
	uint64_t event_count, ids; /* ever */
	struct arena *arena;       /* of one event */
	struct bus *bus; /* delivers to hosts alone: what services say to each other may be lost */
	struct bus_sub *told;
	struct store *store;                   /* the root of the cell, always there */
	int64_t store_away_us, store_shaky_us; /* for services: until then */
	struct world *past; /* whose store it is since a restore; NULL: there was none */
	int64_t snapshot_us, restore_us; /* 0: there will be none */
	struct scheduler_metrics metrics;
	struct sim_host hosts[SIM_HOSTS_MAX];
	size_t host_count;
	struct sim_hub hubs[SIM_HUBS];
	struct sim_scheduler schedulers[SIM_SCHEDULERS];
	struct sim_streams streams;
	struct sim_known known[SIM_EXECUTORS_MAX];
	size_t known_count;
	struct sim_session sessions[SIM_SESSIONS_MAX];
	size_t session_count;
	uint64_t epochs[SIM_HOSTS_MAX], host_seqs[SIM_HOSTS_MAX];
	bool rows_changed; /* the store was written in this event */
};

/* ---- sim_id.c ---- */
/* Ids that are made from here on are this world's. */
void world_enter(struct world *w);

/* ---- sim_world.c: time, chance, history ---- */
void world_init(struct world *w, uint64_t seed, bool chaos);
/* Everything, and the checks of the end. */
void world_run(struct world *w);
void world_run_until(struct world *w, int64_t until_us);
void world_done(struct world *w);
uint64_t world_draw(struct world *w, uint64_t n); /* 0..n-1 */
int64_t world_between(struct world *w, int64_t least, int64_t most);
bool world_chance(struct world *w, unsigned per_mille);
/* The same, but only while faults happen. */
bool world_fault(struct world *w, unsigned per_mille);
struct sim_event *world_at(struct world *w, int64_t delay_us,
    void (*fn)(struct world *w, struct sim_event *e), void *who, uint64_t number);
void world_say(struct world *w, const char *format, ...) PRINTF(2, 3);
void world_violated(struct world *w, const char *format, ...) PRINTF(2, 3);
int64_t world_store_now_us(struct world *w);

/* ---- sim_net.c ---- */
/* Copies of a message, at the times at which they arrive, if they do. */
void net_send_take(struct world *w, void (*fn)(struct world *w, struct sim_event *e), void *who,
    uint64_t number, int64_t sent_us, struct bus_msg *msg);
/* NULL: it cannot be said. */
struct bus_msg *net_encode(struct world *w, const struct courier_message *m);
struct bus_msg *net_copy(struct world *w, const struct bus_out *out);
/* What hubs say to hosts unasked goes over the bus: from here on it is on its way. */
void net_init(struct world *w);
void net_done(struct world *w);
void net_pass_on(struct world *w);
/* FL_COMMANDS takes a message: true, and its copies are on their way, unless its Msg-Id is known.
 */
void stream_command(struct world *w, const struct bus_out *out, size_t host);
void stream_report_take(struct world *w, struct bus_msg *msg);
/* At most n reports nobody has in flight; borrowed. */
size_t stream_fetch(struct world *w, struct bus_msg **ret, uint64_t *ret_seqs, size_t n);
void stream_ack(struct world *w, uint64_t seq);
void stream_wipe_commands(struct world *w);
/* What FL_REPORTS took and nobody has joined is lost. */
void stream_wipe_reports(struct world *w);
size_t stream_report_count(const struct world *w);

/* ---- sim_host.c ---- */
void host_init(struct world *w, size_t index);
void host_done(struct sim_host *h);
void host_start(struct sim_host *h);
void host_crash(struct sim_host *h);
void host_reboot(struct sim_host *h);
void host_lose_journal(struct sim_host *h);
/* A process ends by itself. */
void host_exit(struct sim_host *h, struct sim_process *p, int exit_code);
struct sim_process *host_process(struct sim_host *h, const struct id *id);
size_t host_index(const struct sim_host *h);
/* Arrivals. */
void host_live(struct world *w, struct sim_event *e);
void host_answer(struct world *w, struct sim_event *e);
void host_told(struct world *w, struct sim_event *e);
void host_puback(struct world *w, struct sim_event *e);

/* ---- sim_process.c: the driver ---- */
void process_start(struct sim_host *h, const struct agent_effect *effect);
void process_stop(struct sim_host *h, const struct agent_effect *effect);
void process_destroy(struct sim_host *h, const struct agent_effect *effect);
void process_adopt(struct sim_host *h);
void host_step(struct sim_host *h, const struct agent_event *event);

/* ---- sim_restore.c ---- */
/* Maybe. */
void restore_plan(struct world *w);
void restore_done(struct world *w);

/* ---- sim_store.c ---- */
struct store *sim_store_new(struct world *w);
void sim_store_failed(struct world *w, const char *what, const struct err *err);

/* ---- sim_hub.c, sim_intake.c, sim_judge.c ---- */
void hub_init(struct world *w, size_t index);
void hub_done(struct sim_hub *h);
void hub_crash(struct sim_hub *h);
bool hub_hears(const struct sim_hub *h);
void hub_request(struct world *w, struct sim_event *e);
void hub_heard(struct world *w, struct sim_event *e);
void hub_answer(struct world *w, struct sim_event *e);
void intake_drop(struct sim_hub *h);
void intake_round(struct world *w, struct sim_event *e);
void judge_round(struct world *w, struct sim_event *e);

/* ---- sim_scheduler.c, sim_publisher.c ---- */
void scheduler_init(struct world *w, size_t index);
void scheduler_done(struct sim_scheduler *s);
void scheduler_crash(struct sim_scheduler *s);
void publisher_take(void *arg, const struct store_message *messages, size_t n);
void publisher_drop(struct sim_scheduler *s);

/* ---- sim_user.c ---- */
/* Its name is given. */
void user_declare(struct world *w, const struct sim_session *wanted);
void user_act(struct world *w);

/* ---- sim_operator.c ---- */
void operator_cordon(struct world *w);
void operator_drain(struct world *w);
void operator_replay(struct world *w);
/* Nothing holds a host any more, rollouts go on. */
void operator_tidies(struct world *w);

/* ---- sim_faults.c ---- */
/* How bad this seed is, and in which way. */
void misfortune_init(struct world *w);
void misfortune(struct world *w, struct sim_event *e);

/* ---- sim_check.c ---- */
struct sim_known *known_of(struct world *w, const struct id *id);
void check_started(struct sim_host *h, const struct sim_process *p);
void check_step(struct world *w);
void check_end(struct world *w);

#endif
