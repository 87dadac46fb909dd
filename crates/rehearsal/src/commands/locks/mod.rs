//! The subcommands, one file each.

mod explain;
mod matrix;
mod replay;
mod spec;

use std::process::ExitCode;

/// Which of them.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Print which lock modes conflict, and what takes each.
    Matrix(matrix::Matrix),
    /// Tell a recorded lock schedule as a story.
    Replay(replay::Replay),
    Explain(explain::Explain),
    Spec(spec::Spec),
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Matrix(command) => command.run(),
            Self::Replay(command) => command.run(),
            Self::Explain(command) => command.run(),
            Self::Spec(command) => command.run(),
        }
    }
}
