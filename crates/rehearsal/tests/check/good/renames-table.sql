SET lock_timeout = '2s';
CREATE VIEW purchases AS SELECT * FROM orders;
