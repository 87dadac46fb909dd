//! Recorded traffic: a trace's transactions as requests, at their own times.
//!
//! ```text
//!   trace ──[survey]──► classes, texts ──[plan against the schema]──► scripts ─┐
//!     └──────────────────[window, speed, scale]──────► records ────────────────┴──► Replayed … (one at a time)
//! ```
//!
//! The file is read twice, record by record: once to learn what is in it, once while it is replayed. Memory is
//! bounded by the different statements, never by the length of the trace.
//!
//! Deliberately absent: settings that a session made for itself before the trace began, COPY's data, two-phase commit.

mod draw;
mod script;
mod stand_in;
mod survey;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use reports::{Assumption, Basis};
use sim_actors::Replayed;
use sim_clock::{Nanos, Seed};
use sql_engine::Database;
use traces::record::Sampling;
use traces::transform::{self, Window};
use traces::{Reader, Record};

use crate::load::ScenarioError;
use crate::model::{Scenario, TraceSpec};

use script::Scripts;
pub(crate) use survey::Survey;

/// A recording that is ready to be replayed, and what has to be said about it.
pub(crate) struct Recording {
    /// The requests, in order of arrival.
    pub(crate) requests: Box<dyn Iterator<Item = Replayed>>,
    /// What the recording rests on.
    pub(crate) assumptions: Vec<Assumption>,
    /// What of it the simulation leaves out.
    pub(crate) not_modelled: Vec<String>,
}

impl Survey {
    /// The recording against a schema; its classes are counted from `first_class` on.
    pub(crate) fn recording(&self, scenario: &Scenario, database: &Database, first_class: u32) -> Recording {
        let mut database = database.clone();
        let scripts = Scripts::plan(self, scenario, &mut database, first_class);
        let not_modelled = scripts.not_modelled(self);
        let assumptions = self.assumptions(&scripts);
        let records = records(&self.path, &self.spec, Seed(scenario.seed));
        let requests = records.filter_map(scripts.into_replay());
        Recording { requests: Box::new(requests), assumptions, not_modelled }
    }

    fn assumptions(&self, scripts: &Scripts) -> Vec<Assumption> {
        let of = |basis: traces::record::Basis| match basis {
            traces::record::Basis::Measured => Basis::Measured,
            traces::record::Basis::Derived => Basis::Derived,
            traces::record::Basis::Assumed | traces::record::Basis::Absent => Basis::Assumed,
        };
        let mut list = Vec::new();
        let mut add = |what: &str, value: String, basis: Basis, note: &str| {
            let (what, note) = (format!("trace: {what}"), note.to_owned());
            list.push(Assumption { what, value, basis, note });
        };
        let bases = &self.header.basis;
        let covered = Nanos::from_micros(self.last_us);
        let arrivals = match of(bases.arrivals) {
            Basis::Assumed => "drawn as a Poisson process at the rates of the snapshot",
            _ => "replayed at the recorded times, whatever has become of those before",
        };
        let count = format!("{} transactions in {} s", self.transactions, covered.as_secs_f64());
        add("arrivals", count, of(bases.arrivals), arrivals);
        let service = match of(bases.service_times) {
            Basis::Measured => "as recorded",
            Basis::Derived => "as recorded, less the lock waits that the log shows",
            Basis::Assumed => "drawn, or by the cost model where the trace has none",
        };
        add("service times", format!("{} statements", self.statements), of(bases.service_times), service);
        add("think times", "within transactions".to_owned(), of(bases.think_times), "as recorded");
        match self.header.sampling {
            Sampling::Complete => {}
            Sampling::Sampled { fraction } => {
                let note = "only a part of the traffic is in the trace; `scale` makes up for it";
                add("sampling", format!("about {:.0} %", fraction * 100.0), Basis::Derived, note);
            }
            Sampling::Threshold { min_duration_us } => {
                let value = format!("statements of {} ms or more", min_duration_us as f64 / 1e3);
                add("sampling", value, Basis::Derived, "shorter ones are not in the trace and not replayed");
            }
            Sampling::Unknown => {
                add("sampling", "unknown".to_owned(), Basis::Assumed, "taken as complete");
            }
        }
        let drawn = scripts.drawn(self);
        if drawn > 0 {
            let note = "keys evenly over the table's rows, new keys for what is inserted";
            add("parameters that it does not hold", format!("{drawn} executions"), Basis::Assumed, note);
        }
        list
    }
}

/// The records of a trace as they are to be replayed. What could not be read has been an error of the survey.
fn records(path: &Path, spec: &TraceSpec, seed: Seed) -> Box<dyn Iterator<Item = Record>> {
    let sound = open(path).into_iter().flat_map(|reader| reader.filter_map(Result::ok));
    let records = transform::speed(transform::window(sound, window(spec)), spec.speed);
    // One means the trace itself, without the memory that copies need.
    if (spec.scale - 1.0).abs() < f64::EPSILON {
        return Box::new(records);
    }
    Box::new(transform::scale(records, spec.scale, seed))
}

fn window(spec: &TraceSpec) -> Window {
    let us = |span: crate::units::Span| span.0.0 / 1_000;
    Window { from_us: us(spec.window.from), to_us: spec.window.to.map(us) }
}

type FileReader = Reader<Box<dyn std::io::BufRead>>;

fn open(path: &Path) -> Result<FileReader, ScenarioError> {
    let file: Box<dyn Read> = match File::open(path) {
        Ok(file) => Box::new(file),
        Err(reason) => return Err(ScenarioError::Unreadable { path: path.to_owned(), reason }),
    };
    let of_trace =
        |error: traces::ReadError| ScenarioError::Trace { path: path.to_owned(), reason: error.to_string() };
    Reader::open(file).map_err(of_trace)
}
