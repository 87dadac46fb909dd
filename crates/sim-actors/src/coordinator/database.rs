//! What the coordinator needs of a database and of a fleet: the seam behind which a simulation
//! stands today and a real server can stand tomorrow.
//!
//! Nothing here is simulated: text in, text out, as PostgreSQL's simple query protocol has it.

use std::fmt;
use std::future::Future;

use sim_clock::Nanos;

/// Limits on one statement; `None` leaves the server's own setting in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// `lock_timeout`: the longest wait for any single lock.
    pub lock_timeout: Option<Nanos>,
    /// `statement_timeout`: the longest that the statement may take.
    pub statement_timeout: Option<Nanos>,
}

/// What a statement that succeeded gave back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Executed {
    /// Rows that it touched, as in its command tag.
    pub rows_affected: u64,
    /// The rows that it returned, each value as text; `None` is NULL.
    pub rows: Vec<Vec<Option<String>>>,
}

impl Executed {
    /// The single whole number of a result with one row and one column.
    #[must_use]
    pub fn number(&self) -> Option<i64> {
        self.rows.first()?.first()?.as_ref()?.parse().ok()
    }
}

/// The lock that a failed statement was waiting for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockFailure {
    /// As `pg_locks.mode` spells it: `AccessExclusiveLock`.
    pub mode: String,
    /// How long that wait had lasted.
    pub waited: Nanos,
    /// Who held it up, by application name, as `pg_blocking_pids` finds them.
    pub blocked_by: Vec<String>,
}

/// A statement failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseError {
    /// The five-character SQLSTATE.
    pub sqlstate: String,
    /// The server's primary message.
    pub message: String,
    /// The lock that it waited for, when it failed in a lock wait.
    pub lock: Option<LockFailure>,
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.message, self.sqlstate)
    }
}

/// A connection to a database, as the coordinator sees it.
pub trait Database {
    /// Runs one statement and waits for its end.
    fn execute(
        &mut self,
        sql: &str,
        timeouts: Timeouts,
    ) -> impl Future<Output = Result<Executed, DatabaseError>>;

    /// Lets time pass.
    fn sleep(&mut self, span: Nanos) -> impl Future<Output = ()>;

    /// A random number in (0, 1], for the jitter of retries.
    fn chance(&mut self) -> f64;

    /// The time on the database's clock, in nanoseconds since some fixed point.
    fn now(&self) -> Nanos;
}

/// An instance of the application, as the fleet reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceStatus {
    /// Its name.
    pub name: String,
    /// The application that it belongs to.
    pub application: String,
    /// The version that it runs, or ran when it was last stopped.
    pub version: String,
    /// Whether it runs.
    pub running: bool,
}

/// What an instance says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vitals {
    /// Whether it takes requests.
    pub healthy: bool,
    /// Requests that it has served since it started.
    pub served: u64,
    /// Requests that have failed there since.
    pub failed: u64,
}

/// The application's instances, as the coordinator sees them.
pub trait Fleet {
    /// Every instance and its version.
    fn instances(&mut self) -> impl Future<Output = Vec<InstanceStatus>>;

    /// Puts instances into the balancer's rotation or takes them out; requests in flight go on.
    fn serve(&mut self, instances: &[String], serve: bool) -> impl Future<Output = ()>;

    /// Moves one instance to a version: drained, restarted, health-checked. The error says why it
    /// could not be moved; the instance then runs what it ran before.
    fn deploy(&mut self, instance: &str, version: &str) -> impl Future<Output = Result<(), String>>;

    /// The first half of [`Fleet::deploy`]: drained and started, not yet connected. What an instance does at its start
    /// comes next, and then [`Fleet::admit`].
    fn boot(&mut self, instance: &str, version: &str) -> impl Future<Output = Result<(), String>>;

    /// The second half: connected and health-checked; or, with the reason of a failed start, sent back to what it ran
    /// before.
    fn admit(
        &mut self,
        instance: &str,
        start: Result<(), String>,
    ) -> impl Future<Output = Result<(), String>>;

    /// Drains an instance and stops it.
    fn stop(&mut self, instance: &str) -> impl Future<Output = Result<(), String>>;

    /// How an instance does.
    fn vitals(&mut self, instance: &str) -> impl Future<Output = Vitals>;
}

/// What can do several things at once.
pub trait Branching: Sized {
    /// Another line of the same story, with connections of its own.
    fn branch(&self) -> Self;
}

/// What can open connections of its own.
pub trait Connecting: Branching {
    /// A connection of that `application_name`.
    fn connect(&self, name: &str) -> impl Future<Output = Result<Self, DatabaseError>>;

    /// Closes it, whatever it was doing.
    fn close(self) -> impl Future<Output = ()>;
}
