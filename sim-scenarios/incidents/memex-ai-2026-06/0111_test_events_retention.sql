ALTER TABLE test_event_latest ADD COLUMN memex_id bigint;
ALTER TABLE test_events ALTER outcome TYPE text USING outcome::text;
