ALTER TABLE resources ADD COLUMN team_id bigint;
