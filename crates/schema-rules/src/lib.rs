//! What a statement does to a live PostgreSQL database: locks, rewrites, scans, catalog and cost, by version.
//!
//! ```text
//!   sql_syntax::Statement ──► effects::advance(catalog, session, version, facts) ──► Effects: steps, error, changes
//!                                     │ changes                                          │ steps
//!                                     ▼                                                  ▼
//!                                  Catalog                                        cost::CostModel ──► Estimate
//! ```
//!
//! [`effects::advance`] runs a statement against a [`Catalog`] as the server's code would and notes each step: locks in
//! the order in which they are taken, work on data, waits, commits. The catalog afterwards is what the next statement
//! meets. [`cost::CostModel`] turns the work into durations.
//!
//! Everything here is pure: no files, no clock, no serialisation.
//!
//! ```
//! use schema_rules::cost::CostModel;
//! use schema_rules::effects::{LockSummary, NoFacts, advance};
//! use schema_rules::{Catalog, PgVersion, Session};
//!
//! let (mut catalog, mut session) = (Catalog::new(), Session::default());
//! let script = "CREATE TABLE users (id int PRIMARY KEY);
//!     CREATE TABLE orders (id bigint PRIMARY KEY, user_id int CONSTRAINT fk REFERENCES users);
//!     ALTER TABLE orders DROP CONSTRAINT fk;";
//! let mut last = None;
//! for statement in sql_syntax::parse(script).statements {
//!     last = Some(advance(&mut catalog, &mut session, &statement.value, PgVersion::V17, &NoFacts));
//! }
//! let effects = last.unwrap();
//! assert!(effects.error.is_none());
//! // Dropping the foreign key takes both tables for itself.
//! let locks: Vec<String> = LockSummary::of(&effects.steps)
//!     .iter()
//!     .map(|lock| format!("{} {}", effects.relation(lock.relation).unwrap().name, lock.strongest))
//!     .collect();
//! assert_eq!(locks, ["orders AccessExclusiveLock", "users AccessExclusiveLock"]);
//! assert!(CostModel::default().statement(&effects).likely_ns < 10_000_000);
//! ```

pub mod catalog;
pub mod coercion;
pub mod cost;
pub mod effects;
pub mod error;
pub mod expression;
pub mod findings;
pub mod migrations;
mod version;

pub use catalog::{Catalog, RelationId, Session};
pub use error::SqlError;
pub use version::PgVersion;
