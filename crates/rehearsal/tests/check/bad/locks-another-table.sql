SET lock_timeout = '2s';
ALTER TABLE invoices DROP CONSTRAINT invoices_order_fk;
