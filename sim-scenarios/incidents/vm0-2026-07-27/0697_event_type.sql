ALTER TABLE chat_messages ADD COLUMN event_type text;
