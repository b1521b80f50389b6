-- What the scheduler does with executors that are lost: the session's disconnect policy.
ALTER TABLE session
	ADD COLUMN replace_lost     boolean NOT NULL DEFAULT true,
	ADD COLUMN replace_after_ms int NOT NULL DEFAULT 30000,
	ADD COLUMN replacements_max int NOT NULL DEFAULT 0; -- 0: no bound
UPDATE session SET replace_after_ms = lost_after_ms;
