//! The result of a rehearsal: as data, as JSON, as text, as a page; and the verdict on it.
//!
//! ```text
//!   Report ── judge ──►┬─► text   the terminal's page, 100 columns
//!   (model)  (verdict) ├─► html   one page with charts, to be opened from a file
//!                      └─► json   the data itself
//! ```
//!
//! Invariant: every view shows the same numbers, and equal reports give equal bytes.
//! Deliberately absent: simulation. Everything here is given.

mod facts;
pub mod html;
pub mod json;
mod model;
pub mod text;
pub mod units;
pub mod verdict;

pub use model::{
    Assumption, Bar, Basis, Blame, BudgetLine, ChainLink, Connections, Figure, LockWaits, Migration,
    MigrationStatement, PoolUse, Report, RequestClass, Series, Track, Unit, Verdict, WaitEdge, WaitNode,
    WaitsFor,
};
pub use verdict::{Budget, judge};
