//! What a trace holds, for people: `rehearsal trace show`.
//!
//! Everything is summed up record by record: histograms instead of samples, and a bound on the number of
//! different statements, so that a trace of any length takes the same memory.

mod chart;
mod histogram;
mod render;
mod touched;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use crate::record::{End, Failure, Header, Record, Statement, WaitOutcome};
use crate::sql;
use histogram::Histogram;
pub use touched::{Touched, touched};

/// Different statements that are told apart; what comes later is summed up as the others.
const MAX_STATEMENTS: usize = 20_000;

/// Columns of the rate's chart.
const CHART_COLUMNS: usize = 60;

/// A summary in the making.
pub struct Summary {
    header: Header,
    span_us: u64,
    arrivals: Vec<u64>,
    transactions: u64,
    statements: u64,
    sessions: BTreeSet<String>,
    sessions_beyond: u64,
    applications: BTreeMap<String, u64>,
    ends: BTreeMap<&'static str, u64>,
    by_fingerprint: BTreeMap<String, OfStatement>,
    others: u64,
    lengths: Histogram,
    blocks: Histogram,
    longest: Option<Extreme>,
    idle: Histogram,
    longest_idle: Option<Extreme>,
    /// Ends of the transactions that are open at the record's arrival.
    open: BinaryHeap<Reverse<u64>>,
    most_open: (usize, u64),
    waits: BTreeMap<(String, String), OfLock>,
    failures: BTreeMap<(String, String), u64>,
    skipped_runs: u64,
    retries: u64,
}

/// One statement in all its executions.
#[derive(Default)]
struct OfStatement {
    shown: String,
    /// What tables and locks are read from.
    text: Option<String>,
    latency: Histogram,
    count: u64,
    failures: u64,
    rows: u64,
    with_rows: u64,
}

/// Waits for one lock mode on one object.
#[derive(Default)]
struct OfLock {
    us: Histogram,
    outcomes: BTreeMap<&'static str, u64>,
    longest_queue: u64,
}

/// The greatest of something, and where it was.
struct Extreme {
    us: u64,
    at_us: u64,
    session: String,
    what: String,
}

impl Summary {
    /// An empty summary of a trace with that header; `span_us` is what the records cover (the header's
    /// duration, unless a transformation changed it).
    #[must_use]
    pub fn new(header: &Header, span_us: u64) -> Self {
        Self {
            header: header.clone(),
            span_us,
            arrivals: vec![0; CHART_COLUMNS],
            transactions: 0,
            statements: 0,
            sessions: BTreeSet::new(),
            sessions_beyond: 0,
            applications: BTreeMap::new(),
            ends: BTreeMap::new(),
            by_fingerprint: BTreeMap::new(),
            others: 0,
            lengths: Histogram::default(),
            blocks: Histogram::default(),
            longest: None,
            idle: Histogram::default(),
            longest_idle: None,
            open: BinaryHeap::new(),
            most_open: (0, 0),
            waits: BTreeMap::new(),
            failures: BTreeMap::new(),
            skipped_runs: 0,
            retries: 0,
        }
    }

    /// Adds a record.
    pub fn add(&mut self, record: &Record) {
        self.transactions += 1;
        self.retries += record.retries;
        *self.ends.entry(end_name(record.end)).or_default() += 1;
        self.skipped_runs += u64::from(record.end == End::Skipped);
        self.count_arrival(record);
        self.count_session(record);
        self.count_length(record);
        if let Some(failure) = &record.error {
            self.count_failure(failure);
        }
        let mut at_us = record.at_us;
        let mut before: Option<&Statement> = None;
        for statement in &record.statements {
            if let Some(before) = before {
                self.count_idle(record, before, at_us, statement.think_us);
            }
            at_us += statement.think_us + statement.latency_us().unwrap_or(0);
            self.count_statement(statement);
            before = Some(statement);
        }
        if let Some(before) = before.filter(|_| record.idle_at_end_us > 0) {
            self.count_idle(record, before, at_us, record.idle_at_end_us);
        }
    }

    fn count_arrival(&mut self, record: &Record) {
        let place = u128::from(record.at_us) * CHART_COLUMNS as u128 / u128::from(self.span_us.max(1));
        let last = self.arrivals.len() - 1;
        self.arrivals[usize::try_from(place).unwrap_or(last).min(last)] += 1;
    }

    fn count_session(&mut self, record: &Record) {
        if self.sessions.len() < 1_000_000 {
            if !self.sessions.contains(&record.session) {
                self.sessions.insert(record.session.clone());
            }
        } else {
            self.sessions_beyond += u64::from(!self.sessions.contains(&record.session));
        }
        if let Some(application) = &record.application
            && (self.applications.len() < 1_000 || self.applications.contains_key(application))
        {
            *self.applications.entry(application.clone()).or_default() += 1;
        }
    }

