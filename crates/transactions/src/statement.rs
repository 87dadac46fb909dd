//! Statements as backends carry them out: steps that lock, wait, change rows and take time.

use std::rc::Rc;

use lock_table::{LockMode, LockTag, RelationId, RowKey, Scope, Xid};
use sim_clock::Nanos;

use crate::{CommandTag, Guc, SqlError, StepContext};

/// A statement sent to an idle session.
pub enum Statement<P> {
    /// A list of steps compiled once and shared; row keys are filled in from `keys`. The fast way.
    Program {
        /// The steps.
        program: Rc<Program>,
        /// The rows that it is about.
        keys: [RowKey; 2],
        /// How long each `Work` of the program takes.
        work: Nanos,
    },
    /// A statement that decides each step from what came of the last one.
    Dynamic(Box<dyn Stepper<P>>),
    /// `BEGIN`
    Begin {
        /// The isolation level.
        isolation: Isolation,
    },
    /// `COMMIT`; of a failed transaction it is a rollback, and its tag says so.
    Commit,
    /// `ROLLBACK`
    Rollback,
    /// `SAVEPOINT n`
    Savepoint(u32),
    /// `ROLLBACK TO SAVEPOINT n`
    RollbackTo(u32),
    /// `RELEASE SAVEPOINT n`
    Release(u32),
    /// `SET`, `SET LOCAL`
    Set {
        /// Whether it holds to the end of the transaction only.
        local: bool,
        /// Which setting.
        guc: Guc,
        /// Its new value.
        value: Nanos,
    },
}

/// The isolation levels as far as waits and conflicts depend on them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// Each statement sees what was committed when it began.
    #[default]
    ReadCommitted,
    /// Each statement sees what was committed when the transaction's first one began; changing a row that was
    /// changed since is an error 40001. `SERIALIZABLE` is this, without its predicate locks.
    RepeatableRead,
}

/// A row lock's strength, as `SELECT FOR ...` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowLockStrength {
    /// What a foreign-key check takes: only the key must stay.
    KeyShare,
    /// The row must stay.
    Share,
    /// What an UPDATE takes that leaves the key alone.
    NoKeyUpdate,
    /// What a DELETE and an UPDATE of key columns take.
    Update,
}

impl RowLockStrength {
    /// The mode in which the row's tuple lock is taken while waiting: its conflicts are those of the
    /// strengths (`tupleLockExtraInfo` in `heapam.c`).
    #[must_use]
    pub const fn tuple_lock_mode(self) -> LockMode {
        match self {
            Self::KeyShare => LockMode::AccessShare,
            Self::Share => LockMode::RowShare,
            Self::NoKeyUpdate => LockMode::Exclusive,
            Self::Update => LockMode::AccessExclusive,
        }
    }

    /// Whether two transactions may not have the row locked in these strengths at the same time.
    #[must_use]
    pub const fn conflicts_with(self, other: Self) -> bool {
        self.tuple_lock_mode().conflicts_with(other.tuple_lock_mode())
    }
}

/// What to do when a lock is not free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WaitPolicy {
    /// Wait for it.
    #[default]
    Block,
    /// Fail with 55P03: NOWAIT.
    NoWait,
    /// Go without it: SKIP LOCKED, `pg_try_advisory_lock`. The outcome is [`StepOutcome::Unavailable`].
    Skip,
}

/// What a [`Step::WriteRange`] does to its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeDeed {
    /// Locks them.
    Lock(RowLockStrength),
    /// Updates them.
    Update {
        /// Whether a column changes that a foreign key could refer to.
        key_columns_changed: bool,
    },
    /// Deletes them.
    Delete,
}

/// A list of steps with blanks for the row keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The steps, in order.
    pub steps: Vec<ProgramStep>,
    /// The command that it reports.
    pub tag: CommandTag,
}

/// A step of a [`Program`]; `slot` says which of the statement's keys names the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgramStep {
    /// Locks a relation until the end of the transaction.
    Lock {
        /// Which relation.
        relation: RelationId,
        /// In which mode.
        mode: LockMode,
    },
    /// Locks a row.
    LockRow {
        /// The row's relation.
        relation: RelationId,
        /// Which key names the row.
        slot: u8,
        /// How strongly.
        strength: RowLockStrength,
        /// What if it is not free.
        policy: WaitPolicy,
    },
    /// Updates a row.
    Update {
        /// The row's relation.
        relation: RelationId,
        /// Which key names the row.
        slot: u8,
        /// Whether a column changes that a foreign key could refer to.
        key_columns_changed: bool,
    },
    /// Deletes a row.
    Delete {
        /// The row's relation.
        relation: RelationId,
        /// Which key names the row.
        slot: u8,
    },
    /// Inserts a row.
    Insert {
        /// The row's relation.
        relation: RelationId,
        /// Which key names the row.
        slot: u8,
    },
    /// Takes the statement's time.
    Work,
}

