SET lock_timeout = '2s';
ALTER TABLE invoices ADD CONSTRAINT invoices_user_fk FOREIGN KEY (id) REFERENCES orders (id) NOT VALID;
ALTER TABLE invoices VALIDATE CONSTRAINT invoices_user_fk;
