CREATE TABLE preferences (id bigint PRIMARY KEY, user_id bigint NOT NULL REFERENCES users);
