SET lock_timeout = '2s';
-- rehearsal: allow drops-table
ALTER TABLE orders ADD COLUMN shop integer;
