//! `rehearsal conform timed`: recorded outages, compared figure by figure.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use conformance::timed::{Comparison, Unit, compare, parse};

/// Run recorded outages in the simulator and compare what users felt.
///
/// One line for each scenario, with the metrics that miss. A metric agrees when it lies within the range of the
/// recorded repeats, widened by 5 % of their mean or by 50 ms (3 requests, 1 waiter), whichever is wider. The exit
/// status is 0 if all agree.
#[derive(Debug, clap::Args)]
pub(crate) struct Timed {
    /// Recordings (JSON, or JSON compressed by gzip).
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl Timed {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let mut out = std::io::stdout().lock();
        let (mut agree, mut all) = (0, 0);
        for path in &self.files {
            let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            let recording = parse(&bytes).with_context(|| format!("{} cannot be used", path.display()))?;
            let compared =
                compare(&recording).with_context(|| format!("{} cannot be run", path.display()))?;
            let misses: Vec<&Comparison> = compared.iter().filter(|metric| !metric.agrees()).collect();
            agree += compared.len() - misses.len();
            all += compared.len();
            report(&mut out, &recording.name, compared.len(), &misses)?;
        }
        writeln!(out, "{agree} of {all} metrics agree in {} scenarios", self.files.len())?;
        Ok(if agree == all { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}

fn report(out: &mut dyn Write, name: &str, all: usize, misses: &[&Comparison]) -> std::io::Result<()> {
    write!(out, "{name}: {} of {all}", all - misses.len())?;
    for (at, miss) in misses.iter().enumerate() {
        write!(out, "{} {}", if at == 0 { "; missed:" } else { "," }, described(miss))?;
    }
    writeln!(out)
}

/// `latency p95 1234.5 ms (recorded 1300.0 to 1320.5, allowance 65.5)`.
fn described(miss: &Comparison) -> String {
    let run = miss.run.map_or(String::new(), |run| format!(" of run {run}"));
    let (least, most) = miss.recorded;
    let Comparison { metric, simulated, allowance, .. } = miss;
    match miss.unit {
        Unit::Millis => format!(
            "{metric}{run} {simulated:.1} ms (recorded {least:.1} to {most:.1}, allowance {allowance:.1})"
        ),
        _ => format!("{metric}{run} {simulated} (recorded {least} to {most}, allowance {allowance:.1})"),
    }
}
