SET lock_timeout = '2s';
CREATE INDEX CONCURRENTLY orders_amount_idx ON orders (amount);
