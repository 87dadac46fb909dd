//! The rates of the cost model, by name.

/// Where a number comes from, from the best source to the weakest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Basis {
    /// Set by whoever runs the model.
    #[default]
    Given,
    /// Measured on real servers.
    Measured,
    /// Computed from measurements of something else.
    Derived,
    /// Taken for plausible.
    Assumed,
}

impl Basis {
    /// How far the truth may lie from the likely value, in percent of it: below, above. Measured work took up to
    /// two and a half times as long on a loaded machine, and parallel index builds two thirds.
    pub(super) fn range_percent(self) -> (u64, u64) {
        match self {
            Self::Given => (100, 100),
            Self::Measured => (65, 250),
            Self::Derived => (50, 300),
            Self::Assumed => (25, 500),
        }
    }

    /// The word for reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Measured => "measured",
            Self::Derived => "derived",
            Self::Assumed => "assumed",
        }
    }
}

macro_rules! rates {
    ($($(#[doc = $doc:literal])* $variant:ident, $name:literal, $picoseconds:literal, $basis:ident;)*) => {
        /// What a unit of work takes. Defaults are medians of CPU time on PostgreSQL 15 and 17 at one million rows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Rate {
            $($(#[doc = $doc])* $variant,)*
        }

        impl Rate {
            /// Every rate.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name in settings: what is done, to what, and the unit.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            fn default_picoseconds(self) -> u64 {
                match self { $(Self::$variant => $picoseconds,)* }
            }

            fn default_basis(self) -> Basis {
                match self { $(Self::$variant => Basis::$basis,)* }
            }
        }
    };
}

rates! {
    /// A sequential scan that counts rows.
    ScanRow, "scan_row_ns", 72_000, Measured;
    /// A scan that checks a constraint on each row.
    CheckRow, "check_row_ns", 87_000, Measured;
    /// A scan that looks each row up in an index, for an exclusion constraint.
    ExclusionRow, "exclusion_row_ns", 2_000_000, Assumed;
    /// A rewrite that computes values.
    RewriteRow, "rewrite_row_ns", 690_000, Measured;
    /// A rewrite that copies rows as they are (VACUUM FULL, CLUSTER).
    CopyRow, "copy_row_ns", 480_000, Measured;
    /// A file copied block by block (SET TABLESPACE), with its log.
    CopyByte, "copy_byte_ns", 2_000, Assumed;
    /// A btree over a number in no order.
    IndexRow, "index_row_ns", 630_000, Measured;
    /// A btree over a number that is in order already.
    SortedIndexRow, "sorted_index_row_ns", 285_000, Measured;
    /// A btree over text.
    TextIndexRow, "text_index_row_ns", 980_000, Measured;
    /// A GIN index.
    GinRow, "gin_row_ns", 4_000_000, Assumed;
    /// A GiST or SP-GiST index.
    GistRow, "gist_row_ns", 5_000_000, Assumed;
    /// A BRIN index.
    BrinRow, "brin_row_ns", 100_000, Assumed;
    /// The second pass of a concurrent build.
    ValidateIndexRow, "validate_index_row_ns", 200_000, Measured;
    /// A referencing row that is joined with the referenced table.
    ForeignKeyRow, "foreign_key_row_ns", 370_000, Measured;
    /// A row of the referenced table in that join.
    ReferencedRow, "referenced_row_ns", 1_000_000, Derived;
    /// A row that ANALYZE samples.
    SampleRow, "sample_row_ns", 3_000_000, Measured;
    /// A page that ANALYZE reads for its sample.
    SamplePage, "sample_page_ns", 5_500_000, Derived;
    /// VACUUM, where there is next to nothing to do.
    VacuumRow, "vacuum_row_ns", 124_000, Measured;
    /// An UPDATE of many rows in a table with one index.
    UpdateRow, "update_row_ns", 3_860_000, Measured;
    /// Each further index that has to take a changed row in.
    UpdateIndexEntry, "update_index_entry_ns", 4_500_000, Derived;
    /// A row that a query stores (materialised view, CREATE TABLE AS).
    StoreRow, "store_row_ns", 550_000, Measured;
    /// A row found by an index and read.
    ReadOneRow, "read_one_row_ns", 30_000_000, Assumed;
    /// A row found by an index and changed, without the commit's flush.
    WriteOneRow, "write_one_row_ns", 55_000_000, Measured;
    /// A new, empty file.
    NewFile, "new_file_ns", 1_000_000_000, Assumed;
    /// Rows of the system catalogs.
    CatalogChange, "catalog_change_ns", 300_000_000, Measured;
}

/// A value for every rate.
#[derive(Clone, Debug)]
pub struct Rates {
    values: Vec<(u64, Basis)>,
}

impl Default for Rates {
    fn default() -> Self {
        Self { values: Rate::ALL.iter().map(|r| (r.default_picoseconds(), r.default_basis())).collect() }
    }
}

/// A rate that does not exist, or a value that is no number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownRate {
    /// No such name.
    #[error("there is no rate {0:?}; the rates are {names}", names = names())]
    Name(String),
    /// Not a number of nanoseconds.
    #[error("{0:?} is not a number of nanoseconds")]
    Value(String),
}

fn names() -> String {
    Rate::ALL.iter().map(|r| r.name()).collect::<Vec<_>>().join(", ")
}

impl Rates {
    /// Picoseconds per unit.
    pub fn picoseconds(&self, rate: Rate) -> u64 {
        self.values[rate as usize].0
    }

    /// Where the rate comes from.
    pub fn basis(&self, rate: Rate) -> Basis {
        self.values[rate as usize].1
    }

    /// Sets a rate by its name to a decimal number of nanoseconds.
    pub fn set(&mut self, name: &str, nanoseconds: &str) -> Result<(), UnknownRate> {
        let rate =
            Rate::ALL.iter().find(|r| r.name() == name).ok_or_else(|| UnknownRate::Name(name.into()))?;
        let value = parse_picoseconds(nanoseconds).ok_or_else(|| UnknownRate::Value(nanoseconds.into()))?;
        self.values[*rate as usize] = (value, Basis::Given);
        Ok(())
    }
}

/// A decimal number with up to three places, times a thousand.
fn parse_picoseconds(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = fraction.get(..fraction.len().min(3))?;
    let fraction: u64 = format!("{digits:0<3}").parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(fraction)
}
