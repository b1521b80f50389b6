-- A row of event_outbox may hold many facts of one moment: what one batch of reports changed.  Appending
-- an array per batch costs a sixth of appending a row per report; the publisher takes it apart.
ALTER TABLE event_outbox
	ADD COLUMN executors uuid[], -- NULL: one fact, in the other columns; else one per element
	ADD COLUMN states    smallint[],
	ADD COLUMN hosts     text[],
	ADD COLUMN texts     text[];
ALTER TABLE event_outbox ALTER COLUMN executors SET STORAGE EXTERNAL;
ALTER TABLE event_outbox ALTER COLUMN states SET STORAGE EXTERNAL;
ALTER TABLE event_outbox ALTER COLUMN hosts SET STORAGE EXTERNAL;
