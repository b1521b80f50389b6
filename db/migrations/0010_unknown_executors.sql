-- What a host's newest hello names, the cell does not know, and an older term began: a backup was put back over it.
-- It runs on until somebody says `host stop-unknown` (K6).  told_at: somebody did; the next hello is answered so.
CREATE TABLE host_unknown (
	host_id     text NOT NULL,
	executor_id uuid NOT NULL,
	generation  bigint NOT NULL,
	since       timestamptz NOT NULL DEFAULT clock_timestamp(),
	told_at     timestamptz,
	told_by     text NOT NULL DEFAULT '',
	PRIMARY KEY (host_id, executor_id)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON host_unknown TO fairlead_hub, fairlead_scheduler;
