//! `rehearsal locks matrix [--rows]`

use std::io::Write;
use std::process::ExitCode;

use lock_table::LockMode;
use transactions::RowLockStrength;

/// Prints which modes of table locks conflict (`X`), and what takes each mode.
#[derive(Debug, clap::Args)]
pub(crate) struct Matrix {
    /// The strengths of row locks instead.
    #[arg(long)]
    rows: bool,
}

/// What takes each mode (manual, section 13.3.1).
const TAKEN_BY: [&str; LockMode::COUNT] = [
    "SELECT",
    "SELECT FOR UPDATE and its weaker forms; the check of a foreign key on the referenced table",
    "INSERT, UPDATE, DELETE, MERGE",
    "VACUUM, ANALYZE, CREATE INDEX CONCURRENTLY, REINDEX CONCURRENTLY, VALIDATE CONSTRAINT",
    "CREATE INDEX",
    "CREATE TRIGGER, ADD FOREIGN KEY (both tables)",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY",
    "most of ALTER TABLE, DROP TABLE, TRUNCATE, REINDEX, CLUSTER, VACUUM FULL",
];

const STRENGTHS: [(RowLockStrength, &str, &str); 4] = [
    (RowLockStrength::KeyShare, "FOR KEY SHARE", "the check of a foreign key, on the referenced row"),
    (RowLockStrength::Share, "FOR SHARE", "SELECT FOR SHARE"),
    (RowLockStrength::NoKeyUpdate, "FOR NO KEY UPDATE", "UPDATE that leaves unique columns as they are"),
    (
        RowLockStrength::Update,
        "FOR UPDATE",
        "DELETE, UPDATE of a column with a unique index, SELECT FOR UPDATE",
    ),
];

impl Matrix {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let mut out = std::io::stdout().lock();
        if self.rows {
            let names = STRENGTHS.map(|(_, name, _)| name);
            let conflicts = |a: usize, b: usize| STRENGTHS[a].0.conflicts_with(STRENGTHS[b].0);
            write_matrix(&mut out, &names, &STRENGTHS.map(|(_, _, by)| by), conflicts)?;
        } else {
            let names = LockMode::ALL.map(LockMode::sql);
            let conflicts = |a: usize, b: usize| LockMode::ALL[a].conflicts_with(LockMode::ALL[b]);
            write_matrix(&mut out, &names, &TAKEN_BY, conflicts)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The columns are the rows' modes in the same order, numbered.
fn write_matrix(
    out: &mut impl Write,
    names: &[&str],
    taken_by: &[&str],
    conflicts: impl Fn(usize, usize) -> bool,
) -> std::io::Result<()> {
    let numbers: Vec<_> = (1..=names.len()).map(|number| number.to_string()).collect();
    writeln!(out, "{:26} {}  taken by", "", numbers.join(" "))?;
    for (row, name) in names.iter().enumerate() {
        let cells: Vec<_> = (0..names.len()).map(|col| if conflicts(row, col) { "X" } else { "." }).collect();
        writeln!(out, "{} {name:24} {}  {}", row + 1, cells.join(" "), taken_by[row])?;
    }
    Ok(())
}
