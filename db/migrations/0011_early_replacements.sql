-- A session may want a replacement before its executor is given up (K24): both run until the original's host is back or
-- given up, and then one of them is kept.
ALTER TABLE session ADD COLUMN keep_replacement boolean NOT NULL DEFAULT false;

-- Originals that have such a replacement beside them.  executor.stopped_for of the one that is not kept: 'keep'.
CREATE TABLE relieved (
	executor_id uuid PRIMARY KEY,
	pool_id     int NOT NULL,
	session_id  uuid NOT NULL,
	idx         int NOT NULL,
	attempt     int NOT NULL,
	at          timestamptz NOT NULL DEFAULT clock_timestamp()
);
GRANT SELECT, INSERT, UPDATE, DELETE ON relieved TO fairlead_hub, fairlead_scheduler;
