//! The subcommands, one file each.

mod locks;

use std::process::ExitCode;

/// Which of them.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Replay recorded lock schedules and compare every entry.
    Locks(locks::Locks),
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Locks(command) => command.run(),
        }
    }
}
