//! The subcommands, one file each.

mod ddl;
mod locks;
mod specs;
mod timed;

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
    /// Run recorded outages and compare what users felt.
    Timed(timed::Timed),
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Ddl(args) => args.run(),
            Self::Locks(command) => command.run(),
            Self::Specs(command) => command.run(),
            Self::Timed(command) => command.run(),
        }
    }
}
