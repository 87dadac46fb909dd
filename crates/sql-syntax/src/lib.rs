//! PostgreSQL's SQL text as small statement types with their places in the text.
