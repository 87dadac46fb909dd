SET lock_timeout = '2s';
CREATE TABLE payments (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