    fn count_length(&mut self, record: &Record) {
        let Some(us) = record.duration_us else { return };
        self.lengths.add(us);
        if record.statements.len() > 1 {
            self.blocks.add(us);
        }
        while self.open.peek().is_some_and(|end| end.0 <= record.at_us) {
            self.open.pop();
        }
        self.open.push(Reverse(record.at_us + us));
        if self.open.len() > self.most_open.0 {
            self.most_open = (self.open.len(), record.at_us);
        }
        if self.longest.as_ref().is_none_or(|longest| us > longest.us) {
            let count = record.statements.len();
            let first = record.statements.first().map_or(String::new(), shown);
            let what = match count {
                1 => first,
                _ => format!("{count} statements, the first: {first}"),
            };
            self.longest = Some(Extreme { us, at_us: record.at_us, session: record.session.clone(), what });
        }
    }

    fn count_idle(&mut self, record: &Record, before: &Statement, at_us: u64, us: u64) {
        self.idle.add(us);
        if us > 0 && self.longest_idle.as_ref().is_none_or(|longest| us > longest.us) {
            let what = format!("after {}", shown(before));
            self.longest_idle = Some(Extreme { us, at_us, session: record.session.clone(), what });
        }
    }

    fn count_statement(&mut self, statement: &Statement) {
        self.statements += 1;
        for wait in &statement.waits {
            // Waits for rows name a transaction each: told apart they would say nothing and fill the memory.
            let key = (wait.mode.clone(), kind_of_object(&wait.object));
            let lock = self.waits.entry(key).or_default();
            lock.us.add(wait.us);
            *lock.outcomes.entry(outcome_name(wait.outcome)).or_default() += 1;
            lock.longest_queue = lock.longest_queue.max(wait.queue);
        }
        if let Some(failure) = &statement.error {
            self.count_failure(failure);
        }
        let known = self.by_fingerprint.contains_key(&statement.fingerprint);
        if !known && self.by_fingerprint.len() >= MAX_STATEMENTS {
            self.others += 1;
            return;
        }
        if !known {
            let text = statement.prepared.as_ref().or(statement.text.as_ref()).cloned();
            let of = OfStatement { shown: shown(statement), text, ..OfStatement::default() };
            self.by_fingerprint.insert(statement.fingerprint.clone(), of);
        }
        let Some(of) = self.by_fingerprint.get_mut(&statement.fingerprint) else { return };
        of.count += 1;
        of.failures += u64::from(statement.error.is_some());
        if let Some(us) = statement.latency_us() {
            of.latency.add(us);
        }
        if let Some(rows) = statement.rows {
            of.rows += rows;
            of.with_rows += 1;
        }
    }

    fn count_failure(&mut self, failure: &Failure) {
        let key = (failure.sqlstate.clone().unwrap_or_default(), evened(&failure.message));
        if self.failures.len() < 1_000 || self.failures.contains_key(&key) {
            *self.failures.entry(key).or_default() += 1;
        }
    }
}

/// A message without its names and numbers, so that those of one kind are counted together.
fn evened(message: &str) -> String {
    let mut out = String::new();
    let mut quoted = false;
    for character in message.chars().take(200) {
        match character {
            '"' => {
                quoted = !quoted;
                out.push_str(if quoted { "\"…\"" } else { "" });
            }
            _ if quoted => {}
            c if c.is_ascii_digit() => {
                if !out.ends_with('N') {
                    out.push('N');
                }
            }
            c => out.push(c),
        }
    }
    out
}

/// `relation 16415 of database 5` stays; `transaction 731` and tuples are kinds.
fn kind_of_object(object: &str) -> String {
    if object.starts_with("relation ") || object.starts_with("advisory lock ") {
        return object.to_owned();
    }
    if let Some((_, relation)) = object.split_once(" of relation ") {
        return format!("tuples of relation {relation}");
    }
    match object.split(|c: char| c.is_ascii_digit() || c == '(').next().map(str::trim) {
        Some("transaction") => "a row's transaction".to_owned(),
        Some("virtual transaction") => "a virtual transaction".to_owned(),
        _ => object.to_owned(),
    }
}

fn shown(statement: &Statement) -> String {
    match (&statement.text, &statement.label) {
        (Some(text), _) => {
            let text = sql::normalise(text);
            if text.is_empty() { "(empty)".to_owned() } else { text }
        }
        (None, Some(label)) => label.clone(),
        (None, None) => format!("({})", statement.fingerprint),
    }
}

fn end_name(end: End) -> &'static str {
    match end {
        End::Autocommit => "autocommit",
        End::Commit => "commit",
        End::Rollback => "rollback",
        End::Disconnect => "disconnect",
        End::Cut => "cut",
        End::Unlogged => "end not logged",
        End::Skipped => "skipped",
    }
}

fn outcome_name(outcome: WaitOutcome) -> &'static str {
    match outcome {
        WaitOutcome::Acquired => "acquired",
        WaitOutcome::LockTimeout => "lock_timeout",
        WaitOutcome::Canceled => "canceled",
        WaitOutcome::Deadlock => "deadlock",
        WaitOutcome::Unlogged => "end not logged",
    }
}
