//! Checks of the data: after a migration, before the old schema is removed.
//!
//! Each check is a query that counts the rows that fail it.

use super::database::{Database, Timeouts};
use super::{Failure, FailureKind, quote_ident, quote_literal};

/// A check of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// No row has NULL in one of these columns.
    NoNulls {
        /// The columns.
        columns: Vec<String>,
    },
    /// Every address that is there looks like one: something, `@`, something with a dot in it.
    EmailFormat {
        /// The columns.
        columns: Vec<String>,
    },
    /// No two rows have the same value; the surplus ones fail.
    Unique {
        /// The column.
        column: String,
    },
    /// Every value that is there exists in the table that it refers to.
    NoOrphans {
        /// The column.
        column: String,
        /// The table referred to.
        parent: String,
        /// Its column.
        parent_column: String,
    },
    /// Texts are so many characters long.
    Length {
        /// The column.
        column: String,
        /// At least.
        min: Option<i64>,
        /// At most.
        max: Option<i64>,
    },
    /// Numbers lie between these.
    InRange {
        /// The column.
        column: String,
        /// At least.
        min: Option<i64>,
        /// At most.
        max: Option<i64>,
    },
}

/// The names by which checks are asked for.
pub const CHECK_NAMES: [&str; 6] = ["no_nulls", "email_format", "unique", "no_orphans", "length", "in_range"];

/// A POSIX regular expression, as PostgreSQL's `~` takes it.
const EMAIL: &str = "^[^@[:space:]]+@[^@[:space:]]+[.][^@[:space:]]+$";

impl Check {
    /// The query that counts the rows of `table` that fail.
    #[must_use]
    pub fn count_failures(&self, table: &str) -> String {
        let from = quote_ident(table);
        let any = |columns: &[String], test: &dyn Fn(String) -> String| {
            let tests: Vec<String> = columns.iter().map(|column| test(quote_ident(column))).collect();
            format!("SELECT count(*) FROM {from} WHERE {}", tests.join(" OR "))
        };
        match self {
            Self::NoNulls { columns } => any(columns, &|column| format!("{column} IS NULL")),
            Self::EmailFormat { columns } => {
                any(columns, &|column| format!("NOT ({column} ~ {})", quote_literal(EMAIL)))
            }
            Self::Unique { column } => {
                let column = quote_ident(column);
                format!("SELECT count({column}) - count(DISTINCT {column}) FROM {from}")
            }
            Self::NoOrphans { column, parent, parent_column } => {
                let (column, parent, key) =
                    (quote_ident(column), quote_ident(parent), quote_ident(parent_column));
                format!(
                    "SELECT count(*) FROM {from} AS child LEFT JOIN {parent} AS parent \
                     ON parent.{key} = child.{column} \
                     WHERE child.{column} IS NOT NULL AND parent.{key} IS NULL"
                )
            }
            Self::Length { column, min, max } => {
                outside(&from, &format!("length({})", quote_ident(column)), *min, *max)
            }
            Self::InRange { column, min, max } => outside(&from, &quote_ident(column), *min, *max),
        }
    }
}

fn outside(from: &str, measure: &str, min: Option<i64>, max: Option<i64>) -> String {
    let low = min.map(|min| format!("{measure} < {min}"));
    let high = max.map(|max| format!("{measure} > {max}"));
    let tests: Vec<String> = low.into_iter().chain(high).collect();
    let tests = if tests.is_empty() { "false".to_owned() } else { tests.join(" OR ") };
    format!("SELECT count(*) FROM {from} WHERE {tests}")
}

/// Runs the checks and gives, for each, how many rows fail it.
///
/// # Errors
/// What the database says of a query.
pub async fn validate(db: &mut impl Database, table: &str, checks: &[Check]) -> Result<Vec<u64>, Failure> {
    let mut failed = Vec::with_capacity(checks.len());
    for check in checks {
        let done = db.execute(&check.count_failures(table), Timeouts::default()).await;
        let count = done.map_err(|error| Failure::of_database(error, false))?.number();
        let Some(count) = count.and_then(|count| u64::try_from(count).ok()) else {
            let text = "the database did not count the rows that fail".to_owned();
            return Err(Failure::new(FailureKind::Precondition, text));
        };
        failed.push(count);
    }
    Ok(failed)
}
