SET lock_timeout = '2s';
ALTER TABLE orders ADD COLUMN;
ALTER TABEL orders ADD COLUMN shop integer;
ALTER TABLE orders ADD COLUMN shop integer;
