ALTER TABLE tickets ADD COLUMN priority int;
