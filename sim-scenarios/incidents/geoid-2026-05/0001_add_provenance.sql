ALTER TABLE catalogs ADD COLUMN IF NOT EXISTS provenance text;
