ALTER TYPE message_kind ADD VALUE 'teams_user_message';
