ALTER TABLE orders ADD COLUMN shop integer;
