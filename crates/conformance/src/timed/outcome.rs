//! What came of a run, recorded or simulated, and the figures that are made of it.

use std::collections::{BTreeMap, BTreeSet};

use super::recording::{Input, RecordedOutcome, Run};

/// What came of one run; times are milliseconds since its start.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Of each arrival: when it ended, and how; nothing if it never did.
    pub requests: Vec<Option<Ended>>,
    /// Of each migration.
    pub migrations: Vec<MigrationOutcome>,
    /// The most sessions that waited for a lock when somebody looked.
    pub peak_waiters: u64,
}

/// How a request ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// When.
    pub at: f64,
    /// Its SQLSTATE, or `POOL`; nothing if it ended well.
    pub failure: Option<String>,
}

/// How a migration went.
#[derive(Clone, Debug, Default)]
pub struct MigrationOutcome {
    /// Attempts, over all its steps.
    pub attempts: usize,
    /// Whether it came to its end.
    pub ok: bool,
    /// How long it took.
    pub total_ms: f64,
}

impl Outcome {
    /// What a repeat recorded.
    #[must_use]
    pub fn recorded(run: &Run) -> Self {
        let ended = |request: &Option<_>| {
            let super::recording::RecordedRequest(_, end, outcome) = request.as_ref()?;
            let failure = match outcome.as_ref()? {
                RecordedOutcome::Ok(_) => None,
                RecordedOutcome::Failed(state) => Some(state.clone()),
            };
            Some(Ended { at: (*end)?, failure })
        };
        let migration = |one: &super::recording::RecordedMigration| MigrationOutcome {
            attempts: one.attempts.len(),
            ok: one.ok,
            total_ms: one.total_ms,
        };
        Self {
            requests: run.requests.iter().map(ended).collect(),
            migrations: run.migrations.iter().map(migration).collect(),
            peak_waiters: run.waiters.iter().map(|sample| sample.1).max().unwrap_or(0),
        }
    }
}

/// How far a figure may lie outside of what was recorded, at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Milliseconds: 50.
    Millis,
    /// Requests and attempts: 3.
    Count,
    /// Sessions that wait: 1.
    Waiters,
    /// Yes or no: not at all.
    Flag,
}

impl Unit {
    /// The least allowance.
    #[must_use]
    pub const fn least_allowance(self) -> f64 {
        match self {
            Self::Millis => 50.0,
            Self::Count => 3.0,
            Self::Waiters => 1.0,
            Self::Flag => 0.0,
        }
    }
}

/// Figures by name.
pub type Figures = BTreeMap<String, (Unit, f64)>;

/// The figures of a run.
#[must_use]
pub fn figures(input: &Input, outcome: &Outcome) -> Figures {
    let mut figures = Figures::new();
    requests(input, outcome, &mut figures);
    outages(input, outcome, &mut figures);
    for (at, migration) in outcome.migrations.iter().enumerate() {
        let mut set =
            |what: &str, unit, value| figures.insert(format!("migration {at} {what}"), (unit, value));
        set("attempts", Unit::Count, count(migration.attempts));
        set("success", Unit::Flag, f64::from(u8::from(migration.ok)));
        set("total", Unit::Millis, migration.total_ms);
    }
    #[allow(clippy::cast_precision_loss)]
    figures.insert("peak waiters".to_owned(), (Unit::Waiters, outcome.peak_waiters as f64));
    figures
}

fn requests(input: &Input, outcome: &Outcome, figures: &mut Figures) {
    let mut latencies = Vec::new();
    let mut delayed = 0;
    let mut errors: BTreeMap<&str, usize> = BTreeMap::new();
    for (arrival, request) in input.arrivals.iter().zip(&outcome.requests) {
        let Some(ended) = request else { continue };
        let latency = ended.at - arrival.0;
        latencies.push(latency);
        delayed += usize::from(latency - arrival.3 > 100.0);
        if let Some(state) = &ended.failure {
            *errors.entry(state).or_default() += 1;
        }
    }
    latencies.sort_by(f64::total_cmp);
    let mut set = |name: &str, unit, value| figures.insert(name.to_owned(), (unit, value));
    set("delayed over 100 ms", Unit::Count, count(delayed));
    for (name, thousandths) in [("p50", 500), ("p95", 950), ("p99", 990), ("max", 1000)] {
        set(&format!("latency {name}"), Unit::Millis, at_share(&latencies, thousandths));
    }
    for (state, number) in errors {
        set(&format!("errors {state}"), Unit::Count, count(number));
    }
}

/// The value below which that many thousandths of the sorted values lie.
fn at_share(sorted: &[f64], thousandths: usize) -> f64 {
    let at = sorted.len() * thousandths / 1000;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

/// The longest spans without a request that ended well: of those that touch a table, and of all.
fn outages(input: &Input, outcome: &Outcome, figures: &mut Figures) {
    let last = input.arrivals.iter().map(|arrival| arrival.0).fold(0.0, f64::max);
    let tables: BTreeSet<&String> = input.templates.iter().flat_map(|template| &template.tables).collect();
    let longest = |concerned: &dyn Fn(usize) -> bool| {
        let ended = input.arrivals.iter().zip(&outcome.requests).filter(|(arrival, _)| concerned(arrival.1));
        let served = ended.filter_map(|(_, request)| request.as_ref().filter(|r| r.failure.is_none()));
        let mut ends: Vec<f64> = served.map(|request| request.at).filter(|at| *at <= last).collect();
        ends.extend([0.0, last]);
        ends.sort_by(f64::total_cmp);
        ends.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max)
    };
    for table in tables {
        let span = longest(&|template| input.templates[template].tables.contains(table));
        figures.insert(format!("outage of {table}"), (Unit::Millis, span));
    }
    figures.insert("outage overall".to_owned(), (Unit::Millis, longest(&|_| true)));
}

#[allow(clippy::cast_precision_loss)]
fn count(number: usize) -> f64 {
    number as f64
}
