//! What a rehearsal found, as plain data: the same numbers go to the terminal, the page and the JSON.
//!
//! Times are milliseconds of virtual time since the start of the traffic window, unless the name of
//! the field has another unit. Lists are in a fixed order, so that equal runs give equal bytes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Where a number comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// Read from a trace, a capture or a real server.
    Measured,
    /// What the simulation came to.
    Derived,
    /// A default, or a guess that the scenario's author wrote down.
    Assumed,
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// Milliseconds.
    #[serde(rename = "ms")]
    Milliseconds,
    /// Seconds that requests waited, summed over the requests.
    #[serde(rename = "request-seconds")]
    RequestSeconds,
    /// Things: requests, attempts, connections.
    #[serde(rename = "count")]
    Count,
    /// A part of a whole, 0 to 1.
    #[serde(rename = "share")]
    Share,
    /// Per second.
    #[serde(rename = "1/s")]
    PerSecond,
}

/// A number with its unit and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The number.
    pub value: f64,
    /// Its unit.
    pub unit: Unit,
    /// Where it comes from.
    pub basis: Basis,
}

/// Everything that one rehearsal found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The scenario's name: its file's stem.
    pub scenario: String,
    /// What it is about, in the scenario's own words.
    pub description: String,
    /// The seed.
    pub seed: u64,
    /// PostgreSQL's major version.
    pub postgres: u16,
    /// The whole span that was rehearsed.
    pub span_ms: f64,
    /// Whether the run was cut short before its end, and why.
    pub cut: Option<String>,
    /// The verdict.
    pub verdict: Verdict,
    /// What the users felt, by class of request, the worst hit first.
    pub classes: Vec<RequestClass>,
    /// All classes together.
    pub overall: RequestClass,
    /// Waits for locks, by object and mode, the longest sum first.
    pub waits: Vec<LockWaits>,
    /// The connection pools, in order of instance.
    pub pools: Vec<PoolUse>,
    /// The server's connections.
    pub connections: Connections,
    /// How the migration went.
    pub migration: Migration,
    /// The deployments, in the order in which they began.
    #[serde(default)]
    pub deployments: Vec<Deployment>,
    /// Whose fault the waiting was, the greatest share first.
    pub blame: Vec<Blame>,
    /// From the victim to the root blocker, at the worst moment; empty if nothing ever waited.
    pub chain: Vec<ChainLink>,
    /// Who waited for whom when the most sessions waited.
    pub worst_moment: Option<WaitsFor>,
    /// How it went over time.
    pub series: Series,
    /// What was under way when: migration, deployments, long transactions.
    pub gantt: Vec<Track>,
    /// What the scenario leaves to defaults or to guesses, and what stands in for them.
    pub assumptions: Vec<Assumption>,
    /// What the model does not cover and this scenario has.
    pub not_modelled: Vec<String>,
}

/// Pass or fail, and the story in a few lines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether every line of the budget was kept and the migration succeeded.
    pub within_budget: bool,
    /// One sentence: what happened to the users.
    pub headline: String,
    /// Why: the chain in words, who failed, a sentence each.
    pub reasons: Vec<String>,
    /// What to change, a sentence each; may hold SQL or settings in backquotes.
    pub remedies: Vec<String>,
    /// The budget, line by line.
    pub budget: Vec<BudgetLine>,
}

/// One limit, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BudgetLine {
    /// What is limited: `longest stall`, `failed requests`, `p99`, `migration time`.
    pub name: String,
    /// The limit, and whether the scenario set it (`measured`) or it is a default (`assumed`).
    pub limit: Figure,
    /// What it came to.
    pub actual: Figure,
    /// Whether it was kept.
    pub within: bool,
}

/// What became of one class of requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RequestClass {
    /// Its name: the application's, a slash, the request's.
    pub name: String,
    /// How many arrived.
    pub arrived: u64,
    /// How many ended well.
    pub served: u64,
    /// How many failed, by SQLSTATE or cause: `55P03`, `pool timeout`, `no instance`.
    pub failed: BTreeMap<String, u64>,
    /// How many took over 100 ms longer than their own work.
    pub delayed: u64,
    /// Latency of the requests that ended, failed ones too: median.
    pub p50_ms: f64,
    /// The 95th percentile.
    pub p95_ms: f64,
    /// The 99th percentile.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
    /// The longest span in which requests of the class were under way and none ended well.
    pub longest_stall_ms: f64,
    /// When that span began.
    pub stall_from_ms: f64,
}

