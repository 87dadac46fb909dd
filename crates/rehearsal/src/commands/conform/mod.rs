//! The subcommands, one file each.

mod ddl;

use std::process::ExitCode;

/// Which of them.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// What DDL statements lock, rewrite, read and refuse.
    Ddl(ddl::Args),
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Ddl(args) => args.run(),
        }
    }
}
