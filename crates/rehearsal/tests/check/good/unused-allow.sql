SET lock_timeout = '2s';
-- rehearsal: allow json-column
ALTER TABLE orders ADD COLUMN extra json;
