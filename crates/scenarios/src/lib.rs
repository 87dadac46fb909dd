//! Scenario files: what a rehearsal needs, read from TOML and checked.
