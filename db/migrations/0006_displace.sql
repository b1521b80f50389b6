-- Changing what runs: scale, rolling replacement when the template changes, drain of a host.

-- template_revision: the executor_spec that new executors get.  rolling: executors of an older template may
-- be living.  rollout_paused: why the roll stands still, '' when it does not.
-- indexes: how many of them have been given an executor; behind replicas until the scheduler has seen to it.
ALTER TABLE session
	ADD COLUMN indexes           int NOT NULL DEFAULT 0,
	ADD COLUMN template_revision bigint NOT NULL DEFAULT 1,
	ADD COLUMN previous_spec     jsonb,
	ADD COLUMN max_unavailable   int NOT NULL DEFAULT 1 CHECK (max_unavailable > 0),
	ADD COLUMN rolling           boolean NOT NULL DEFAULT false,
	ADD COLUMN rollout_paused    text NOT NULL DEFAULT '',
	ADD COLUMN rollout_since     timestamptz NOT NULL DEFAULT clock_timestamp(); -- failures before it count no more

UPDATE session SET indexes = replicas;

-- Why the scheduler stopped it: 'user', 'close', 'scale', 'drain', 'roll'; '' when it did not.
ALTER TABLE executor ADD COLUMN stopped_for text NOT NULL DEFAULT '';

-- The disruption budget of a session: a row from the stop until the successor runs.
CREATE TABLE displaced (
	executor_id uuid PRIMARY KEY,
	pool_id     int NOT NULL,
	session_id  uuid NOT NULL,
	idx         int NOT NULL,
	attempt     int NOT NULL,
	why         text NOT NULL CHECK (why IN ('drain', 'roll')),
	at          timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX displaced_session ON displaced (session_id);
GRANT SELECT, INSERT, UPDATE, DELETE ON displaced TO fairlead_hub, fairlead_scheduler;

-- A host that is drained is cordoned too.  After the deadline budgets do not count.
ALTER TABLE host
	ADD COLUMN draining_at       timestamptz,
	ADD COLUMN drained_by        text NOT NULL DEFAULT '',
	ADD COLUMN drain_deadline_at timestamptz;
CREATE INDEX host_draining ON host (pool_id) WHERE draining_at IS NOT NULL;
CREATE INDEX session_rolling ON session (pool_id) WHERE rolling;

ALTER TABLE intent DROP CONSTRAINT intent_kind_check;
ALTER TABLE intent ADD CONSTRAINT intent_kind_check
	CHECK (kind IN ('session.close', 'executor.stop', 'session.reconcile'));
