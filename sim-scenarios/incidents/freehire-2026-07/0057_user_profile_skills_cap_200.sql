ALTER TABLE user_profiles ADD CONSTRAINT skills_cap CHECK (skills <= 200);
