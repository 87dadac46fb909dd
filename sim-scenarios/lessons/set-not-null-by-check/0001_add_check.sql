ALTER TABLE orders ADD CONSTRAINT customer_known CHECK (customer_id IS NOT NULL) NOT VALID;
