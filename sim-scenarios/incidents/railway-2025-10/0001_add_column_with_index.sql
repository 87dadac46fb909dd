ALTER TABLE resources ADD COLUMN region text;
CREATE INDEX resources_region ON resources (region);
