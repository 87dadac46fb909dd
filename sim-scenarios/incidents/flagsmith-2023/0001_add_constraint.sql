ALTER TABLE feature_states ADD CONSTRAINT one_state UNIQUE (feature_id, environment_id);
