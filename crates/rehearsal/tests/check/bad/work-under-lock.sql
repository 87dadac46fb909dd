SET lock_timeout = '2s';
BEGIN;
ALTER TABLE orders ADD COLUMN shop integer;
UPDATE orders SET shop = 1 WHERE amount > 5;
COMMIT;
