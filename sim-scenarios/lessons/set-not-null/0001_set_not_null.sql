ALTER TABLE orders ALTER customer_id SET NOT NULL;
