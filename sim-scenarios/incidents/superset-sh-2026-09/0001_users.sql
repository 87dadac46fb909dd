ALTER TABLE users ADD COLUMN plan text;
ALTER TABLE organizations ADD COLUMN plan text;
ALTER TABLE webhook_events ALTER kind TYPE text;
