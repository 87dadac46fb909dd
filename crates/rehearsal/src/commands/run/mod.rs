//! `rehearsal run`: rehearse a scenario and say what the users of the application would have felt.
//!
//! Exit status: 0 within the budget, 1 outside, 2 if it could not run, 130 if Ctrl-C ended it early.

mod output;
mod perfetto;
mod progress;
mod recorded;
mod seeds;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::ensure;
use reports::Report;
use scenarios::{EventObserver, Loaded, Onlooker, SessionObserver};
use sim_actors::RunMode;

use output::{EventLog, print, write};
use perfetto::Trace;
use progress::{Extent, Interrupt, Progress};

/// What a shell gives a program that Ctrl-C ended: 128 and the signal's number.
const INTERRUPTED: u8 = 130;

/// Rehearse a migration against traffic: what was blocked, how long, why, and what to change.
///
/// Exit status: 0 within the budget, 1 outside, 2 if it could not run, 130 if Ctrl-C ended it early.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The scenario file; without it, an embedded one: an ALTER TABLE behind a long SELECT.
    scenario: Option<PathBuf>,
    /// The seed, in place of the scenario's.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Rehearse so many seeds, the scenario's and those after it: how far each figure spreads, and how often
    /// the budget is kept. Within the budget is then: every seed is.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..), conflicts_with_all = ["compare", "events", "perfetto"])]
    seeds: Option<u64>,
    /// How many seeds are rehearsed at once; without it, as many as there are processors. The result does not
    /// depend on it.
    #[arg(long, value_name = "N", requires = "seeds")]
    jobs: Option<NonZeroUsize>,
    #[command(flatten)]
    recorded: recorded::Recorded,
    /// Write the report as one self-contained page there.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Rehearse this scenario too, with the same seed, and show both side by side.
    #[arg(long, value_name = "SCENARIO")]
    compare: Option<PathBuf>,
    /// Write the report as JSON there; with --seeds the distributions, with --compare the comparison.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the event log there, one JSON object a line (docs/event-log.md).
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
    /// Write a trace there that <https://ui.perfetto.dev> opens: a track for each session.
    #[arg(long, value_name = "FILE")]
    perfetto: Option<PathBuf>,
}

impl Args {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let mut loaded = match &self.scenario {
            Some(path) => Loaded::from_file(path)?,
            None => Loaded::embedded_run()?,
        };
        loaded = self.recorded.apply(loaded)?;
        for warning in loaded.warnings() {
            eprintln!("warning: {warning}");
        }
        loaded.scenario.seed = self.seed.unwrap_or(loaded.scenario.seed);
        let interrupt = Interrupt::catch()?;
        if let Some(count) = self.seeds {
            let last = loaded.scenario.seed.checked_add(count - 1);
            ensure!(last.is_some(), "--seeds {count}: seeds end at {}", u64::MAX);
            return seeds::run(&self, &loaded, count, &interrupt);
        }
        let report = self.first(&loaded, &interrupt)?;
        if let Some(path) = &self.report {
            write(path, &reports::html::page(&report))?;
        }
        let mut json = reports::json::to_string(&report);
        let mut page = reports::text::page(&report, output::color());
        if let Some(other) = &self.compare {
            let mut other = self.recorded.apply(Loaded::from_file(other)?)?;
            other.scenario.seed = loaded.scenario.seed;
            let second = rehearse(&other, Onlooker::default(), &interrupt)?;
            let comparison = reports::compare(&report, &second);
            (json, page) = (comparison.json(), comparison.text(output::color()));
        }
        if let Some(path) = &self.json {
            write(path, &json)?;
        }
        print(&page)?;
        Ok(interrupt.status(report.verdict.within_budget))
    }

    /// The scenario itself, with all that looks on.
    fn first(&self, loaded: &Loaded, interrupt: &Interrupt) -> anyhow::Result<Report> {
        let log = self.events.as_deref().map(EventLog::create).transpose()?.map(Rc::new);
        let trace = self.perfetto.as_deref().map(Trace::create).transpose()?.map(Rc::new);
        let (logging, tracing) = (log.clone(), trace.clone());
        let observer: Rc<EventObserver> = Rc::new(move |at, actor, event| {
            if let Some(log) = &logging {
                log.write(&json_node::event_line(at, actor, event));
            }
            if let Some(trace) = &tracing {
                trace.event(at, actor, event);
            }
        });
        let observer = (log.is_some() || trace.is_some()).then_some(observer);
        let sessions =
            trace.clone().map(|trace| -> Rc<SessionObserver> { Rc::new(move |sight| trace.session(sight)) });
        let report = rehearse(loaded, Onlooker { observer, sessions, goes_on: None }, interrupt)?;
        if let Some(log) = log {
            log.finish()?;
        }
        if let Some(trace) = trace {
            trace.finish(&report)?;
        }
        Ok(report)
    }
}

/// Runs a scenario until it ends or somebody has seen enough.
fn rehearse(loaded: &Loaded, onlooker: Onlooker, interrupt: &Interrupt) -> anyhow::Result<Report> {
    let until = loaded.scenario.run.until.map(|until| until.0);
    let progress = Progress::begin(Extent::Time(until));
    let (stop, clock) = (interrupt.flag(), progress.position());
    let goes_on = Box::new(move |now: sim_clock::Nanos| {
        clock.store(now.0, Ordering::Relaxed);
        !stop.load(Ordering::Relaxed)
    });
    let report =
        scenarios::run_before(loaded, RunMode::Actors, Onlooker { goes_on: Some(goes_on), ..onlooker });
    progress.end();
    Ok(report?)
}

impl Interrupt {
    fn status(&self, within_budget: bool) -> ExitCode {
        if Arc::as_ref(&self.flag()).load(Ordering::Relaxed) {
            return ExitCode::from(INTERRUPTED);
        }
        if within_budget { ExitCode::SUCCESS } else { ExitCode::from(1) }
    }
}
