//! The subcommands, one file each.

mod ddl;
mod locks;
mod specs;

use std::process::ExitCode;

/// Which of them.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// What DDL statements lock, rewrite, read and refuse.
    Ddl(ddl::Args),
    /// Replay recorded lock schedules and compare every entry.
    Locks(locks::Locks),
    /// Run isolation specs and compare their transcripts.
    Specs(specs::Specs),
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Ddl(args) => args.run(),
            Self::Locks(command) => command.run(),
            Self::Specs(command) => command.run(),
        }
    }
}
