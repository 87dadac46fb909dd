//! `rehearsal scenario …`.

mod new;
mod schema;

use std::process::ExitCode;

/// What to do with scenario files.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Write a first scenario for a schema and its migrations.
    New(new::Arguments),
    /// Print the JSON Schema of scenario files, for editors.
    Schema,
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::New(arguments) => arguments.run(),
            Self::Schema => schema::run(),
        }
    }
}
