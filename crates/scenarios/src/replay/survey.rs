//! The first reading of a trace: what is in it, in memory that does not grow with its length.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use traces::record::{End, Header};
use traces::text::{Control, controls, normalise};
use traces::{Record, Statement, transform};

use super::{open, window};
use crate::load::ScenarioError;
use crate::model::TraceSpec;

/// Different statements, and kinds of transactions, that are told apart.
const MOST: usize = 20_000;
/// Kinds of transactions that get a line of their own in reports: the most frequent ones.
const CLASSES: usize = 60;
/// What of a statement's text names a class.
const NAME_LENGTH: usize = 60;

/// What is in a trace.
#[derive(Clone, Debug)]
pub(crate) struct Survey {
    pub(super) path: PathBuf,
    pub(super) spec: TraceSpec,
    pub(super) header: Header,
    /// Transactions and statements in the window, before `scale`.
    pub(super) transactions: u64,
    pub(super) statements: u64,
    /// When the last of them arrives.
    pub(super) last_us: u64,
    /// Sessions that they came from, counted up to a bound.
    pub(super) sessions: usize,
    /// The names of the classes.
    pub(crate) classes: Vec<String>,
    /// The class of each kind of transaction; kinds that are not here are of the last class.
    pub(super) class_of: BTreeMap<String, usize>,
    /// The statements, by fingerprint.
    pub(super) seen: BTreeMap<String, Seen>,
    /// Statements beyond those that are told apart.
    pub(super) beyond: u64,
    /// Transactions that the client did not start.
    pub(super) skipped: u64,
}

/// A statement as the trace has it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// The text of its first execution; what it is called if there is none.
    pub(super) text: Result<String, String>,
    /// Whether all executions have the same text.
    pub(super) repeats: bool,
    pub(super) count: u64,
    /// How many of them come without parameters.
    pub(super) without_params: u64,
}

/// A kind of transaction.
struct Kind {
    name: String,
    count: u64,
}

impl Survey {
    /// Reads a trace through.
    pub(crate) fn read(path: &Path, spec: &TraceSpec) -> Result<Self, ScenarioError> {
        let reader = open(path)?;
        let mut survey = Self {
            path: path.to_owned(),
            spec: spec.clone(),
            header: reader.header().clone(),
            transactions: 0,
            statements: 0,
            last_us: 0,
            sessions: 0,
            classes: Vec::new(),
            class_of: BTreeMap::new(),
            seen: BTreeMap::new(),
            beyond: 0,
            skipped: 0,
        };
        let mut failure = None;
        let sound = reader.map_while(|record| record.map_err(|error| failure = Some(error)).ok());
        let records = transform::speed(transform::window(sound, window(spec)), spec.speed);
        let (mut kinds, mut sessions) = (BTreeMap::new(), BTreeSet::new());
        for record in records {
            survey.add(&record, &mut kinds);
            if sessions.len() < MOST {
                sessions.insert(record.session);
            }
        }
        if let Some(error) = failure {
            return Err(ScenarioError::Trace { path: path.to_owned(), reason: error.to_string() });
        }
        if survey.transactions == 0 {
            return Err(survey.nothing_to_replay());
        }
        survey.sessions = sessions.len();
        survey.name_classes(kinds);
        Ok(survey)
    }

    fn nothing_to_replay(&self) -> ScenarioError {
        let covered = self.header.duration_us as f64 / 1e6;
        let reason = format!(
            "no transaction arrives in the window that is replayed; the trace has {} in {covered} s: widen `traffic_trace.window`",
            self.header.counts.transactions
        );
        ScenarioError::Trace { path: self.path.clone(), reason }
    }

    fn add(&mut self, record: &Record, kinds: &mut BTreeMap<String, Kind>) {
        if record.end == End::Skipped {
            self.skipped += 1;
            return;
        }
        self.transactions += 1;
        self.last_us = record.at_us;
        for statement in &record.statements {
            self.statements += 1;
            self.note(statement);
        }
        let key = kind_of(record);
        if let Some(kind) = kinds.get_mut(&key) {
            kind.count += 1;
        } else if kinds.len() < MOST {
            kinds.insert(key, Kind { name: name_of(record), count: 1 });
        }
    }

