ALTER TABLE board_climb_stats ADD COLUMN synced_at timestamptz;
UPDATE board_climb_stats SET synced_at = now();
ALTER TABLE board_climbs ADD COLUMN synced_at timestamptz;
