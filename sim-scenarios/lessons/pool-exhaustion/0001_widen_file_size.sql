ALTER TABLE exports ALTER file_size TYPE bigint;
