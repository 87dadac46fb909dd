//! `rehearsal conform ddl`: what DDL statements do, compared with recordings of real servers.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use conformance::ddl::{Comparison, compare, parse};

/// Compares recorded DDL statements with the rules, statement by statement and version by version.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Recordings (JSON, or JSON compressed by gzip).
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

impl Args {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let mut all = Vec::new();
        for path in &self.files {
            let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            let recording = parse(&bytes).with_context(|| format!("{} cannot be used", path.display()))?;
            all.extend(compare(&recording));
        }
        let mut out = std::io::stdout().lock();
        report(&mut out, &all)?;
        let agrees = all.iter().all(Comparison::agrees);
        Ok(if agrees { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}

fn report(out: &mut dyn Write, all: &[Comparison]) -> std::io::Result<()> {
    for comparison in all.iter().filter(|c| !c.agrees()) {
        writeln!(out, "{} on PostgreSQL {}: {}", comparison.id, comparison.version, comparison.sql)?;
        for (field, difference) in &comparison.fields {
            if let Some(difference) = difference {
                writeln!(out, "    {field}: {difference}")?;
            }
        }
    }
    let count = |test: &dyn Fn(&Comparison) -> bool| all.iter().filter(|c| test(c)).count();
    writeln!(out, "locks: {} of {} agree", count(&|c| c.agrees_in(true)), all.len())?;
    writeln!(out, "effects: {} of {} agree", count(&|c| c.agrees_in(false)), all.len())?;
    writeln!(out, "{} of {} statement-version results agree", count(&Comparison::agrees), all.len())
}