    fn note(&mut self, statement: &Statement) {
        let text = statement.prepared.as_ref().or(statement.text.as_ref());
        let bare = u64::from(statement.params.is_empty());
        if let Some(seen) = self.seen.get_mut(&statement.fingerprint) {
            seen.count += 1;
            seen.without_params += bare;
            seen.repeats &= seen.text.as_ref().ok() == text;
        } else if self.seen.len() < MOST {
            let label = || statement.label.clone().unwrap_or_else(|| statement.fingerprint.clone());
            let text = text.cloned().ok_or_else(label);
            let seen = Seen { text, repeats: true, count: 1, without_params: bare };
            self.seen.insert(statement.fingerprint.clone(), seen);
        } else {
            self.beyond += 1;
        }
    }

    /// The most frequent kinds are classes; the others are one together.
    fn name_classes(&mut self, kinds: BTreeMap<String, Kind>) {
        let mut kinds: Vec<(String, Kind)> = kinds.into_iter().collect();
        kinds.sort_by(|a, b| b.1.count.cmp(&a.1.count).then_with(|| a.1.name.cmp(&b.1.name)));
        for (key, kind) in kinds.iter().take(CLASSES) {
            let mut name = kind.name.clone();
            if self.classes.contains(&name) {
                name = format!("{name} ({})", &key[..key.len().min(6)]);
            }
            self.class_of.insert(key.clone(), self.classes.len());
            self.classes.push(name);
        }
        if kinds.len() > CLASSES {
            self.classes.push("other transactions".to_owned());
        }
    }

    /// The application that serves it, if one is named.
    pub(crate) fn application(&self) -> Option<&str> {
        self.spec.application.as_deref()
    }

    /// How many connections its sessions need, copies included.
    pub(crate) fn connections(&self) -> u32 {
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let copies = (self.sessions as f64 * self.spec.scale.max(1.0)).ceil() as u32;
        copies.max(1)
    }

    /// The class of a transaction.
    pub(super) fn class(class_of: &BTreeMap<String, usize>, record: &Record, last: usize) -> usize {
        class_of.get(&kind_of(record)).copied().unwrap_or(last)
    }
}

/// Whether the text does nothing but begin or end a transaction.
pub(super) fn only_controls(text: &str) -> bool {
    // The words that do are short; a long text need not be looked at.
    text.len() < 200 && {
        let controls = controls(text);
        !controls.is_empty()
            && controls.iter().all(|one| !matches!(one, Control::Other | Control::RollbackTo))
    }
}

fn proper(record: &Record) -> impl Iterator<Item = &Statement> {
    record.statements.iter().filter(|one| !one.text.as_deref().is_some_and(only_controls))
}

/// What transactions of a kind have in common: their different statements, in order.
fn kind_of(record: &Record) -> String {
    let mut kind = String::new();
    for statement in proper(record) {
        if !kind.split('.').any(|one| one == statement.fingerprint) {
            if !kind.is_empty() {
                kind.push('.');
            }
            kind.push_str(&statement.fingerprint);
        }
    }
    kind
}

/// A kind's name: its first statement, and how many others there are.
fn name_of(record: &Record) -> String {
    let mut others = BTreeSet::new();
    let mut statements = proper(record);
    let Some(first) = statements.next() else { return "an empty transaction".to_owned() };
    others.extend(statements.map(|one| &one.fingerprint).filter(|one| **one != first.fingerprint));
    let name = called(first);
    if others.is_empty() { name } else { format!("{name} + {} more", others.len()) }
}

fn called(statement: &Statement) -> String {
    let text = statement.prepared.as_ref().or(statement.text.as_ref());
    let text = text.map(|text| normalise(text)).or_else(|| statement.label.clone());
    shortened(&text.unwrap_or_else(|| statement.fingerprint.clone()))
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= NAME_LENGTH {
        return text.to_owned();
    }
    let start: String = text.chars().take(NAME_LENGTH - 1).collect();
    format!("{}…", start.trim_end())
}