/// A statement that decides its steps as it goes.
pub trait Stepper<P> {
    /// The next step, given what came of the last one. Errors of a step end the statement without asking.
    fn step(&mut self, cx: &mut StepContext<'_, P>, last: StepOutcome<P>) -> Step<P>;

    /// Whether the statement works on a snapshot: queries do, `LOCK TABLE` and `SET` do not. It decides when
    /// a repeatable-read transaction takes its snapshot.
    fn takes_snapshot(&self) -> bool {
        true
    }

    /// Whether the statement waits and works without being seen by those who wait for old snapshots, as
    /// VACUUM does (`PROC_IN_VACUUM`).
    fn is_vacuum(&self) -> bool {
        false
    }

    /// It is done: a stepper that is to be used again can be put aside.
    fn retire(self: Box<Self>) {}

    /// Whether it must not run inside of a transaction block (CREATE INDEX CONCURRENTLY, VACUUM).
    fn refuses_transaction_block(&self) -> Option<SqlError> {
        None
    }

    /// Whether it makes sense inside of a transaction block only (LOCK TABLE).
    fn requires_transaction_block(&self) -> Option<SqlError> {
        None
    }
}

/// What a statement does next.
#[derive(Clone, Debug)]
pub enum Step<P> {
    /// Takes a lock of the lock table: on a relation, an object, an advisory key.
    Lock {
        /// On what.
        tag: LockTag,
        /// In which mode.
        mode: LockMode,
        /// For how long.
        scope: Scope,
        /// What if it is not free.
        policy: WaitPolicy,
    },
    /// Gives a lock back. The outcome is [`StepOutcome::Unavailable`] if it was not held so.
    Unlock {
        /// On what.
        tag: LockTag,
        /// In which mode.
        mode: LockMode,
        /// In which scope it was taken.
        scope: Scope,
    },
    /// Gives back all advisory locks of the session (`pg_advisory_unlock_all`).
    UnlockAllAdvisory,
    /// Locks a row.
    LockRow {
        /// The row's relation.
        relation: RelationId,
        /// The row.
        key: RowKey,
        /// How strongly.
        strength: RowLockStrength,
        /// What if it is not free.
        policy: WaitPolicy,
    },
    /// Updates a row.
    Update {
        /// The row's relation.
        relation: RelationId,
        /// The row.
        key: RowKey,
        /// Its new content.
        new: P,
        /// Whether a column changes that a foreign key could refer to.
        key_columns_changed: bool,
    },
    /// Deletes a row.
    Delete {
        /// The row's relation.
        relation: RelationId,
        /// The row.
        key: RowKey,
    },
    /// Deletes a row that goes into another relation: whoever has waited for it is told so, and fails.
    MoveAway {
        /// The row's relation.
        relation: RelationId,
        /// The row.
        key: RowKey,
    },
    /// Inserts a row under a key that the relation does not have yet.
    Insert {
        /// The row's relation.
        relation: RelationId,
        /// The new row.
        key: RowKey,
        /// Its content.
        row: P,
    },
    /// Locks, updates or deletes the rows of a virtual relation between two keys (both included) in the order
    /// of their keys, waiting for those that others hold. The outcome is [`StepOutcome::Range`].
    WriteRange {
        /// The rows' relation.
        relation: RelationId,
        /// The first key.
        first: RowKey,
        /// The last one.
        last: RowKey,
        /// What is done to them.
        deed: RangeDeed,
        /// How long it takes for all of them; the rows are reached one after the other in this time.
        work: Nanos,
    },
    /// Waits until the transaction has ended: an inserter of the same unique key.
    WaitForTransaction(Xid),
    /// Waits, one after the other, for the transactions that hold a conflicting lock now
    /// (`WaitForLockers`): the first phases of the CONCURRENTLY commands.
    WaitForLockHolders {
        /// The lock.
        tag: LockTag,
        /// Whose holders in conflicting modes are waited for.
        mode: LockMode,
    },
    /// Waits, one after the other, for the transactions with a snapshot that is as old as this session's
    /// last one (`WaitForOlderSnapshots`): the last phase of CREATE INDEX CONCURRENTLY.
    WaitForOlderSnapshots,
    /// Commits what was done and goes on in a new transaction of the same statement.
    NewTransaction {
        /// Whether the new one only builds an index without expressions or predicate: from 14 on such
        /// transactions do not wait for each other's snapshots (`PROC_IN_SAFE_IC`).
        safe_index_build: bool,
    },
    /// Looks at the data as of now from here on; in repeatable read nothing changes.
    TakeSnapshot,
    /// Gives the snapshot up, so that nobody waits for it.
    ReleaseSnapshot,
    /// Lets time pass.
    Work(Nanos),
    /// Ends the statement.
    Done {
        /// The command.
        tag: CommandTag,
        /// How many rows it was about.
        rows: u64,
    },
    /// Fails the statement.
    Fail(SqlError),
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepOutcome<P> {
    /// There was none yet.
    Start,
    /// It is done.
    Done,
    /// The lock was not free and the policy was not to wait; or what was to be given back was not held.
    Unavailable,
    /// The row is locked; this is the content of the version that is locked.
    Locked {
        /// The content.
        row: P,
        /// Whether it is a later version than the statement's snapshot shows: the conditions that chose the
        /// row have to be looked at again.
        moved: bool,
    },
    /// The row was changed by another since; its latest version is locked now and this is its content. The
    /// conditions have to be looked at again, and the step to be repeated if they still hold
    /// (`EvalPlanQual`).
    Recheck(P),
    /// The row is no more, or was never visible.
    Gone,
    /// The stretch of rows is dealt with.
    Range {
        /// How many rows that was.
        rows: u64,
    },
}
