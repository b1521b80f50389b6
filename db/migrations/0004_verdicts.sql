-- Verdicts about hosts (K21-K23).  A pool says how long a SUSPECT host may stay away before it is LOST,
-- and how many hosts may be given up in ten minutes before an operator is asked.
ALTER TABLE pool
	ADD COLUMN lost_after_ms    int NOT NULL DEFAULT 60000 CHECK (lost_after_ms > 0),
	ADD COLUMN verdicts_max     int NOT NULL DEFAULT 10 CHECK (verdicts_max >= 0),
	ADD COLUMN verdicts_percent int NOT NULL DEFAULT 10 CHECK (verdicts_percent BETWEEN 0 AND 100);

-- verdict_at: this SUSPECT host may be given up; verdict_held_at: it may not yet, the cap is reached;
-- verdict_by: an operator confirmed that it is lost.  All three end when the host is heard again.
ALTER TABLE host
	ADD COLUMN suspect_reason  text NOT NULL DEFAULT '',
	ADD COLUMN verdict_at      timestamptz,
	ADD COLUMN verdict_held_at timestamptz,
	ADD COLUMN verdict_by      text NOT NULL DEFAULT '';

-- What its host gave up restarting is tried elsewhere: of sessions that restart at all.
ALTER TABLE session ADD COLUMN replace_failed boolean NOT NULL DEFAULT false;

-- A leader who has just begun has not heard enough to judge anybody.
ALTER TABLE lease ADD COLUMN taken_at timestamptz NOT NULL DEFAULT clock_timestamp();

-- The rate cap's counter: hosts given up, by minute.
CREATE TABLE verdict_minute (
	pool_id int NOT NULL,
	minute  timestamptz NOT NULL,
	hosts   int NOT NULL,
	PRIMARY KEY (pool_id, minute)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON verdict_minute TO fairlead_hub, fairlead_scheduler;
