//! A small in-memory SQL engine: the simulated PostgreSQL server.
//!
//! ```text
//!   SQL text ──sql_syntax──► statements ──plan──► Plan ──exec──► tasks ─┐ steps      ┌─► transactions::Backends
//!                                │                                     ├───────────►│   (locks, rows, waits)
//!                                └──schema_rules::effects──► DdlTask ──┘ outcomes ◄─┘
//! ```
//!
//! [`Database`] is pure: time comes in, effects go out. A query is sent to a session; its statements run until
//! they are done, fail, wait for a lock or work for a while; due timers are handed back with
//! [`Database::fire`].
//!
//! ```
//! use sim_clock::Nanos;
//! use sql_engine::{Database, DatabaseConfig};
//! use transactions::{Effects, SessionSettings};
//!
//! let mut database = Database::new(DatabaseConfig::instant());
//! database.script("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a')").unwrap();
//! let mut fx = Effects::default();
//! let a = database.connect(Nanos::ZERO, "a", SessionSettings::default());
//! let b = database.connect(Nanos::ZERO, "b", SessionSettings::default());
//! database.submit(Nanos::ZERO, a, "BEGIN; UPDATE t SET v = 'b' WHERE id = 1", &mut fx);
//! database.submit(Nanos::ZERO, b, "UPDATE t SET v = v || 'c' WHERE id = 1 RETURNING v", &mut fx);
//! assert_eq!(database.blockers(b), [a]);
//! database.submit(Nanos::ZERO, a, "COMMIT", &mut fx);
//! assert_eq!(database.take_result(b), Some(vec![vec![Some("bc".to_owned())]]));
//! ```
//!
//! What the engine cannot do it refuses by name (`not modelled: window functions`, SQLSTATE 0A000), never by
//! guessing. Deliberately absent: a planner's choices beyond "is there an index", collations other than "C",
//! time zones other than UTC, predicate locks on tables of many pages, PL/pgSQL.
//!
//! Invariants: a statement is planned against what its session sees of the catalog, and again whenever that has
//! changed while it waited; everything that a failed statement did to rows and catalog is undone.

// Plans and results are few; plain tuples and variants say more than names for them would.
#![allow(clippy::large_enum_variant, clippy::type_complexity)]

mod command;
mod cost;
mod database;
mod error;
mod exec;
mod expr;
mod job;
mod plan;
mod serial;
mod state;
mod temporary;
mod value;
mod virtual_table;

pub use cost::{Durations, Instant};
pub use database::{Database, DatabaseConfig, StatementId, TableBackup};
pub use error::{NOT_MODELLED, SqlError, SqlState, is_not_modelled};
pub use plan::ResultColumn;
pub use state::{Notice, QueryResult, StatementResult, Tuple};
pub use value::{Decimal, Interval, Type, Value};
