SET lock_timeout = '2s';
-- The clients have not named the column for a month.
-- rehearsal: allow drops-column
ALTER TABLE orders DROP COLUMN note;
