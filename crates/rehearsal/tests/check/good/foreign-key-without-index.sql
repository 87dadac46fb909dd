SET lock_timeout = '2s';
CREATE INDEX CONCURRENTLY invoices_order_idx ON invoices (id);
ALTER TABLE invoices ADD CONSTRAINT invoices_number_fk FOREIGN KEY (id) REFERENCES orders (id) NOT VALID;
