//! `rehearsal scenario …`.

mod schema;

use std::process::ExitCode;

/// What to do with scenario files.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Print the JSON Schema of scenario files, for editors.
    Schema,
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Schema => schema::run(),
        }
    }
}
