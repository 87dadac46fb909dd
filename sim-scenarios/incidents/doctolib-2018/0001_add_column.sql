ALTER TABLE practices ADD COLUMN phone_code text;