/// The waits for one kind of lock on one object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LockWaits {
    /// The relation's name, or what else was locked: `transaction`, `advisory lock 42`.
    pub object: String,
    /// `table`, `row`, `transaction`, `advisory`, `virtual transaction`.
    pub kind: String,
    /// As `pg_locks.mode` spells it.
    pub mode: String,
    /// How many waits.
    pub count: u64,
    /// Their sum.
    pub total_ms: f64,
    /// The longest.
    pub longest_ms: f64,
}

/// How a connection pool was used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PoolUse {
    /// The instance.
    pub instance: String,
    /// Its connections.
    pub size: u32,
    /// Connections in use, on average over time.
    pub mean_in_use: f64,
    /// The most that were in use.
    pub peak_in_use: u32,
    /// The longest queue for a connection.
    pub peak_queue: u32,
    /// For how long in all every connection was in use and requests queued.
    pub exhausted_ms: f64,
    /// When that was first so.
    pub first_exhausted_ms: Option<f64>,
}

/// The server's connections.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Connections {
    /// `max_connections`.
    pub limit: u32,
    /// The most that were open.
    pub peak: u32,
    /// How many were refused with 53300.
    pub refused: u64,
}

/// How the migration went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Migration {
    /// Whether it succeeded; `None` if the run ended before it did, or if there was none.
    pub succeeded: Option<bool>,
    /// What ended it early, as the coordinator reports it.
    pub failure: Option<String>,
    /// When it began.
    pub start_ms: f64,
    /// When it ended.
    pub end_ms: Option<f64>,
    /// Attempts of all steps.
    pub attempts: u32,
    /// Those that failed.
    pub failed_attempts: u32,
    /// Every statement that it ran, in order.
    pub statements: Vec<MigrationStatement>,
}

/// A statement of the migration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MigrationStatement {
    /// Its text, whitespace folded.
    pub sql: String,
    /// Whose it is: `migration`, or `web-1 migrating` if instances migrate when they start.
    #[serde(default)]
    pub by: String,
    /// When it began.
    pub start_ms: f64,
    /// When it ended; `None` if the run ended first.
    pub end_ms: Option<f64>,
    /// For how long it waited for locks.
    pub waited_ms: f64,
    /// Its SQLSTATE if it failed.
    pub failure: Option<String>,
}

/// A change of an application's version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    /// The application.
    pub application: String,
    /// The version that it brings.
    pub version: String,
    /// When it began.
    pub start_ms: f64,
    /// When it ended; `None` if the run ended first.
    pub end_ms: Option<f64>,
    /// Why it failed, if it did.
    pub failure: Option<String>,
}

/// A root cause of waiting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Blame {
    /// The session at the head of the chain, by its `application_name`.
    pub session: String,
    /// What it was doing: the statement, or `idle in transaction after …`.
    pub doing: String,
    /// Request-seconds that were waited behind it, in lock queues and for connections.
    pub request_seconds: f64,
    /// The part of all waiting.
    pub share: f64,
}

/// A link of the chain from a victim to the root.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChainLink {
    /// The session, by its `application_name`.
    pub session: String,
    /// Its statement, or what it did last.
    pub doing: String,
    /// The lock that it waits for: `AccessShareLock on users`; `None` for the root.
    pub waits_for: Option<String>,
    /// For how long at that moment.
    pub waited_ms: f64,
}

/// Who waits for whom at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WaitsFor {
    /// When.
    pub at_ms: f64,
    /// The sessions, alike ones together.
    pub nodes: Vec<WaitNode>,
    /// From the waiter to the blocker, by index of the nodes; `hard` if the blocker holds the lock,
    /// else it stands before the waiter in the queue.
    pub edges: Vec<WaitEdge>,
}

/// Sessions that do and wait for the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WaitNode {
    /// Whose they are: the class of request, `migration`, the background session's name.
    pub label: String,
    /// `request`, `migration` or `background`.
    pub kind: String,
    /// Their statement.
    pub doing: String,
    /// The lock that they wait for, if they wait.
    pub waits_for: Option<String>,
    /// How many sessions.
    pub count: u32,
}

