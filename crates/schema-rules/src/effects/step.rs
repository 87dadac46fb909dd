//! The steps of a statement, and what can be read off them.

use lock_table::LockMode;

use crate::catalog::{Change, ObjectClass, Oid, RelationId};
use crate::error::SqlError;

use super::Condition;

/// What happens when a lock is not free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wait {
    /// Wait for it.
    #[default]
    Block,
    /// Fail (NOWAIT).
    NoWait,
    /// Leave the relation out (SKIP_LOCKED).
    Skip,
}

/// One thing that a statement does.
#[derive(Clone, Debug)]
pub enum Step {
    /// Locks a relation until the transaction ends.
    Lock {
        /// Which.
        relation: RelationId,
        /// How.
        mode: LockMode,
        /// What if it is not free.
        wait: Wait,
    },
    /// Gives a lock back before the transaction ends.
    Unlock {
        /// Which.
        relation: RelationId,
        /// How.
        mode: LockMode,
    },
    /// Locks a relation for the session: the lock survives [`Step::Commit`].
    SessionLock {
        /// Which.
        relation: RelationId,
        /// How.
        mode: LockMode,
    },
    /// Gives a session lock back.
    SessionUnlock {
        /// Which.
        relation: RelationId,
        /// How.
        mode: LockMode,
    },
    /// Locks an object that is no relation until the transaction ends.
    LockObject {
        /// Its class.
        class: ObjectClass,
        /// Which.
        oid: Oid,
        /// How.
        mode: LockMode,
    },
    /// Reads or writes data; takes time.
    Work(Work),
    /// The data must satisfy this, or the statement fails here.
    Check {
        /// What must hold.
        condition: Condition,
        /// What the server says if it does not.
        otherwise: SqlError,
    },
    /// Waits until every transaction that held a lock conflicting with `mode` on the relation has ended.
    WaitForLockHolders {
        /// Which relation.
        relation: RelationId,
        /// Holders of locks that conflict with it are waited for.
        mode: LockMode,
    },
    /// Waits for every transaction of the database whose snapshot is older than this one's reference snapshot.
    WaitForOlderSnapshots,
    /// Makes catalog changes that others see from the next [`Step::Commit`] on.
    Publish(Vec<Change>),
    /// Commits and starts the next transaction of a statement that runs in several.
    Commit {
        /// Whether the next transaction only builds an index without expressions and predicate: from PostgreSQL 14
        /// on, such transactions do not wait for each other's snapshots.
        safe_index_build: bool,
    },
    /// Takes the snapshot that [`Step::WaitForOlderSnapshots`] refers to.
    TakeSnapshot,
}

/// Work on data.
#[derive(Clone, Debug, PartialEq)]
pub struct Work {
    /// What is done.
    pub kind: WorkKind,
    /// The table that is read or written.
    pub relation: RelationId,
}

/// The kinds of work that the cost model knows.
#[derive(Clone, Debug, PartialEq)]
pub enum WorkKind {
    /// Reads the whole table.
    Scan(ScanReason),
    /// Writes the table anew, reading it once.
    Rewrite {
        /// How many expressions are computed per row.
        computed: u32,
    },
    /// Copies the table's file block by block.
    CopyFile,
    /// Reads the table and builds an index.
    BuildIndex {
        /// Which index.
        index: RelationId,
        /// Whether writers go on meanwhile.
        concurrently: bool,
    },
    /// Builds an index over a table that this statement has just created: nothing to read.
    BuildEmptyIndex {
        /// Which index.
        index: RelationId,
    },
    /// Reads the table and the index to add what was written meanwhile.
    ValidateIndex {
        /// Which index.
        index: RelationId,
    },
    /// Joins the table with the one that it references.
    CheckForeignKey {
        /// The referenced table.
        referenced: RelationId,
    },
    /// Reads a sample.
    Analyze,
    /// Vacuums the table and its indexes.
    Vacuum {
        /// FREEZE.
        freeze: bool,
    },
    /// Gives a materialised view the contents that its query has computed.
    FillNewHeap,
    /// Gives the table a new, empty file.
    Truncate,
    /// Reads or changes some rows, found by an index.
    Rows {
        /// How many, if it is known.
        count: Option<u64>,
        /// Whether they are changed.
        written: bool,
    },
    /// Reads the whole table and changes the rows that qualify.
    Update {
        /// The share that qualifies is not known: all are taken to.
        all: bool,
    },
    /// Adds rows from elsewhere (COPY).
    Load,
    /// Runs a query whose result is stored.
    Query,
    /// Writes a sequence anew.
    NewSequenceFile,
    /// Changes rows of the system catalogs.
    Catalog,
}

/// Why a table is read from end to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanReason {
    /// A query found no index that serves it.
    Query,
    /// A CHECK or NOT NULL constraint is verified.
    Constraint,
    /// A partition's rows are compared with its bound.
    PartitionBound,
    /// A domain's constraint is verified.
    Domain,
    /// An exclusion constraint is verified.
    Exclusion,
}

/// The locks of one relation, summed up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockSummary {
    /// Which relation.
    pub relation: RelationId,
    /// The mode that was requested first.
    pub first: LockMode,
    /// The strongest mode.
    pub strongest: LockMode,
    /// Every mode that was taken, in the order of their first request.
    pub modes: Vec<LockMode>,
}

impl LockSummary {
    /// Sums up the lock steps, one entry per relation in the order of the first request.
    pub fn of(steps: &[Step]) -> Vec<Self> {
        let mut found: Vec<Self> = Vec::new();
        for step in steps {
            let (Step::Lock { relation, mode, .. } | Step::SessionLock { relation, mode }) = step else {
                continue;
            };
            match found.iter_mut().find(|s| s.relation == *relation) {
                Some(summary) => {
                    if !summary.modes.contains(mode) {
                        summary.modes.push(*mode);
                    }
                    if rank(*mode) > rank(summary.strongest) {
                        summary.strongest = *mode;
                    }
                }
                None => found.push(Self {
                    relation: *relation,
                    first: *mode,
                    strongest: *mode,
                    modes: vec![*mode],
                }),
            }
        }
        found
    }
}

/// The modes are no ladder (SHARE and SHARE UPDATE EXCLUSIVE conflict with different things); for a summary the
/// order of the manual's table will do.
pub(crate) fn rank(mode: LockMode) -> usize {
    LockMode::ALL.iter().position(|m| *m == mode).unwrap_or(0)
}
