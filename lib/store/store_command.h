/* store_command: desired states on their way to hosts, for people (K8).
 *
 * WRITTEN, PUBLISHED, ACCEPTED and SUPERSEDED are computed from other rows; only EXPIRED and DEAD
 * are stored.  EXPIRED is a RUN past its deadline; DEAD is a STOP or ABSENT that was sent as often
 * as the scheduler is told to and never answered, or anything for a host that was removed.  Neither
 * ends what the host is told: a sync has no filter (K11). */
#ifndef STORE_COMMAND_H
#define STORE_COMMAND_H

enum store_command_state {
	COMMAND_WRITTEN = 1,
	COMMAND_PUBLISHED = 2,
	COMMAND_ACCEPTED = 3,
	COMMAND_SUPERSEDED = 4,
	COMMAND_EXPIRED = 5,
	COMMAND_DEAD = 6,
};
#define STORE_COMMAND_STATES_ALL 0x7eu /* a bit per state */

struct store_command {
	struct id executor_id, message_id;
	uint64_t generation, newest_generation; /* of its executor */
	uint64_t host_seq;
	const char *session, *host_id;
	uint32_t index, attempt;
	enum store_command_state state;
	enum desired_state desired;
	uint32_t stop_grace_ms, deliveries;
	const char *reason;                                     /* of EXPIRED and DEAD */
	const char *settled, *settled_by;                       /* "", "replayed", "dropped" */
	int64_t created_us, sent_us, last_sent_us, accepted_us; /* accepted_us: of a RUN */
	int64_t deadline_us, outcome_us, settled_us;
	uint32_t successor; /* the attempt that follows an EXPIRED one, 0: none yet */
	/* What a replay depends on. */
	enum executor_state executor_state;
	enum session_state session_state;
	enum host_state host_state;
	bool wanted;         /* its index is below the session's replicas */
	bool gone;           /* the host said that it has nothing of it */
	bool host_lost;      /* an operator confirmed that the host is lost */
	const char *refused; /* why it cannot be replayed, "": it can */
};
struct store_command_query {
	const char *session;   /* NULL: any */
	const char *host_id;   /* NULL: any */
	struct id executor_id; /* zero: any */
	uint32_t states;       /* a bit per state, 1u << COMMAND_DEAD */
	bool open;             /* only those that are on their way, or wait for a person */
	struct id after;       /* zero: from the first */
	uint64_t after_generation;
	uint32_t limit;
};
/* In order of executor and generation. */
MUST_USE int store_command_list(struct store *s, const struct store_command_query *q,
    struct arena *a, struct store_command **ret, size_t *ret_n, struct err *err);
/* generation 0: the newest.  ERR_NOT_FOUND: none was written. */
MUST_USE int store_command_get(struct store *s, const struct id *executor_id, uint64_t generation,
    struct arena *a, struct store_command *ret, struct err *err);
/* Appends the wish; the pool's scheduler carries it out (store_fold): what is DEAD is said again
 * as the next generation, what EXPIRED gets a successor, whatever the session's bound of
 * replacements says.  ERR_CONFLICT: it may not, with the reason; never while its host may have
 * taken it.  Repeating it changes nothing. */
MUST_USE int store_command_replay(struct store *s, const struct id *executor_id,
    uint64_t generation, const char *who, struct arena *a, struct store_command *ret,
    struct err *err);
/* Nobody needs to look at an EXPIRED or DEAD one any more.  ERR_CONFLICT: it is neither, or was
 * replayed.  Repeating it changes nothing. */
MUST_USE int store_command_drop(struct store *s, const struct id *executor_id, uint64_t generation,
    const char *who, struct arena *a, struct store_command *ret, struct err *err);
/* STOPs and ABSENTs that the bus took deliveries_max times, the last of them answer_after_ms ago,
 * and that no host answered: DEAD.  At most 1024 per call. */
MUST_USE int store_exhaust(struct store *s, const struct store_lease *lease, const char *pool,
    uint32_t deliveries_max, uint32_t answer_after_ms, size_t *ret_n, struct err *err);

#endif
