//! `rehearsal run`: rehearse a scenario and say what the users of the application would have felt.

use std::cell::RefCell;
use std::fs;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;

use anyhow::Context;
use scenarios::{EventObserver, Loaded};
use sim_actors::RunMode;

/// Rehearse a migration against traffic: what was blocked, how long, why, and what to change.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The scenario file; without it, an embedded one: an ALTER TABLE behind a long SELECT.
    scenario: Option<PathBuf>,
    /// The seed, in place of the scenario's.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Write the report as one self-contained page there.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Rehearse this scenario too, with the same seed, and show both side by side.
    #[arg(long, value_name = "SCENARIO")]
    compare: Option<PathBuf>,
    /// Write the report as JSON there.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the event log there, one JSON object a line (docs/event-log.md).
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
}

impl Args {
    /// Exit status 0 within the budget, 1 outside.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let mut loaded = match &self.scenario {
            Some(path) => Loaded::from_file(path)?,
            None => Loaded::embedded_run()?,
        };
        for warning in loaded.warnings() {
            eprintln!("warning: {warning}");
        }
        loaded.scenario.seed = self.seed.unwrap_or(loaded.scenario.seed);
        let log = self.events.as_deref().map(EventLog::create).transpose()?.map(Rc::new);
        let observer = log.clone().map(|log| -> Rc<EventObserver> {
            Rc::new(move |at, actor, event| log.write(&json_node::event_line(at, actor, event)))
        });
        let report = scenarios::run(&loaded, RunMode::Actors, observer)?;
        if let Some(log) = log {
            log.finish()?;
        }
        if let Some(path) = &self.json {
            write(path, &reports::json::to_string(&report))?;
        }
        if let Some(path) = &self.report {
            write(path, &reports::html::page(&report))?;
        }
        let mut out = std::io::stdout().lock();
        let color = out.is_terminal();
        let page = match &self.compare {
            Some(other) => {
                let mut other = Loaded::from_file(other)?;
                other.scenario.seed = loaded.scenario.seed;
                reports::compare(&report, &scenarios::run(&other, RunMode::Actors, None)?).text(color)
            }
            None => reports::text::page(&report, color),
        };
        match out.write_all(page.as_bytes()) {
            // Whoever read it has seen enough.
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => return Err(error.into()),
            _ => {}
        }
        Ok(if report.verdict.within_budget { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
}

/// The event log as a file; the first failure is kept until the end.
struct EventLog {
    file: RefCell<BufWriter<fs::File>>,
    failure: RefCell<Option<std::io::Error>>,
    path: PathBuf,
}

impl EventLog {
    fn create(path: &Path) -> anyhow::Result<Self> {
        let file = fs::File::create(path).with_context(|| format!("{} cannot be written", path.display()))?;
        let (file, failure) = (RefCell::new(BufWriter::new(file)), RefCell::new(None));
        Ok(Self { file, failure, path: path.to_owned() })
    }

    fn write(&self, line: &str) {
        if let Err(error) = writeln!(self.file.borrow_mut(), "{line}") {
            self.failure.borrow_mut().get_or_insert(error);
        }
    }

    fn finish(&self) -> anyhow::Result<()> {
        let flushed = self.file.borrow_mut().flush();
        let outcome = self.failure.take().map_or(flushed, Err);
        outcome.with_context(|| format!("{} cannot be written", self.path.display()))
    }
}