/// One wait.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WaitEdge {
    /// The waiter, by index.
    pub from: usize,
    /// The blocker, by index.
    pub to: usize,
    /// Whether the blocker holds the lock, rather than standing before the waiter in the queue.
    pub hard: bool,
}

/// Everything over time, in intervals of the same length.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// The length of an interval.
    pub interval_ms: f64,
    /// Requests that arrived in each interval.
    pub arrived: Vec<u64>,
    /// Requests that ended well in each.
    pub served: Vec<u64>,
    /// Requests that failed in each.
    pub failed: Vec<u64>,
    /// Median latency of those that ended in each; `None` where none did.
    pub p50_ms: Vec<Option<f64>>,
    /// The 99th percentile.
    pub p99_ms: Vec<Option<f64>>,
    /// The longest.
    pub max_ms: Vec<Option<f64>>,
    /// The most sessions that waited for a lock at once, in each interval.
    pub lock_queue: Vec<u32>,
    /// The most connections of all pools in use at once.
    pub pool_in_use: Vec<u32>,
    /// The most requests that queued for a connection at once.
    pub pool_queue: Vec<u32>,
}

/// A row of the Gantt chart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Track {
    /// Whose: `migration`, `web-1`, `invoice report`.
    pub name: String,
    /// `migration`, `deployment` or `background`.
    pub kind: String,
    /// What it did, in order of time.
    pub bars: Vec<Bar>,
}

/// A span of a track.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bar {
    /// From when.
    pub from_ms: f64,
    /// Until when; the end of the run if it had not ended.
    pub to_ms: f64,
    /// What.
    pub label: String,
    /// `works`, `waits` (for a lock), `failed`, `idle` (in transaction), `sleeps` (between attempts or batches),
    /// `draining`, `starting`, `serving`.
    pub state: String,
}

/// Something that the result rests on and that nobody measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assumption {
    /// What: `database.rates.scan_row`, `duration of ALTER TABLE …`.
    pub what: String,
    /// Its value, with unit.
    pub value: String,
    /// Where it comes from.
    pub basis: Basis,
    /// Why it matters or where the default comes from; may be empty.
    pub note: String,
}

impl Report {
    /// The numbers that runs are compared by, by a stable name, in the order in which they are shown.
    #[must_use]
    pub fn figures(&self) -> Vec<(String, Figure)> {
        let derived = |value, unit| Figure { value, unit, basis: Basis::Derived };
        let mut figures = Vec::new();
        let classes = std::iter::once(&self.overall).chain(&self.classes);
        for class in classes {
            let mut add = |name: &str, value, unit| {
                figures.push((format!("{}: {name}", class.name), derived(value, unit)));
            };
            add("arrived", count(class.arrived), Unit::Count);
            add("served", count(class.served), Unit::Count);
            add("failed", count(class.failed.values().sum()), Unit::Count);
            add("delayed over 100 ms", count(class.delayed), Unit::Count);
            add("p50", class.p50_ms, Unit::Milliseconds);
            add("p95", class.p95_ms, Unit::Milliseconds);
            add("p99", class.p99_ms, Unit::Milliseconds);
            add("max", class.max_ms, Unit::Milliseconds);
            add("longest stall", class.longest_stall_ms, Unit::Milliseconds);
        }
        // The sum of nothing is −0 without a nought to begin with.
        let waited = self.blame.iter().map(|blame| blame.request_seconds).fold(0.0, |sum, one| sum + one);
        figures.push(("request-seconds waited".to_owned(), derived(waited, Unit::RequestSeconds)));
        let queue = self.series.lock_queue.iter().copied().max().unwrap_or(0);
        figures.push(("peak lock queue".to_owned(), derived(f64::from(queue), Unit::Count)));
        let pool = self.pools.iter().map(|pool| pool.exhausted_ms).fold(0.0, f64::max);
        figures.push(("longest pool exhaustion".to_owned(), derived(pool, Unit::Milliseconds)));
        let attempts = f64::from(self.migration.attempts);
        figures.push(("migration attempts".to_owned(), derived(attempts, Unit::Count)));
        if let Some(end) = self.migration.end_ms {
            let span = end - self.migration.start_ms;
            figures.push(("migration time".to_owned(), derived(span, Unit::Milliseconds)));
        }
        figures
    }
}

#[allow(clippy::cast_precision_loss, reason = "no run has 2^53 requests")]
fn count(number: u64) -> f64 {
    number as f64
}
