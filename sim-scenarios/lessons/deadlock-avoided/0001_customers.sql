ALTER TABLE customers ADD COLUMN currency text;
