//! The result of a rehearsal: as data, as text, as a page.
//!
//! ```text
//!                      ┌─► text      the terminal's page, 100 columns
//!   Report ── judge ──►├─► html      one self-contained page, drawn here
//!   (model)  (verdict) ├─► json      the data itself
//!                      ├─► compare   two side by side
//!                      └─► seeds     distributions over many
//!   what happened ───────► perfetto  a trace for the Perfetto UI, written as a stream
//! ```
//!
//! Invariant: every view shows the same numbers, and equal reports give equal bytes.
//! Deliberately absent: simulation. Everything here is given.

mod facts;
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
