//! Recorded behaviour of real PostgreSQL servers, replayed and compared.

pub mod ddl;
pub mod isolation;
pub mod schedules;
pub mod timed;
