//! `locks spec`: runs a spec of PostgreSQL's isolation tester and prints the transcript.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use conformance::isolation::{End, Explainer, Simulated, parse, run};

/// Run a spec file of PostgreSQL's isolation tester without a server and print the transcript.
#[derive(Debug, clap::Args)]
pub(crate) struct Spec {
    /// The spec file.
    file: PathBuf,
    /// Show after each step the wait queues, the waits-for graph and the reason of each wait.
    #[arg(long)]
    explain: bool,
    /// The major version of PostgreSQL whose rules hold.
    #[arg(long, value_name = "MAJOR", default_value_t = 15, value_parser = clap::value_parser!(u32).range(12..=18))]
    pg: u32,
}

impl Spec {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let file = self.file.display().to_string();
        let text = fs::read_to_string(&self.file).with_context(|| format!("cannot read {file}"))?;
        let spec = parse(&text).map_err(|error| anyhow::anyhow!(error.excerpt(&file)))?;
        let mut server = Simulated::new(self.pg);
        let run = if self.explain {
            run(&spec, self.pg, &mut server, &mut Explainer::of(&spec))
        } else {
            run(&spec, self.pg, &mut server, &mut ())
        };
        std::io::stdout().lock().write_all(run.transcript.as_bytes())?;
        match run.end {
            End::Complete => Ok(ExitCode::SUCCESS),
            End::GaveUp => Ok(ExitCode::FAILURE),
            End::NotSupported { place, reason } => {
                anyhow::bail!("{file} is not supported: {place}: {reason}")
            }
        }
    }
}
