/* bus_nats: what the files of the NATS implementation share.
 *
 * Connections: libnats reconnects by itself, but closes a connection for good after two
 * authentication errors in a row; then the keeper thread makes a new one and moves the
 * subscriptions.  So everything that uses a connection holds a reference (nats_bus_acquire), and
 * nothing else of libnats that lives in a connection is used: JetStream is spoken by hand
 * (bus_nats_js.c, bus_nats_publish.c, bus_nats_pull.c), on plain requests and inboxes.
 *
 * Locks: subs_lock before lock; no lock is held in a handler but the one of its subscription. */
#ifndef BUS_NATS_H
#define BUS_NATS_H

#include <nats/nats.h>
#include <pthread.h>
#include <stdatomic.h>

#include "bus_bounds.h"
#include "bus_internal.h"
#include "err.h"

#define NATS_SERVERS_MAX 32
#define NATS_TEXT_BYTES 256

struct nats_bus;

/* One connection of libnats.  References: the bus, each call in progress, each pull that has its
 * inbox there, and the closed callback, which is the last callback libnats makes. */
struct nats_conn {
	natsConnection *nc; /* NULL until it was connected once */
	struct nats_bus *bus;
	atomic_int refs;
	/* Under bus->lock: what the callbacks said, also before the keeper knows the connection. */
	bool down, closed;
};

/* References: the owner, and each native subscription until libnats is done with it. */
struct nats_sub {
	struct bus_sub base;
	struct nats_sub *prev, *next; /* under subs_lock */
	char *subject, *queue;
	unsigned pending_max;
	bus_handler *handler;
	void *arg;
	atomic_int refs;
	pthread_mutex_t running; /* recursive: held while the handler runs */
	bool dead;               /* under running */
	bool draining;           /* under subs_lock: not for another connection any more */
	natsSubscription *native;
	struct nats_conn *conn;  /* where native lives; compared only, never followed */
	uint64_t dropped_before; /* by native subscriptions that are gone */
};

/* One asynchronous publish in flight. */
struct nats_pending {
	bus_ack_handler *handler; /* NULL: the slot is free */
	void *arg;
	int64_t deadline_us;
	uint32_t generation; /* a late answer to an older use of the slot is ignored */
	int prev, next;      /* slots in flight, oldest first; or the free list */
};

/* Messages that nobody needs any more.  libnats wakes a thread of its own for each message that is
 * destroyed: an idle agent would be woken twice per heartbeat for it.  They are destroyed together,
 * when there are many or large ones. */
#define NATS_PILE_MAX 64
#define NATS_PILE_BYTES_MAX (32 * 1024)
struct nats_pile {
	pthread_mutex_t lock;
	natsMsg *msgs[NATS_PILE_MAX];
	unsigned n;
	size_t bytes;
};

struct nats_server_name {
	struct nats_server_name *next;
	char name[];
};

struct nats_bus {
	struct bus base;
	natsOptions *options;
	unsigned configured_servers;
	bool lazy_flush;
	void (*on_state)(void *arg, enum bus_state state, const char *why);
	void (*on_failure)(void *arg, bool denied, const char *why);
	void *on_state_arg; /* of both */

	pthread_mutex_t lock;
	pthread_cond_t changed; /* state, and anything the keeper looks at */
	bool closing;
	bool woken;             /* the keeper must look again before it waits */
	struct nats_conn *conn; /* the current one; its nc is NULL while connecting */
	bool ready;             /* conn is connected and has the subscriptions */
	bool connect_wanted;
	int64_t connect_at_us;
	unsigned attempts; /* since the last stable minute */
	enum bus_state state;
	int64_t since_us, rtt_us, ping_at_us;
	bool denied;
	char why[NATS_TEXT_BYTES]; /* the last reason for not being connected */
	struct nats_server_name *names;
	const char *server_name;
	char server_id[BUS_SERVER_ID_BYTES];
	uint64_t client_id; /* 0: unknown */
	unsigned conns;     /* not destroyed yet */

	pthread_mutex_t notify_lock; /* one on_state at a time */

	pthread_mutex_t subs_lock;
	struct nats_sub *subs;

	pthread_mutex_t pending_lock;
	struct nats_pending *pending;
	unsigned pending_max;
	int pending_free, pending_first, pending_last;
	struct bus_sub *ack_sub;
	char ack_inbox[BUS_SUBJECT_BYTES];

	struct nats_pile pile;

	pthread_t keeper;
};

static inline struct nats_bus *
nats_bus_of(struct bus *b)
{
	return (struct nats_bus *)b;
}

