SET lock_timeout = '2s';
DO $$ BEGIN EXECUTE 'UPDATE ' || quote_ident('orders') || ' SET note = NULL'; END $$;
