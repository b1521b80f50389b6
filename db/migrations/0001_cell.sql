-- The schema of one cell.  State codes, ranks and rules: lib/domain/executor_state.def and docs/state.md.
-- No index and no partial-index predicate on any column that a report changes: those updates stay HOT.

CREATE TABLE cell (
	name       text PRIMARY KEY,
	cell_term  bigint NOT NULL DEFAULT 0,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The first value of a control-plane counter in the present term: (cell_term << 40).
CREATE FUNCTION term_floor() RETURNS bigint LANGUAGE sql STABLE AS
$$ SELECT cell_term << 40 FROM cell $$;

CREATE TABLE pool (
	pool_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name    text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$')
);

CREATE TABLE lease (
	name       text PRIMARY KEY,
	holder     text NOT NULL,
	epoch      bigint NOT NULL,
	expires_at timestamptz NOT NULL,
	UNIQUE (name, epoch)
) WITH (fillfactor = 10);

CREATE TABLE host (
	host_id           text PRIMARY KEY CHECK (host_id ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
	pool_id           int NOT NULL REFERENCES pool,
	state             smallint NOT NULL CHECK (state BETWEEN 1 AND 4),
	epoch             bigint NOT NULL,
	host_seq          bigint NOT NULL,
	journal_id        uuid NOT NULL,
	journal_floor     bigint NOT NULL,
	start_no          bigint NOT NULL,
	hello_no          bigint NOT NULL,
	instance_id       uuid NOT NULL,
	boot_id           text NOT NULL,
	agent_version     text NOT NULL,
	protocol_revision int NOT NULL,
	capabilities      text NOT NULL,
	encoding          text NOT NULL,
	arch              text NOT NULL,
	kernel            text NOT NULL,
	labels            jsonb NOT NULL DEFAULT '{}',
	operator_labels   jsonb NOT NULL DEFAULT '{}',
	drivers           jsonb NOT NULL DEFAULT '[]',
	cpu_millis        bigint NOT NULL,
	memory_bytes      bigint NOT NULL,
	disk_bytes        bigint NOT NULL,
	gpus              bigint NOT NULL,
	slots             bigint NOT NULL,
	cordoned_at       timestamptz,
	cordoned_by       text NOT NULL DEFAULT '',
	cordon_reason     text NOT NULL DEFAULT '',
	suspect_since     timestamptz,
	first_seen_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
	last_hello_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
	retired_at        timestamptz
) WITH (fillfactor = 80);
CREATE INDEX host_pool ON host (pool_id, host_id);

-- Journals that a newer one superseded: their reports are dropped for good (K2).
CREATE TABLE host_journal_superseded (
	host_id       text NOT NULL,
	journal_id    uuid NOT NULL,
	superseded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (host_id, journal_id)
);

-- What is reserved on a host; written by the pool's scheduler only.
CREATE TABLE host_capacity (
	host_id      text PRIMARY KEY,
	cpu_millis   bigint NOT NULL DEFAULT 0 CHECK (cpu_millis >= 0),
	memory_bytes bigint NOT NULL DEFAULT 0 CHECK (memory_bytes >= 0),
	disk_bytes   bigint NOT NULL DEFAULT 0 CHECK (disk_bytes >= 0),
	gpus         bigint NOT NULL DEFAULT 0 CHECK (gpus >= 0),
	slots        bigint NOT NULL DEFAULT 0 CHECK (slots >= 0)
) WITH (fillfactor = 50);

-- Coarse flush of what hubs keep in memory; empty after a crash of Postgres, which is fine.
CREATE UNLOGGED TABLE host_liveness (
	host_id           text PRIMARY KEY,
	last_heartbeat_at timestamptz NOT NULL,
	contiguous_seq    bigint NOT NULL,
	rtt_us            bigint NOT NULL,
	server            text NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE session (
	session_id uuid PRIMARY KEY,
	name       text NOT NULL CHECK (name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
	pool_id    int NOT NULL REFERENCES pool,
	state      smallint NOT NULL CHECK (state BETWEEN 1 AND 3),
	revision   bigint NOT NULL,
	replicas   int NOT NULL,
	priority   int NOT NULL,
	spec       jsonb NOT NULL,
	lost_after_ms int NOT NULL,
	created_by text NOT NULL,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	closed_at  timestamptz
);
-- One living session per name (E7).
CREATE UNIQUE INDEX session_living_name ON session (name) WHERE state <> 3;
CREATE INDEX session_name ON session (name, created_at DESC);
CREATE INDEX session_closing ON session (pool_id) WHERE state = 2;

-- Folded from session_delta by one owner; one column per state.
CREATE TABLE session_counter (
	session_id uuid PRIMARY KEY,
	queued bigint NOT NULL DEFAULT 0, placed bigint NOT NULL DEFAULT 0,
	accepted bigint NOT NULL DEFAULT 0, pulling bigint NOT NULL DEFAULT 0,
	starting bigint NOT NULL DEFAULT 0, running bigint NOT NULL DEFAULT 0,
	backoff bigint NOT NULL DEFAULT 0, stopping bigint NOT NULL DEFAULT 0,
	succeeded bigint NOT NULL DEFAULT 0, failed bigint NOT NULL DEFAULT 0,
	stopped bigint NOT NULL DEFAULT 0, rejected bigint NOT NULL DEFAULT 0,
	lost bigint NOT NULL DEFAULT 0, expired bigint NOT NULL DEFAULT 0,
	cancelled bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- What a host needs to run one executor: wide, immutable, once per session revision.
CREATE TABLE executor_spec (
	session_id        uuid NOT NULL,
	revision          bigint NOT NULL,
	body              bytea NOT NULL,
	driver            text NOT NULL,
	selector          text NOT NULL,
	limits_required   boolean NOT NULL,
	cpu_millis        bigint NOT NULL,
	memory_bytes      bigint NOT NULL,
	disk_bytes        bigint NOT NULL,
	gpus              bigint NOT NULL,
	slots             bigint NOT NULL,
	stop_grace_ms     int NOT NULL,
	accept_timeout_ms int NOT NULL,
	PRIMARY KEY (session_id, revision)
);

-- Hot and narrow.  (generation, desired) move down, (incarnation, rank) move up.
CREATE TABLE executor (
	executor_id         uuid PRIMARY KEY,
	session_id          uuid NOT NULL,
	revision            bigint NOT NULL,
	pool_id             int NOT NULL,
	idx                 int NOT NULL,
	attempt             int NOT NULL,
	host_id             text,
	desired             smallint NOT NULL DEFAULT 1 CHECK (desired BETWEEN 1 AND 3),
	generation          bigint NOT NULL DEFAULT 0,
	accepted_generation bigint NOT NULL DEFAULT 0,
	gone_generation     bigint NOT NULL DEFAULT 0,
	incarnation         int NOT NULL DEFAULT 0,
	rank                smallint NOT NULL,
	state               smallint NOT NULL CHECK (state IN (10, 20, 40, 50, 60, 70, 75, 80, 90, 91, 92, 93, 94, 95, 96)),
	prev_state          smallint NOT NULL DEFAULT 0,
	prev_rank           smallint NOT NULL DEFAULT 0,
	exit_code           int NOT NULL DEFAULT -1,
	signal              int NOT NULL DEFAULT 0,
	oom                 boolean NOT NULL DEFAULT false,
	started             boolean NOT NULL DEFAULT false,
	reason              text NOT NULL DEFAULT '',
	detail              text NOT NULL DEFAULT '',
	late_outcome        text NOT NULL DEFAULT '',
	late_at             timestamptz, -- when late_outcome was kept
	starting_after_us   bigint NOT NULL DEFAULT 0,
	running_after_us    bigint NOT NULL DEFAULT 0,
	ended_after_us      bigint NOT NULL DEFAULT 0,
	queued_at           timestamptz NOT NULL DEFAULT clock_timestamp(),
	placed_at           timestamptz,
	accepted_at         timestamptz,
	starting_at         timestamptz,
	running_at          timestamptz,
	ended_at            timestamptz,
	gone_at             timestamptz,
	CHECK (rank = least(state, 90))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
CREATE UNIQUE INDEX executor_name ON executor (session_id, idx, attempt);

-- A row from placement to GONE, RETIRED or return to QUEUED: membership and reservation (K16).
-- reserved false: the end or GONE freed it.
CREATE TABLE host_executor (
	host_id      text NOT NULL,
	executor_id  uuid NOT NULL,
	reserved     boolean NOT NULL DEFAULT true,
	host_seq     bigint NOT NULL,
	cpu_millis   bigint NOT NULL,
	memory_bytes bigint NOT NULL,
	disk_bytes   bigint NOT NULL,
	gpus         bigint NOT NULL,
	slots        bigint NOT NULL,
	PRIMARY KEY (host_id, executor_id)
) WITH (fillfactor = 70);
-- An executor is on one host, ever (invariant 5).
CREATE UNIQUE INDEX host_executor_once ON host_executor (executor_id);

-- A row while the executor wants a host.
CREATE TABLE placement_queue (
	executor_id uuid PRIMARY KEY,
	pool_id     int NOT NULL,
	priority    int NOT NULL,
	enqueued    bigint GENERATED ALWAYS AS IDENTITY,
	not_before  timestamptz NOT NULL DEFAULT '-infinity',
	why         jsonb NOT NULL DEFAULT '{}'
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE INDEX placement_queue_order ON placement_queue (pool_id, priority DESC, enqueued);

-- Desired state per (executor, generation); only EXPIRED (1) and DEAD (2) are stored outcomes (K8).
CREATE TABLE command (
	executor_id   uuid NOT NULL,
	generation    bigint NOT NULL,
	desired       smallint NOT NULL CHECK (desired BETWEEN 1 AND 3),
	host_id       text NOT NULL,
	host_seq      bigint NOT NULL,
	message_id    uuid NOT NULL,
	deadline_at   timestamptz,
	stop_grace_ms int NOT NULL DEFAULT 0,
	outcome       smallint CHECK (outcome IN (1, 2)),
	outcome_at    timestamptz,
	outcome_reason text NOT NULL DEFAULT '',
	sent_at       timestamptz, -- the bus acknowledged its message for the first time
	created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (executor_id, generation)
);
CREATE INDEX command_host ON command (host_id, host_seq);
CREATE INDEX command_message ON command (message_id);

-- A row while a message still wants something: a PubAck, or acceptance of its items.
CREATE TABLE outbox (
	message_id   uuid PRIMARY KEY,
	pool_id      int NOT NULL,
	host_id      text NOT NULL,
	host_seq     bigint NOT NULL,
	created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
	sent_at      timestamptz,
	attempts     int NOT NULL DEFAULT 0,
	next_look_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- Edges, one array row per batch; appended by every statement that changes a state (K14).
CREATE TABLE session_delta (
	delta_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	sessions uuid[] NOT NULL,
	from_states smallint[] NOT NULL,
	to_states smallint[] NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
ALTER TABLE session_delta ALTER COLUMN sessions SET STORAGE EXTERNAL;
ALTER TABLE session_delta ALTER COLUMN from_states SET STORAGE EXTERNAL;
ALTER TABLE session_delta ALTER COLUMN to_states SET STORAGE EXTERNAL;

-- Work lists of the scheduler: append here, fold there.
CREATE TABLE executor_ended (
	ended_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	executor_id uuid NOT NULL,
	pool_id     int NOT NULL,
	folded_at   timestamptz,     -- reservation freed; the row stays until ABSENT is written
	ended_at    timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE TABLE executor_gone (
	gone_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	executor_id uuid NOT NULL,
	pool_id     int NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- A user's wish to change what exists; the pool's scheduler carries it out.
CREATE TABLE intent (
	intent_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	pool_id     int NOT NULL,
	kind        text NOT NULL CHECK (kind IN ('session.close', 'executor.stop')),
	session_id  uuid,
	executor_id uuid,
	now         boolean NOT NULL DEFAULT false,
	who         text NOT NULL,
	at          timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

CREATE TABLE idempotency (
	key        text PRIMARY KEY,
	session_id uuid NOT NULL,
	at         timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE event_outbox (
	outbox_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at          timestamptz NOT NULL DEFAULT clock_timestamp(),
	kind        text NOT NULL,
	session     text NOT NULL DEFAULT '',
	executor_id uuid,
	executor    text NOT NULL DEFAULT '',
	host        text NOT NULL DEFAULT '',
	who         text NOT NULL DEFAULT '',
	text        text NOT NULL DEFAULT ''
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

CREATE TABLE event (
	cursor      bigint PRIMARY KEY,
	at          timestamptz NOT NULL,
	kind        text NOT NULL,
	session     text NOT NULL,
	executor_id uuid,
	executor    text NOT NULL,
	host        text NOT NULL,
	who         text NOT NULL,
	text        text NOT NULL
);
CREATE INDEX event_session ON event (session, cursor) WHERE session <> '';
CREATE INDEX event_host ON event (host, cursor) WHERE host <> '';
CREATE INDEX event_executor ON event (executor_id, cursor) WHERE executor_id IS NOT NULL;
CREATE INDEX event_at ON event (at);
-- The newest number given, so that numbers never repeat after retention.
CREATE TABLE event_cursor (
	only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
	cursor   bigint NOT NULL
);

INSERT INTO cell (name) VALUES ('cell');
INSERT INTO pool (name) VALUES ('default');
INSERT INTO event_cursor (cursor) VALUES (0);
