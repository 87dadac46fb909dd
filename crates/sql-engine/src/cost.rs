//! How long work takes: asked of whoever knows the rates.

use schema_rules::Catalog;
use schema_rules::catalog::RelationSize;
use schema_rules::cost::{CostModel, Rate};
use schema_rules::effects::{Work, WorkKind};
use sim_clock::Nanos;

/// Knows how long work takes.
pub trait Durations {
    /// The work of a statement that defines or maintains something; the catalog has the sizes of the tables
    /// that it is about.
    fn of_work(&self, catalog: &Catalog, work: &Work) -> Nanos;

    /// A query or a change of rows that read and wrote so many rows.
    fn of_rows(&self, read: u64, written: u64) -> Nanos;

    /// What a statement takes that changes the catalog, beside its work.
    fn of_catalog_change(&self) -> Nanos;
}

/// Nothing takes any time: what isolation specs and set-up scripts want.
#[derive(Clone, Copy, Debug, Default)]
pub struct Instant;

impl Durations for Instant {
    fn of_work(&self, _catalog: &Catalog, _work: &Work) -> Nanos {
        Nanos::ZERO
    }

    fn of_rows(&self, _read: u64, _written: u64) -> Nanos {
        Nanos::ZERO
    }

    fn of_catalog_change(&self) -> Nanos {
        Nanos::ZERO
    }
}

/// As many rows as are looked up one by one; more are read in one go.
const FEW: u64 = 16;

impl Durations for CostModel {
    fn of_work(&self, catalog: &Catalog, work: &Work) -> Nanos {
        // What changes the catalog is paid for once, at the statement's end.
        if work.kind == WorkKind::Catalog { Nanos::ZERO } else { Nanos(self.work(catalog, work).likely_ns) }
    }

    fn of_rows(&self, read: u64, written: u64) -> Nanos {
        let times = |rate: Rate, count: u64| {
            let picoseconds = u128::from(self.rates.picoseconds(rate)) * u128::from(count);
            u64::try_from(picoseconds / 1000).unwrap_or(u64::MAX)
        };
        let reading = if read <= FEW { times(Rate::ReadOneRow, read) } else { times(Rate::ScanRow, read) };
        let writing =
            if written <= FEW { times(Rate::WriteOneRow, written) } else { times(Rate::UpdateRow, written) };
        Nanos(reading.saturating_add(writing))
    }

    fn of_catalog_change(&self) -> Nanos {
        Nanos(self.rates.picoseconds(Rate::CatalogChange) / 1000)
    }
}

/// The size of a table as the model wants it, if nobody has given another one.
pub(crate) fn with_rows(mut catalog: Catalog, table: lock_table::RelationId, rows: u64) -> Catalog {
    if !catalog.has_size(table) {
        catalog.set_size(table, RelationSize { rows, bytes: 0 });
    }
    catalog
}
