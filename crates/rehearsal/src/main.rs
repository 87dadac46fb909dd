//! The command line of Rehearsal: one file per command under `commands`.
//!
//! Exit status: 0 when all is well, 1 when what was asked about is not, 2 when a command could not
//! do its work.

mod check;
mod commands;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;

/// Rehearse a PostgreSQL migration against live traffic before production does.
#[derive(Debug, Parser)]
#[command(name = "rehearsal", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: commands::Command,
}

fn main() -> ExitCode {
    // Replies and reports own stdout; what the program says about itself goes to stderr.
    let own_words = fmt::layer().with_writer(std::io::stderr).with_filter(filter());
    tracing_subscriber::registry().with(own_words).init();
    match Cli::parse().command.run() {
        Ok(status) => status,
        // Whoever reads the output has read enough of it.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// What `RUST_LOG` asks for: `debug`, `json_node=debug,warn` and the like; warnings if it asks for nothing that can be read.
fn filter() -> Targets {
    let asked = std::env::var("RUST_LOG").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or_else(|| Targets::new().with_default(LevelFilter::WARN))
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        let json = cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind);
        io.or(json) == Some(std::io::ErrorKind::BrokenPipe)
    })
}
