//! The subcommands, one file each.

use std::process::ExitCode;

/// Which of them.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {}
    }
}
