//! The result of a rehearsal: as data, as JSON, as text, as a page; and the verdict on it.
//!
//! ```text
//!   Report ── judge ──►┬─► text   the terminal's page, 100 columns
//!   (model)  (verdict) ├─► html   one page with charts, to be opened from a file
//!                      └─► json   the data itself
//!   Report, Report ────────► compare  two of them side by side, as text or JSON
//!   Report × many seeds ───► spread   how far each figure spreads, as text, page or JSON
//! ```
//!
//! Invariant: every view shows the same numbers, and equal reports give equal bytes.
//! Deliberately absent: simulation. Everything here is given.

mod compare;
mod facts;
pub mod html;
pub mod json;
mod model;
mod spread;
pub mod text;
pub mod units;
pub mod verdict;

pub use compare::{Compared, Comparison, Side, compare};
pub use model::{
    Assumption, Bar, Basis, Blame, BudgetLine, ChainLink, Connections, Deployment, Figure, LockWaits,
    Migration, MigrationStatement, PoolUse, Report, RequestClass, Series, Track, Unit, Verdict, WaitEdge,
    WaitNode, WaitsFor,
};
pub use spread::{BudgetSpread, Distribution, Proportion, Sample, Spread, Worst};
pub use verdict::{Budget, judge};
