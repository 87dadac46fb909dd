//! The commands, one file each.

mod check;
mod conform;
mod explain;
mod locks;
mod node;
mod run;
mod scenario;
mod trace;

use std::process::ExitCode;

/// What the program is asked to do.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Run(run::Args),
    Node(node::Args),
    /// Check migration files.
    Check(Box<check::Args>),
    /// Show what a statement does, step by step.
    Explain(explain::Args),
    /// Compare the model with recordings of real PostgreSQL servers.
    #[command(subcommand)]
    Conform(conform::Command),
    /// Study locks: matrices, schedules, specs.
    #[command(subcommand)]
    Locks(locks::Command),
    /// Scenario files: their schema.
    #[command(subcommand)]
    Scenario(scenario::Command),
    /// Recorded traffic: import it from logs and statistics, look at it.
    #[command(subcommand)]
    Trace(trace::Command),
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Run(args) => args.run(),
            Self::Node(args) => args.run(),
            Self::Check(args) => args.run(),
            Self::Explain(args) => args.run(),
            Self::Conform(command) => command.run(),
            Self::Locks(command) => command.run(),
            Self::Scenario(command) => command.run(),
            Self::Trace(command) => command.run(),
        }
    }
}

/// Reads a file of lock schedules.
fn read_schedules(file: &std::path::Path) -> anyhow::Result<Vec<conformance::schedules::Schedule>> {
    use anyhow::Context;
    let name = file.display().to_string();
    let bytes = std::fs::read(file).with_context(|| format!("{name} cannot be read"))?;
    Ok(conformance::schedules::parse(&name, &bytes)?)
}
