//! Recorded behaviour of real PostgreSQL servers, replayed and compared.

pub mod schedules;
