SET lock_timeout = '2s';
ALTER TABLE orders ADD COLUMN shop integer;
UPDATE orders SET shop = 1 WHERE id BETWEEN 1 AND 1000;
