//! How long work takes.
//!
//! Every kind of work is a sum of rates times sizes. The rates' defaults were measured on PostgreSQL 15 and 17 over
//! tables of 100,000 to 4,000,000 rows of 134 bytes on one core of an otherwise idle machine (see [`Rate`]); what was
//! not measured is derived from them or assumed, and each [`Estimate`] says which, with a range. Deliberately absent:
//! disks slower than memory, contention for CPU between statements, checkpoints. All arithmetic is in integers.

mod rate;

pub use rate::{Basis, Rate, Rates, UnknownRate};

use crate::catalog::{Catalog, Index, IndexKeyValue, Relation, RelationId};
use crate::effects::{Effects, ScanReason, Step, Work, WorkKind};

/// Bytes of a row in the measured tables, heap bytes divided by rows.
const MEASURED_ROW_BYTES: u64 = 134;
/// Bytes of a page.
const PAGE: u64 = 8192;
/// Rows that ANALYZE samples: 300 times the default `default_statistics_target`.
const SAMPLE_ROWS: u64 = 30_000;
/// What a value without a fixed width is taken to be.
const VARIABLE_VALUE_BYTES: u64 = 32;
/// A row's header, its line pointer, and padding.
const ROW_OVERHEAD_BYTES: u64 = 32;

/// How long something takes, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// The likely duration.
    pub likely_ns: u64,
    /// Hardly less than this.
    pub low_ns: u64,
    /// Hardly more than this.
    pub high_ns: u64,
    /// Where it comes from: the weakest of what went into it.
    pub basis: Basis,
}

impl Estimate {
    /// Both, one after the other.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            likely_ns: self.likely_ns.saturating_add(other.likely_ns),
            low_ns: self.low_ns.saturating_add(other.low_ns),
            high_ns: self.high_ns.saturating_add(other.high_ns),
            basis: self.basis.max(other.basis),
        }
    }

    /// A duration with the range that its basis allows.
    fn of(likely_ns: u64, basis: Basis) -> Self {
        let (low, high) = basis.range_percent();
        let part = |percent: u64| {
            u64::try_from(u128::from(likely_ns) * u128::from(percent) / 100).unwrap_or(u64::MAX)
        };
        Self { likely_ns, low_ns: part(low), high_ns: part(high), basis }
    }
}

/// Rates, and what is assumed about tables of which nothing is known.
#[derive(Clone, Debug)]
pub struct CostModel {
    /// The rates.
    pub rates: Rates,
    /// Rows of a table whose size nobody has given.
    pub assumed_rows: u64,
}

impl Default for CostModel {
    fn default() -> Self {
        Self { rates: Rates::default(), assumed_rows: 1_000_000 }
    }
}

impl CostModel {
    /// How many rows a table has, and whether somebody has said so.
    pub fn rows(&self, catalog: &Catalog, id: RelationId) -> (u64, bool) {
        if catalog.has_size(id) { (catalog.size(id).rows, true) } else { (self.assumed_rows, false) }
    }

    /// Bytes of a table's heap.
    pub fn bytes(&self, catalog: &Catalog, id: RelationId) -> u64 {
        let given = catalog.size(id).bytes;
        if given > 0 {
            return given;
        }
        let (rows, _) = self.rows(catalog, id);
        let width = catalog.relation(id).map_or(MEASURED_ROW_BYTES, |r| row_bytes(r));
        rows.saturating_mul(width)
    }

