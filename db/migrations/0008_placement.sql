-- What placement asks of hosts besides labels, drivers and room.  needs: words a host's capabilities must hold.
-- spread_by, apart_by: label keys ('host': each host by itself), '' where it does not matter.
ALTER TABLE executor_spec
	ADD COLUMN needs       text NOT NULL DEFAULT '',
	ADD COLUMN spread_by   text NOT NULL DEFAULT '',
	ADD COLUMN spread_skew int NOT NULL DEFAULT 0,
	ADD COLUMN apart_by    text NOT NULL DEFAULT '',
	ADD COLUMN apart_max   int NOT NULL DEFAULT 0;

-- Ends that count against a host for the session of the executor; a row is forgotten with time.
CREATE TABLE avoided (
	executor_id uuid PRIMARY KEY,
	session_id  uuid NOT NULL,
	host_id     text NOT NULL,
	at          timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX avoided_session ON avoided (session_id, at);
CREATE INDEX avoided_at ON avoided (at);
GRANT SELECT, INSERT, UPDATE, DELETE ON avoided TO fairlead_hub, fairlead_scheduler;
