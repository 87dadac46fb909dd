-- +goose Up
ALTER TABLE users ADD COLUMN name text;
-- +goose StatementBegin
CREATE FUNCTION greet() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  RETURN 'hello; world';
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION greet();
ALTER TABLE users DROP COLUMN name;
