ALTER TABLE orders ALTER customer_id SET NOT NULL;
ALTER TABLE orders DROP CONSTRAINT customer_known;
