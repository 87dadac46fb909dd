//! The result of a rehearsal: as data, as text, as a page.
//!
//! Deliberately absent: simulation. Everything here is given.

mod model;

pub use model::{
    Assumption, Bar, Basis, Blame, BudgetLine, ChainLink, Connections, Figure, LockWaits, Migration,
    MigrationStatement, PoolUse, Report, RequestClass, Series, Track, Unit, Verdict, WaitEdge, WaitNode,
    WaitsFor,
};
