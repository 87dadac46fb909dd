ALTER TABLE "user" ADD COLUMN flags text;
ALTER TABLE file ADD COLUMN flags text;
