ALTER TABLE callrecord ADD COLUMN cost bigint;
