SET lock_timeout = '2s';
BEGIN;
CREATE INDEX CONCURRENTLY orders_amount_idx ON orders (amount);
COMMIT;
