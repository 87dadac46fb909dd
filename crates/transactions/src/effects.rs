//! What a call brings about: completed statements, timers to be set, the log of transitions.

use std::fmt;

use lock_table::{LockMode, LockTag, SessionId};
use sim_clock::Nanos;

use crate::{SqlError, Timer};

/// What a call brought about, in the order in which it happened; the caller owns and recycles it.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    /// The statements that ended.
    pub completions: Vec<Completion>,
    /// The timers to be put into the caller's queue, which is ordered by time and then by age.
    pub timers: Vec<(Nanos, Timer)>,
    /// The transitions of locks and transactions.
    pub events: Vec<Event>,
    /// Whether transitions that are of no wait are left out.
    is_terse: bool,
}

impl Effects {
    /// For callers who want to know of no transition that [is of no wait](EventKind::is_of_no_wait).
    #[must_use]
    pub fn terse() -> Self {
        Self { is_terse: true, ..Self::default() }
    }

    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.completions.clear();
        self.timers.clear();
        self.events.clear();
    }

    #[inline]
    pub(crate) fn push(&mut self, session: SessionId, kind: EventKind, mode: LockMode, tag: LockTag) {
        if !(self.is_terse && kind.is_of_no_wait()) {
            self.events.push(Event { session, kind, mode, tag });
        }
    }

    #[inline]
    pub(crate) fn complete(&mut self, session: SessionId, result: Result<Outcome, SqlError>) {
        self.completions.push(Completion { session, result });
    }
}

/// The end of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// Whose statement it was.
    pub session: SessionId,
    /// What came of it.
    pub result: Result<Outcome, SqlError>,
}

/// A successful end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The command.
    pub tag: CommandTag,
    /// How many rows it was about, for the commands that count them.
    pub rows: u64,
}

/// The name of a command as the server reports it: `UPDATE`, `CREATE INDEX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CommandTag(pub &'static str);

impl CommandTag {
    /// `BEGIN`
    pub const BEGIN: Self = Self("BEGIN");
    /// `COMMIT`
    pub const COMMIT: Self = Self("COMMIT");
    /// `ROLLBACK`, which a COMMIT of a failed transaction is, too.
    pub const ROLLBACK: Self = Self("ROLLBACK");
    /// `SAVEPOINT`
    pub const SAVEPOINT: Self = Self("SAVEPOINT");
    /// `RELEASE`
    pub const RELEASE: Self = Self("RELEASE");
    /// `SET`
    pub const SET: Self = Self("SET");
    /// `LOCK TABLE`
    pub const LOCK_TABLE: Self = Self("LOCK TABLE");
    /// `SELECT`
    pub const SELECT: Self = Self("SELECT");
    /// `INSERT`
    pub const INSERT: Self = Self("INSERT");
    /// `UPDATE`
    pub const UPDATE: Self = Self("UPDATE");
    /// `DELETE`
    pub const DELETE: Self = Self("DELETE");
}

/// As `psql` shows it: `UPDATE 1`, `INSERT 0 1`, `LOCK TABLE`.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tag {
            CommandTag::INSERT => write!(f, "INSERT 0 {}", self.rows),
            CommandTag::SELECT | CommandTag::UPDATE | CommandTag::DELETE => {
                write!(f, "{} {}", self.tag.0, self.rows)
            }
            CommandTag(name) => f.write_str(name),
        }
    }
}

/// One transition, small and plain; the time is the caller's `now`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Whose transition.
    pub session: SessionId,
    /// What happened.
    pub kind: EventKind,
    /// In which mode; `AccessShare` where the kind has none.
    pub mode: LockMode,
    /// To which object; the session's virtual transaction where the kind has none.
    pub tag: LockTag,
}

/// The kinds of transitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum EventKind {
    /// A lock was granted at once.
    Granted,
    /// A session began to wait.
    Waits,
    /// A waiting session got its lock.
    Woken,
    /// A lock was given back before the transaction's end.
    Released,
    /// A row was locked or changed; the mode is that of the row's tuple lock.
    RowLocked,
    /// A wait ended without the lock: `lock_timeout`.
    LockTimeout,
    /// A statement ended: `statement_timeout`.
    StatementTimeout,
    /// A statement was cancelled by a user, or by one whom an autovacuum worker blocked.
    Cancelled,
    /// A session was terminated.
    Terminated,
    /// The session was in a deadlock and gave up its wait.
    DeadlockVictim,
    /// Joining the queue would have been a deadlock.
    EarlyDeadlock,
    /// The session's deadlock check put queues into another order.
    Rearranged,
    /// A transaction ended and gave all its locks back.
    Committed,
    /// A transaction, or a part of it, failed or was rolled back.
    RolledBack,
}

impl EventKind {
    /// Whether it leaves waits as they are, and their sessions: most do.
    #[inline]
    #[must_use]
    pub const fn is_of_no_wait(self) -> bool {
        matches!(self, Self::Granted | Self::Released | Self::RowLocked | Self::Rearranged)
    }
}