    /// How long a piece of work takes. `catalog` must know the relations that it is about.
    pub fn work(&self, catalog: &Catalog, work: &Work) -> Estimate {
        let id = work.relation;
        let (rows, known) = self.rows(catalog, id);
        let estimate = match &work.kind {
            WorkKind::Scan(reason) => self.per_row(catalog, id, scan_rate(*reason)),
            WorkKind::Rewrite { computed: 0 } => self.per_row(catalog, id, Rate::CopyRow),
            WorkKind::Rewrite { .. } => self.per_row(catalog, id, Rate::RewriteRow),
            WorkKind::CopyFile => self.times(Rate::CopyByte, self.bytes(catalog, id)),
            WorkKind::BuildIndex { index, .. } => self.build(catalog, *index, rows),
            WorkKind::ValidateIndex { .. } => self.times(Rate::ValidateIndexRow, rows),
            WorkKind::CheckForeignKey { referenced } => {
                let theirs = self.rows(catalog, *referenced).0;
                self.times(Rate::ForeignKeyRow, rows).plus(self.times(Rate::ReferencedRow, theirs))
            }
            WorkKind::Analyze => {
                let pages = (self.bytes(catalog, id) / PAGE).min(SAMPLE_ROWS);
                self.times(Rate::SampleRow, rows.min(SAMPLE_ROWS)).plus(self.times(Rate::SamplePage, pages))
            }
            WorkKind::Vacuum { freeze } => {
                let rate = if *freeze { Rate::CopyRow } else { Rate::VacuumRow };
                self.times(rate, rows)
            }
            WorkKind::Update { .. } => {
                let indexes = self.indexes_to_maintain(catalog, id);
                let maintenance = self.times(Rate::UpdateIndexEntry, rows.saturating_mul(indexes));
                self.per_row(catalog, id, Rate::UpdateRow).plus(maintenance)
            }
            WorkKind::Rows { count, written } => {
                let count = count.unwrap_or(1);
                let rate = if *written { Rate::WriteOneRow } else { Rate::ReadOneRow };
                self.times(rate, count)
            }
            WorkKind::Query => self.per_row(catalog, id, Rate::StoreRow),
            WorkKind::FillNewHeap => self.per_row(catalog, id, Rate::StoreRow),
            WorkKind::Truncate | WorkKind::NewSequenceFile | WorkKind::BuildEmptyIndex { .. } => {
                self.times(Rate::NewFile, 1)
            }
            WorkKind::Load => self.times(Rate::WriteOneRow, 1),
            WorkKind::Catalog => self.times(Rate::CatalogChange, 1),
        };
        let sized = matches!(
            work.kind,
            WorkKind::Truncate
                | WorkKind::NewSequenceFile
                | WorkKind::BuildEmptyIndex { .. }
                | WorkKind::Catalog
                | WorkKind::Rows { .. }
        );
        if known || sized { estimate } else { Estimate { basis: Basis::Assumed, ..estimate } }
    }

    /// How long each step of a statement takes; locks and waits take no time of their own. Every statement that
    /// changes the catalog pays for that once, at its end.
    pub fn steps(&self, effects: &Effects) -> Vec<(usize, Estimate)> {
        let mut estimates: Vec<(usize, Estimate)> = effects
            .steps
            .iter()
            .enumerate()
            .filter_map(|(at, step)| match step {
                Step::Work(work) => Some((at, self.work(self.catalog_of(effects, work), work))),
                _ => None,
            })
            .collect();
        if !effects.changes.is_empty() {
            estimates.push((effects.steps.len(), self.times(Rate::CatalogChange, 1)));
        }
        estimates
    }

    /// How long a whole statement works, waits not counted.
    pub fn statement(&self, effects: &Effects) -> Estimate {
        self.steps(effects).into_iter().fold(Estimate::default(), |sum, (_, estimate)| sum.plus(estimate))
    }

    /// Columns and indexes are those that the statement has made.
    fn catalog_of<'e>(&self, effects: &'e Effects, work: &Work) -> &'e Catalog {
        if effects.after.relation(work.relation).is_some() { &effects.after } else { &effects.before }
    }

    fn times(&self, rate: Rate, count: u64) -> Estimate {
        let picoseconds = u128::from(self.rates.picoseconds(rate)) * u128::from(count);
        let likely = u64::try_from(picoseconds / 1000).unwrap_or(u64::MAX);
        Estimate::of(likely, self.rates.basis(rate))
    }

    /// A rate per row of the measured width: half of it is taken to be for the row, half for its bytes.
    fn per_row(&self, catalog: &Catalog, id: RelationId, rate: Rate) -> Estimate {
        let (rows, _) = self.rows(catalog, id);
        let width = self.bytes(catalog, id).checked_div(rows).unwrap_or(MEASURED_ROW_BYTES);
        let whole = self.times(rate, rows);
        let scaled = |ns: u64| {
            let wide =
                u128::from(ns) * u128::from(MEASURED_ROW_BYTES + width) / u128::from(2 * MEASURED_ROW_BYTES);
            u64::try_from(wide).unwrap_or(u64::MAX)
        };
        let usual = (MEASURED_ROW_BYTES / 2..=MEASURED_ROW_BYTES * 2).contains(&width);
        let basis = if usual { whole.basis } else { whole.basis.max(Basis::Derived) };
        Estimate::of(scaled(whole.likely_ns), basis)
    }

    /// An index costs by its method, and a btree by what its first key is.
    fn build(&self, catalog: &Catalog, index: RelationId, rows: u64) -> Estimate {
        let rate = catalog
            .relation(index)
            .and_then(|i| i.as_index())
            .map_or(Rate::IndexRow, |index| index_rate(catalog, index));
        self.times(rate, rows)
    }

    /// Indexes that an update which is not heap-only has to enter the new row into, beyond the first.
    fn indexes_to_maintain(&self, catalog: &Catalog, id: RelationId) -> u64 {
        (catalog.indexes_of(id).count() as u64).saturating_sub(1)
    }
}

fn scan_rate(reason: ScanReason) -> Rate {
    match reason {
        ScanReason::Query => Rate::ScanRow,
        ScanReason::Constraint | ScanReason::PartitionBound | ScanReason::Domain => Rate::CheckRow,
        ScanReason::Exclusion => Rate::ExclusionRow,
    }
}

