//! `locks explain`: do these statements conflict?

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use conformance::isolation::explain_conflicts;

/// Say what statements lock and who waits for whom, in every order in which they can start.
///
/// Each statement runs in a transaction of its own that stays open; one that cannot be run in a transaction
/// block is looked at while it runs.
#[derive(Debug, clap::Args)]
pub(crate) struct Explain {
    /// The statements, two to five.
    #[arg(required = true, value_name = "STATEMENT")]
    statements: Vec<String>,
    /// SQL that makes the tables, and rows if conflicts on rows are of interest. Without it, empty tables are
    /// assumed to be as the statements need them.
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// The major version of PostgreSQL whose rules hold.
    #[arg(long, value_name = "MAJOR", default_value_t = 15, value_parser = clap::value_parser!(u32).range(12..=18))]
    pg: u32,
}

impl Explain {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let read = |path: &PathBuf| {
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
        };
        let schema = self.schema.as_ref().map(read).transpose()?;
        let explanation = explain_conflicts(self.pg, schema.as_deref(), &self.statements)?;
        std::io::stdout().lock().write_all(explanation.as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}