/* bus_nats_connection.c */
extern const struct bus_ops bus_nats_ops;
/* NULL with ERR_UNAVAILABLE: never connected, or being rebuilt. */
struct nats_conn *nats_bus_acquire(struct nats_bus *b, struct err *err);
void nats_bus_release(struct nats_conn *c);
DEFINE_CLEANUP(struct nats_conn *, nats_bus_release);
/* The one translation of natsStatus.  Returns -1. */
int nats_bus_error(struct err *err, natsStatus status, const char *what, const char *subject);
void nats_bus_wake(struct nats_bus *b);

/* bus_nats_keeper.c */
void *nats_keeper_main(void *arg);

/* bus_nats_sub.c */
int nats_sub_new(struct bus *base, const char *subject, const char *queue, unsigned pending_max,
    bus_handler *handler, void *arg, struct bus_sub **ret, struct err *err);
void nats_sub_free(struct bus_sub *base);
int nats_sub_drain(struct bus_sub *base, int timeout_ms, struct err *err);
uint64_t nats_sub_dropped(const struct bus_sub *base);
/* Subscribes everything on c that is not there yet. */
int nats_sub_restore(struct nats_bus *b, struct nats_conn *c, struct err *err);

/* bus_nats_msg.c */
struct bus_msg nats_msg_view(struct bus *b, natsMsg *native);
const char *nats_msg_header(const struct bus_msg *m, const char *name);
struct bus_msg *nats_msg_copy(const struct bus_msg *m);
void nats_msg_free(struct bus_msg *m);
/* Instead of natsMsg_Destroy. */
void nats_msg_drop(struct nats_bus *b, natsMsg *native);
void nats_msg_drop_all(struct nats_bus *b);
/* A message that owns native.  NULL: no memory, then the caller still owns it. */
struct bus_msg *nats_msg_own(struct bus *b, natsMsg *native);
int nats_msg_make(const struct bus_out *out, const char *reply, natsMsg **ret, struct err *err);
/* The number in the status line of a message without data ("503"), else 0. */
int nats_msg_status(const struct bus_msg *m);

/* bus_nats_core.c */
int nats_core_publish(struct bus *base, const struct bus_out *out, struct err *err);
int nats_core_request(struct bus *base, const struct bus_out *out, int timeout_ms,
    struct bus_msg **ret_reply, struct err *err);
int nats_core_flush(struct bus *base, int timeout_ms, struct err *err);

/* bus_nats_publish.c */
int nats_publish_init(struct nats_bus *b, unsigned pending_max, struct err *err);
/* Calls the handlers of everything still in flight. */
void nats_publish_done(struct nats_bus *b);
/* Those past their deadline; returns when the next one is due, INT64_MAX for none. */
int64_t nats_publish_expire(struct nats_bus *b, int64_t now_us);
int nats_publish_sync(struct bus *base, const struct bus_out *out, int timeout_ms,
    struct bus_ack *ret_ack, struct err *err);
int nats_publish_async(struct bus *base, const struct bus_out *out, bus_ack_handler *handler,
    void *arg, struct err *err);

/* bus_nats_js.c */
int nats_js_stream_get(
    struct bus *base, const char *name, struct bus_stream_view *ret, struct err *err);
int nats_js_stream_create(
    struct bus *base, const struct bus_stream *s, int replicas, struct err *err);
int nats_js_stream_message(
    struct bus *base, const char *name, uint64_t seq, struct bus_msg **ret, struct err *err);
int nats_js_stream_delete(struct bus *base, const char *name, struct err *err);
int nats_js_consumer_get(struct bus *base, const char *stream, const char *durable,
    struct bus_consumer_view *ret, struct err *err);
int nats_js_consumer_state(struct bus *base, const char *stream, const char *durable,
    struct bus_consumer_state *ret, struct err *err);
int nats_js_consumer_create(struct bus *base, const struct bus_consumer *c, struct err *err);

/* bus_nats_pull.c */
int nats_pull_bind(struct bus *base, const char *stream, const char *durable, struct bus_pull **ret,
    struct err *err);
void nats_pull_free(struct bus_pull *base);
int nats_pull_fetch(struct bus_pull *base, unsigned max, int timeout_ms, struct bus_msg **msgs,
    size_t *ret_n, struct err *err);

/* bus_nats_api.c: one request of the JetStream API. */
struct json_t;
/* request may be NULL.  *ret_reply is the caller's (json_decref).  Errors of the server become
 * kinds: 10059 and 10014 ERR_NOT_FOUND, 10058 ERR_CONFLICT, ...; *ret_code is the server's number,
 * 0 when it did not answer; may be NULL. */
int nats_api_call(struct nats_bus *b, const char *subject, const struct json_t *request,
    struct json_t **ret_reply, int *ret_code, struct err *err);
/* Sets *err from the "error" member of a reply; 0 when there is none. */
int nats_api_check(const struct json_t *reply, const char *what, int *ret_code, struct err *err);

#endif
