//! The recordings' format: what went in, what single statements took, and what came of each repeat.

use std::collections::BTreeMap;
use std::io::Read;

use serde::{Deserialize, Deserializer};
use sim_clock::Nanos;

/// One recorded scenario.
#[derive(Clone, Debug, Deserialize)]
pub struct Recording {
    /// Its name.
    pub name: String,
    /// The server's version.
    #[serde(default)]
    pub pg: String,
    /// What a simulator is given.
    pub input: Input,
    /// What single statements took when nothing else ran.
    pub calibration: Calibration,
    /// What came of it, once for each repeat with the same arrivals.
    pub runs: Vec<Run>,
}

impl Recording {
    /// The server's major version, where it says.
    #[must_use]
    pub fn major(&self) -> Option<u16> {
        self.pg.split('.').next()?.parse().ok()
    }

    /// Whether its statements worked on tables so big that their durations varied with the machine's load: each
    /// repeat is then judged by itself, with its own durations.
    #[must_use]
    pub fn is_cpu_bound(&self) -> bool {
        self.input.big
    }
}

/// Load, sessions and migrations.
#[derive(Clone, Debug, Deserialize)]
pub struct Input {
    /// The nominal service time of a request.
    pub svc_ms: f64,
    /// How many connections the pool has.
    pub pool: usize,
    /// How long a request waits for a connection at most.
    pub pool_timeout_ms: Option<f64>,
    /// Settings of the pool's connections, in milliseconds.
    #[serde(default)]
    pub app: BTreeMap<String, f64>,
    /// Rows of a table.
    #[serde(default = "default_rows")]
    pub rows: u64,
    /// The rows that requests ask for, from one to the other.
    pub row_range: Option<(u64, u64)>,
    /// The server's `deadlock_timeout`.
    #[serde(default = "default_deadlock_timeout")]
    pub deadlock_timeout_ms: f64,
    /// It is about the big tables.
    #[serde(default, deserialize_with = "flag")]
    pub big: bool,
    /// Kinds of requests.
    pub templates: Vec<Template>,
    /// When which request came.
    pub arrivals: Vec<Arrival>,
    /// Sessions beside the pool.
    #[serde(default)]
    pub sessions: Vec<SessionScript>,
    /// The migrations, each on a connection of its own.
    #[serde(default)]
    pub migrations: Vec<MigrationScript>,
    /// They were made to go through tables along their indexes.
    #[serde(default, deserialize_with = "flag")]
    pub mig_index_scan: bool,
}

const fn default_rows() -> u64 {
    1500
}

const fn default_deadlock_timeout() -> f64 {
    1000.0
}

/// A kind of request.
#[derive(Clone, Debug, Deserialize)]
pub struct Template {
    /// Its name.
    pub name: String,
    /// The tables that it touches.
    pub tables: Vec<String>,
    /// Its statements, BEGIN and COMMIT among them.
    pub stmts: Vec<TemplateStatement>,
}

/// A statement of a request.
#[derive(Clone, Debug, Deserialize)]
pub struct TemplateStatement {
    /// The text, with `$row` and `$svc`.
    pub sql: String,
    /// How long it sleeps; `"svc"` is the request's own service time.
    pub ms: Option<Span>,
}

/// How long a statement sleeps.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Span {
    /// That many milliseconds.
    Millis(f64),
    /// What the word stands for: the request's service time.
    Word(String),
}

/// An arrival: when (ms), which template, `$row`, `$svc` (ms).
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Arrival(pub f64, pub usize, pub i64, pub f64);

/// A session beside the pool.
#[derive(Clone, Debug, Deserialize)]
pub struct SessionScript {
    /// When it begins.
    pub start_ms: f64,
    /// Its settings, in milliseconds.
    #[serde(default)]
    pub settings: BTreeMap<String, f64>,
    /// Its statements.
    pub stmts: Vec<ScriptStatement>,
}

/// A statement of a session or of a migration.
#[derive(Clone, Debug, Deserialize)]
pub struct ScriptStatement {
    /// The text.
    pub sql: String,
    /// The tables that it locks, with their modes.
    #[serde(default)]
    pub locks: Vec<(String, String)>,
    /// How long it sleeps.
    pub ms: Option<f64>,
    /// How long the client idles after it.
    #[serde(default)]
    pub think_ms: f64,
}

/// A migration.
#[derive(Clone, Debug, Deserialize)]
pub struct MigrationScript {
    /// When it begins.
    pub t0_ms: f64,
    /// Settings of its connection, in milliseconds.
    #[serde(default)]
    pub settings: BTreeMap<String, f64>,
    /// Its steps, in order.
    pub plan: Vec<PlanStep>,
}

/// A step of a migration.
#[derive(Clone, Debug, Deserialize)]
pub struct PlanStep {
    /// Its statements.
    pub stmts: Vec<ScriptStatement>,
    /// Whether they are one transaction.
    #[serde(default, deserialize_with = "flag")]
    pub tx: bool,
    /// Sets `lock_timeout`, from here on.
    pub lock_timeout_ms: Option<f64>,
    /// How often and when it is tried again.
    pub retry: Option<Retry>,
    /// Run after each failure.
    #[serde(default, deserialize_with = "texts")]
    pub on_fail: Vec<String>,
    /// A pause after the step.
    #[serde(default)]
    pub sleep_after_ms: f64,
}

/// How a step is tried again.
#[derive(Clone, Debug, Deserialize)]
pub struct Retry {
    /// `fixed` or `exp`.
    pub kind: String,
    /// The pause, or the first pause.
    pub base_ms: f64,
    /// The longest pause.
    pub cap_ms: Option<f64>,
    /// How often it is tried in all.
    pub max: u32,
}

