//! What a statement does to a live PostgreSQL database: locks, rewrites, scans, catalog and cost, by version.

pub mod catalog;
pub mod coercion;
pub mod persistent;
pub mod effects;
pub mod error;
pub mod expression;
mod version;

pub use catalog::{Catalog, RelationId, Session};
pub use error::SqlError;
pub use version::PgVersion;
