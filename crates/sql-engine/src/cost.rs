//! How long work takes: asked of whoever knows the rates.

use schema_rules::Catalog;
use schema_rules::effects::Work;
use sim_clock::Nanos;

/// Knows how long work takes.
///
/// `rows` is how many rows the table has in the simulation; a model of a greater table knows its size from
/// the catalog.
pub trait Durations {
    /// The work of a statement that defines or maintains something.
    fn of_work(&self, catalog: &Catalog, work: &Work, rows: u64) -> Nanos;

    /// A query or a change of rows that read and wrote so many rows.
    fn of_rows(&self, read: u64, written: u64) -> Nanos;
}

/// Nothing takes any time: what isolation specs and set-up scripts want.
#[derive(Clone, Copy, Debug, Default)]
pub struct Instant;

impl Durations for Instant {
    fn of_work(&self, _catalog: &Catalog, _work: &Work, _rows: u64) -> Nanos {
        Nanos::ZERO
    }

    fn of_rows(&self, _read: u64, _written: u64) -> Nanos {
        Nanos::ZERO
    }
}
