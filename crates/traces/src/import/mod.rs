//! From sources to one trace.
//!
//! ```text
//!  csvlog ──┐
//!  jsonlog ─┼─► entries ─► sessions: statements joined, ──┐
//!  stderr ──┘              transactions kept together     │
//!  pgreplay-go ──────────► (the same, without durations)  ├─► sorter ─► header + records by time
//!  pgbench ──────────────► transactions ──────────────────┤   (spills)
//!  pg_stat_statements ───► rates ─► drawn arrivals ───────┘
//! ```
//!
//! Memory is bounded by what is open at a time: one transaction per session, and one run of the sorter.
//!
//! Invariant: what is not understood is counted and named, and reading goes on with the next line.

mod detect;
mod importer;
mod outcome;
mod pgbench;
mod pgreplay;
mod session;
mod sessions;
mod snapshot;
mod sorter;
mod survey;
mod synthetic;
mod transaction;

pub use detect::Format;
pub use importer::Importer;
pub use outcome::{ImportError, Options, Problem, Report};
pub use sorter::Spill;

pub use crate::logs::prefix::PrefixError;
