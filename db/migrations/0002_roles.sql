-- Service roles carry their settings; the connecting user takes one with SET ROLE (or is a member).
-- force_generic_plan: custom plans on arrays choose sequential scans (3x slower) and break the lock order.
DO $$
DECLARE
	r text;
BEGIN
	FOREACH r IN ARRAY ARRAY['fairlead_hub', 'fairlead_scheduler'] LOOP
		IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = r) THEN
			BEGIN
				EXECUTE format('CREATE ROLE %I NOLOGIN', r);
			EXCEPTION WHEN duplicate_object OR unique_violation THEN
				NULL; -- another cell of this server was faster
			END;
		END IF;
		EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO %I', r);
		EXECUTE format('GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO %I', r);
		EXECUTE format('GRANT %I TO CURRENT_USER', r);
	END LOOP;
END
$$;
