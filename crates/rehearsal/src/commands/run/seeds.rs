//! `rehearsal run --seeds`: the same scenario with many seeds, on all processors.

use std::num::NonZeroUsize;
use std::path::Path;
use std::process::ExitCode;

use reports::Spread;
use scenarios::{Loaded, Workers};

use super::Args;
use super::output::{self, print, write};
use super::progress::{Extent, Interrupt, Progress};

pub(super) fn run(
    args: &Args,
    loaded: &Loaded,
    count: u64,
    interrupt: &Interrupt,
) -> anyhow::Result<ExitCode> {
    let processors = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let jobs = args.jobs.map_or_else(processors, NonZeroUsize::get);
    let workers = Workers { stop: interrupt.flag(), ..Workers::new(jobs) };
    let progress = Progress::of(Extent::Seeds(count), workers.done.clone());
    let samples = scenarios::run_seeds(loaded, count, &workers);
    progress.end();
    let samples = samples?;
    let done = samples.len() as u64;
    let cut = (done < count).then(|| format!("interrupted after {done} of {count} seeds."));
    let spread = Spread::of(samples, &command(args.scenario.as_deref()), cut);
    if let Some(path) = &args.report {
        write(path, &spread.html())?;
    }
    if let Some(path) = &args.json {
        write(path, &spread.json())?;
    }
    print(&spread.text(output::color()))?;
    Ok(interrupt.status(spread.is_within_budget()))
}

/// What runs the scenario, for a shell.
fn command(scenario: Option<&Path>) -> String {
    let Some(path) = scenario else { return "rehearsal run".to_owned() };
    let path = path.display().to_string();
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+".contains(c);
    if path.chars().all(is_plain) {
        return format!("rehearsal run {path}");
    }
    format!("rehearsal run '{}'", path.replace('\'', "'\\''"))
}