/// Durations of statements on their own.
#[derive(Clone, Debug, Deserialize)]
pub struct Calibration {
    /// Of each migration's statements.
    #[serde(default)]
    pub migration_stmt_ms: Vec<MigrationDurations>,
    /// Of each template's statements.
    pub template_stmt_ms: BTreeMap<String, Vec<f64>>,
}

/// Durations of a migration's statements, by step and place.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum MigrationDurations {
    /// Each of them; nothing for one that failed.
    Each(Vec<Vec<Option<f64>>>),
    /// The first of many alike, and their median.
    Alike {
        /// The first ones.
        first12: Vec<Vec<Option<f64>>>,
        /// What the others took.
        median: f64,
    },
}

impl MigrationDurations {
    /// What the statement took.
    #[must_use]
    pub fn of(&self, step: usize, at: usize) -> Option<f64> {
        match self {
            Self::Each(steps) => *steps.get(step)?.get(at)?,
            Self::Alike { first12, median } => match first12.get(step) {
                Some(step) => *step.get(at)?,
                None => Some(*median),
            },
        }
    }
}

/// One repeat.
#[derive(Clone, Debug, Deserialize)]
pub struct Run {
    /// What came of each arrival.
    pub requests: Vec<Option<RecordedRequest>>,
    /// What came of each migration.
    pub migrations: Vec<RecordedMigration>,
    /// Who waited, sampled every 50 ms.
    #[serde(default)]
    pub waiters: Vec<WaiterSample>,
}

/// What came of a request: start and end (ms) and outcome.
#[derive(Clone, Debug, Deserialize)]
pub struct RecordedRequest(pub Option<f64>, pub Option<f64>, pub Option<RecordedOutcome>);

/// How a request ended.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum RecordedOutcome {
    /// Well: 0.
    Ok(u8),
    /// An SQLSTATE, or `POOL`.
    Failed(String),
}

/// A sample: when (ms), how many waited, and on what.
#[derive(Clone, Debug, Deserialize)]
pub struct WaiterSample(pub f64, pub u64, pub serde::de::IgnoredAny);

/// What came of a migration.
#[derive(Clone, Debug, Deserialize)]
pub struct RecordedMigration {
    /// Each attempt of each step.
    pub attempts: Vec<RecordedAttempt>,
    /// Whether it came to its end.
    pub ok: bool,
    /// From its start to its end.
    pub total_ms: f64,
}

/// One attempt of a step.
#[derive(Clone, Debug, Deserialize)]
pub struct RecordedAttempt {
    /// Which step.
    pub step: usize,
    /// Each statement: its place, start, end and outcome.
    pub stmts: Vec<RecordedStatement>,
}

/// A statement of an attempt: place, start and end (ms), outcome.
#[derive(Clone, Debug, Deserialize)]
pub struct RecordedStatement(pub usize, pub f64, pub Option<f64>, pub Option<String>);

/// Why a recording cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// It is not what it should be.
    #[error("not a timed recording: {0}")]
    Format(#[from] serde_json::Error),
    /// It cannot be unpacked.
    #[error("the gzip data is damaged: {0}")]
    Unpack(#[from] std::io::Error),
    /// An arrival of an unknown kind.
    #[error("arrival {0} is of template {1}, which there is not")]
    NoSuchTemplate(usize, usize),
    /// The tables could not be set up.
    #[error("its tables cannot be set up: {0}")]
    Fixture(String),
    /// A statement that is not understood.
    #[error("{sql}: {reason}")]
    Statement {
        /// Its text.
        sql: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Reads a recording: JSON, or JSON compressed by gzip.
///
/// # Errors
/// If it is neither, or not a recording.
pub fn parse(bytes: &[u8]) -> Result<Recording, RecordingError> {
    let recording: Recording = if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut text = String::new();
        flate2::read::GzDecoder::new(bytes).read_to_string(&mut text)?;
        serde_json::from_str(&text)?
    } else {
        serde_json::from_slice(bytes)?
    };
    let templates = recording.input.templates.len();
    for (at, arrival) in recording.input.arrivals.iter().enumerate() {
        if arrival.1 >= templates {
            return Err(RecordingError::NoSuchTemplate(at, arrival.1));
        }
    }
    Ok(recording)
}

/// Milliseconds as a span of virtual time; what is negative or no number is nothing.
#[must_use]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
pub(super) fn span(ms: f64) -> Nanos {
    Nanos((ms * 1e6).round() as u64)
}

/// A span of virtual time in milliseconds.
#[must_use]
#[allow(clippy::cast_precision_loss)]
pub(super) fn millis(span: Nanos) -> f64 {
    span.0 as f64 / 1e6
}

/// `true` or 1.
fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Flag {
        Word(bool),
        Number(u8),
    }
    Ok(match Option::<Flag>::deserialize(from)? {
        Some(Flag::Word(word)) => word,
        Some(Flag::Number(number)) => number != 0,
        None => false,
    })
}

/// One text or several, plain or as statements.
fn texts<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Texts {
        One(String),
        Statement { sql: String },
        Several(Vec<Texts>),
    }
    fn flatten(texts: Texts, into: &mut Vec<String>) {
        match texts {
            Texts::One(text) | Texts::Statement { sql: text } => into.push(text),
            Texts::Several(all) => all.into_iter().for_each(|one| flatten(one, into)),
        }
    }
    let mut all = Vec::new();
    if let Some(texts) = Option::<Texts>::deserialize(from)? {
        flatten(texts, &mut all);
    }
    Ok(all)
}
