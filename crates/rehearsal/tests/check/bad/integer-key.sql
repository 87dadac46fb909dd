SET lock_timeout = '2s';
CREATE TABLE payments (id integer PRIMARY KEY);
