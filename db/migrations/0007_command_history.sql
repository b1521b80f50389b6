-- Commands that people look at: how often one left, and what became of what expired or died.
-- settled: nobody needs to look at it any more, because somebody replayed or dropped it.
ALTER TABLE command
	ADD COLUMN deliveries   int NOT NULL DEFAULT 0,  -- acknowledged by the bus; 1 and sent again
	ADD COLUMN last_sent_at timestamptz,
	ADD COLUMN settled      text NOT NULL DEFAULT '' CHECK (settled IN ('', 'replayed', 'dropped')),
	ADD COLUMN settled_by   text NOT NULL DEFAULT '',
	ADD COLUMN settled_at   timestamptz;
CREATE INDEX command_unsettled ON command (executor_id, generation)
	WHERE outcome IS NOT NULL AND settled = '';

-- command.replay names one generation of its executor.
ALTER TABLE intent ADD COLUMN generation bigint NOT NULL DEFAULT 0;
ALTER TABLE intent DROP CONSTRAINT intent_kind_check;
ALTER TABLE intent ADD CONSTRAINT intent_kind_check
	CHECK (kind IN ('session.close', 'executor.stop', 'session.reconcile', 'command.replay'));
