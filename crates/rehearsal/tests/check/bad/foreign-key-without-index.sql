SET lock_timeout = '2s';
ALTER TABLE invoices ADD CONSTRAINT invoices_number_fk FOREIGN KEY (id) REFERENCES orders (id) NOT VALID;
