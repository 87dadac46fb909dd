ALTER TABLE customers ADD COLUMN currency text;
ALTER TABLE orders ADD COLUMN currency text;