fn index_rate(catalog: &Catalog, index: &Index) -> Rate {
    match &*index.method {
        "gin" => return Rate::GinRow,
        "gist" | "spgist" => return Rate::GistRow,
        "brin" => return Rate::BrinRow,
        _ => {}
    }
    let Some(IndexKeyValue::Column(number)) = index.keys.first().map(|k| &k.value) else {
        return Rate::TextIndexRow;
    };
    let Some(column) = catalog.relation(index.table).and_then(|t| t.column_at(*number)) else {
        return Rate::IndexRow;
    };
    // A key that is given out in ascending order is sorted already.
    let ascending = index.primary || column.identity.is_some();
    match catalog.base_type(&column.data_type).width() {
        Some(width) if width <= 8 && ascending => Rate::SortedIndexRow,
        Some(_) => Rate::IndexRow,
        None => Rate::TextIndexRow,
    }
}

/// A guess at a row's bytes from the types of its columns.
fn row_bytes(relation: &Relation) -> u64 {
    let value = |width: Option<u16>| width.map_or(VARIABLE_VALUE_BYTES, u64::from);
    ROW_OVERHEAD_BYTES + relation.live_columns().map(|c| value(c.data_type.width())).sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::RelationSize;
    use crate::effects::{NoFacts, advance};
    use crate::{PgVersion, Session};

    fn measured_table(rows: u64) -> (Catalog, Session) {
        let (mut catalog, mut session) = (Catalog::new(), Session::default());
        let script = "CREATE TABLE p (id bigint PRIMARY KEY);
            CREATE TABLE t (id bigint, user_id int, amount int, status varchar(20), note text, price numeric, created_at timestamp);";
        run(&mut catalog, &mut session, script);
        let t = catalog.find_name(&session, "t").unwrap().id;
        let p = catalog.find_name(&session, "p").unwrap().id;
        catalog.set_size(t, RelationSize { rows, bytes: rows * MEASURED_ROW_BYTES });
        catalog.set_size(p, RelationSize { rows: rows / 10, bytes: rows / 10 * 40 });
        (catalog, session)
    }

    fn run(catalog: &mut Catalog, session: &mut Session, script: &str) -> Estimate {
        let model = CostModel::default();
        let mut total = Estimate::default();
        for statement in sql_syntax::parse(script).statements {
            let effects = advance(catalog, session, &statement.value, PgVersion::V17, &NoFacts);
            assert_eq!(effects.error, None);
            total = total.plus(model.statement(&effects));
        }
        total
    }

    /// CPU seconds of one million rows on PostgreSQL 15 and 17, from the measurements.
    #[test]
    fn estimates_meet_the_measurements_within_a_third() {
        for (sql, measured_s) in [
            ("ALTER TABLE t ALTER user_id TYPE bigint", 0.69),
            ("ALTER TABLE t ADD c float8 DEFAULT random()", 0.70),
            ("VACUUM FULL t", 0.48),
            ("ALTER TABLE t ALTER amount SET NOT NULL", 0.083),
            ("ALTER TABLE t ADD CONSTRAINT c CHECK (amount > 0)", 0.089),
            ("ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (id) REFERENCES p", 0.47),
            ("CREATE INDEX ON t (amount)", 0.63),
            ("CREATE INDEX ON t (note)", 0.98),
            ("CREATE INDEX CONCURRENTLY ON t (amount)", 0.83),
            ("ANALYZE t", 0.18),
            ("VACUUM t", 0.12),
            ("UPDATE t SET amount = amount + 1", 3.86),
        ] {
            let (mut catalog, mut session) = measured_table(1_000_000);
            let estimate = run(&mut catalog, &mut session, sql);
            let seconds = estimate.likely_ns as f64 / 1e9;
            let ratio = seconds / measured_s;
            assert!((0.75..1.34).contains(&ratio), "{sql}: {seconds} s, measured {measured_s} s");
            assert!(estimate.low_ns <= estimate.likely_ns && estimate.likely_ns <= estimate.high_ns);
        }
    }

    #[test]
    fn a_size_that_nobody_gave_makes_an_estimate_an_assumption() {
        let (mut catalog, mut session) = (Catalog::new(), Session::default());
        run(&mut catalog, &mut session, "CREATE TABLE t (a int)");
        let estimate = run(&mut catalog, &mut session, "CREATE INDEX ON t (a)");
        assert_eq!(estimate.basis, Basis::Assumed);
    }

    #[test]
    fn a_rate_that_is_set_counts_as_given() {
        let mut model = CostModel::default();
        model.rates.set("scan_row_ns", "100").unwrap();
        assert_eq!(model.times(Rate::ScanRow, 10).likely_ns, 1000);
        assert_eq!(model.rates.basis(Rate::ScanRow), Basis::Given);
        assert!(model.rates.set("no_such_rate", "1").is_err());
    }
}
