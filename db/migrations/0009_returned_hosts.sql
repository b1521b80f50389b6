-- Hosts that come back in numbers hold up the verdicts about those still silent (K22).
-- returned_at: READY again after SUSPECT or LOST.  verdict_held_for: of what an event was said, while
-- verdict_held_at is set: "return", others come back; "cap", the cap is reached.
ALTER TABLE host
	ADD COLUMN returned_at      timestamptz,
	ADD COLUMN verdict_held_for text NOT NULL DEFAULT ''
		CHECK (verdict_held_for IN ('', 'return', 'cap'));
UPDATE host SET verdict_held_for = 'cap' WHERE verdict_held_at IS NOT NULL;
