//! The CONCURRENTLY commands as lists of steps: which locks they take, in which of their transactions, and whom
//! they wait for. What they change in the catalogs between the steps is the layer above's affair; the phases say
//! how far a command has come.

use lock_table::{LockMode, LockTag, RelationId, Scope};
use sim_clock::Nanos;

use crate::{CommandTag, SqlError, SqlState, Step, StepContext, StepOutcome, Stepper, WaitPolicy};

/// How far a command has come; the names are those of `pg_stat_progress_create_index.phase` where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Its first locks, and its first catalog changes.
    Starting,
    /// Those who may not know of the new index are to finish.
    WaitingForWritersBeforeBuild,
    /// The table is read.
    Building,
    /// Those who may not have put their rows into the index are to finish.
    WaitingForWritersBeforeValidation,
    /// The rows that came since the build began are added.
    Validating,
    /// Those who may need rows that are not in the index are to finish.
    WaitingForOldSnapshots,
    /// The new index is valid, or takes the old one's place.
    Swapping,
    /// Those who may use the old index, or partition, are to finish.
    WaitingForReadersBeforeMarkingDead,
    /// The index is no longer used.
    MarkingDead,
    /// Those who may still have it open are to finish.
    WaitingForReadersBeforeDropping,
    /// The last changes and locks.
    Finishing,
}

/// A list of steps with the phase that each belongs to.
pub type Steps<P> = Vec<(Phase, Step<P>)>;

const SHARE_UPDATE_EXCLUSIVE: LockMode = LockMode::ShareUpdateExclusive;

fn lock<P>(relation: RelationId, mode: LockMode, scope: Scope) -> Step<P> {
    Step::Lock { tag: LockTag::Relation(relation), mode, scope, policy: WaitPolicy::Block }
}

fn unlock<P>(relation: RelationId) -> Step<P> {
    Step::Unlock { tag: LockTag::Relation(relation), mode: SHARE_UPDATE_EXCLUSIVE, scope: Scope::Session }
}

/// The first transaction: each relation locked, and kept locked when the transaction ends.
fn keep_locked<P>(relations: &[RelationId]) -> Steps<P> {
    let both = |&it: &RelationId| [Scope::Transaction, Scope::Session].map(|scope| (it, scope));
    let locks = relations.iter().flat_map(both);
    locks.map(|(it, scope)| (Phase::Starting, lock(it, SHARE_UPDATE_EXCLUSIVE, scope))).collect()
}

fn wait_for_writers<P>(table: RelationId) -> Step<P> {
    Step::WaitForLockHolders { tag: LockTag::Relation(table), mode: LockMode::Share }
}

fn wait_for_readers<P>(table: RelationId) -> Step<P> {
    Step::WaitForLockHolders { tag: LockTag::Relation(table), mode: LockMode::AccessExclusive }
}

/// Builds and validates, from the second transaction to the wait for old snapshots.
fn build<P>(table: RelationId, build: Nanos, validate: Nanos, safe_index_build: bool) -> Steps<P> {
    let next = || Step::NewTransaction { safe_index_build };
    let in_table = || lock(table, SHARE_UPDATE_EXCLUSIVE, Scope::Transaction);
    vec![
        (Phase::WaitingForWritersBeforeBuild, next()),
        (Phase::WaitingForWritersBeforeBuild, wait_for_writers(table)),
        (Phase::Building, Step::TakeSnapshot),
        (Phase::Building, in_table()),
        (Phase::Building, Step::Work(build)),
        (Phase::WaitingForWritersBeforeValidation, next()),
        (Phase::WaitingForWritersBeforeValidation, wait_for_writers(table)),
        (Phase::Validating, Step::TakeSnapshot),
        (Phase::Validating, in_table()),
        (Phase::Validating, Step::Work(validate)),
        (Phase::WaitingForOldSnapshots, next()),
        (Phase::WaitingForOldSnapshots, Step::WaitForOlderSnapshots),
    ]
}

/// CREATE INDEX CONCURRENTLY (`DefineIndex` in `indexcmds.c`). A plain index has no expressions and no
/// predicate: from version 14 on such builds do not wait for each other's snapshots.
#[must_use]
pub fn create_index_concurrently<P>(
    table: RelationId,
    is_plain: bool,
    building: Nanos,
    validating: Nanos,
) -> Steps<P> {
    let mut steps = keep_locked(&[table]);
    steps.extend(build(table, building, validating, is_plain));
    steps.push((Phase::Finishing, unlock(table)));
    steps
}

/// REINDEX INDEX CONCURRENTLY (`ReindexRelationConcurrently` in `indexcmds.c`): builds a second index, lets it
/// take the first one's place and drops that.
#[must_use]
pub fn reindex_concurrently<P>(
    table: RelationId,
    index: RelationId,
    is_plain: bool,
    building: Nanos,
    validating: Nanos,
) -> Steps<P> {
    let next = || Step::NewTransaction { safe_index_build: false };
    let mut steps = keep_locked(&[table, index]);
    steps.extend(build(table, building, validating, is_plain));
    steps.extend([
        (Phase::Swapping, next()),
        (Phase::Swapping, lock(index, SHARE_UPDATE_EXCLUSIVE, Scope::Transaction)),
        (Phase::WaitingForReadersBeforeMarkingDead, next()),
        (Phase::WaitingForReadersBeforeMarkingDead, wait_for_readers(table)),
        (Phase::MarkingDead, lock(table, SHARE_UPDATE_EXCLUSIVE, Scope::Transaction)),
        (Phase::WaitingForReadersBeforeDropping, next()),
        (Phase::WaitingForReadersBeforeDropping, wait_for_readers(table)),
        (Phase::Finishing, Step::TakeSnapshot),
        (Phase::Finishing, next()),
        (Phase::Finishing, unlock(index)),
        (Phase::Finishing, unlock(table)),
    ]);
    steps
}

/// DROP INDEX CONCURRENTLY (`index_drop` in `index.c`): every user of the table is waited for, twice.
#[must_use]
pub fn drop_index_concurrently<P>(table: RelationId, index: RelationId) -> Steps<P> {
    let next = || Step::NewTransaction { safe_index_build: false };
    let mut steps = keep_locked(&[table, index]);
    steps.extend([
        (Phase::WaitingForReadersBeforeMarkingDead, next()),
        (Phase::WaitingForReadersBeforeMarkingDead, wait_for_readers(table)),
        (Phase::MarkingDead, lock(table, SHARE_UPDATE_EXCLUSIVE, Scope::Transaction)),
        (Phase::WaitingForReadersBeforeDropping, next()),
        (Phase::WaitingForReadersBeforeDropping, wait_for_readers(table)),
        (Phase::Finishing, lock(table, SHARE_UPDATE_EXCLUSIVE, Scope::Transaction)),
        (Phase::Finishing, lock(index, LockMode::AccessExclusive, Scope::Transaction)),
        (Phase::Finishing, unlock(table)),
        (Phase::Finishing, unlock(index)),
    ]);
    steps
}

/// ALTER TABLE DETACH PARTITION CONCURRENTLY (`ATExecDetachPartition` in `tablecmds.c`): every user of the
/// *parent* is waited for; the partition itself is then locked as any table is.
#[must_use]
pub fn detach_partition_concurrently<P>(parent: RelationId, partition: RelationId) -> Steps<P> {
    let next = || Step::NewTransaction { safe_index_build: false };
    let mut steps = keep_locked(&[parent, partition]);
    steps.extend([
        (Phase::WaitingForReadersBeforeMarkingDead, next()),
        (Phase::WaitingForReadersBeforeMarkingDead, wait_for_readers(parent)),
        (Phase::Finishing, lock(parent, SHARE_UPDATE_EXCLUSIVE, Scope::Transaction)),
        (Phase::Finishing, lock(partition, LockMode::AccessExclusive, Scope::Transaction)),
        (Phase::Finishing, unlock(parent)),
        (Phase::Finishing, unlock(partition)),
    ]);
    steps
}

/// A statement that is a list of steps and nothing more.
pub struct Sequence<P> {
    steps: std::vec::IntoIter<(Phase, Step<P>)>,
    tag: CommandTag,
    commits_inside: bool,
    is_vacuum: bool,
}

impl<P> Sequence<P> {
    /// A command with transactions of its own: a CONCURRENTLY command.
    #[must_use]
    pub fn concurrent(steps: Steps<P>, tag: CommandTag) -> Self {
        Self { steps: steps.into_iter(), tag, commits_inside: true, is_vacuum: false }
    }

    /// A command within one transaction.
    #[must_use]
    pub fn simple(steps: Vec<Step<P>>, tag: CommandTag) -> Self {
        let steps: Steps<P> = steps.into_iter().map(|step| (Phase::Starting, step)).collect();
        Self { steps: steps.into_iter(), tag, commits_inside: false, is_vacuum: false }
    }

    /// A VACUUM.
    #[must_use]
    pub fn vacuum(steps: Vec<Step<P>>) -> Self {
        Self { is_vacuum: true, commits_inside: true, ..Self::simple(steps, CommandTag("VACUUM")) }
    }
}

impl<P> Stepper<P> for Sequence<P> {
    fn step(&mut self, _: &mut StepContext<'_, P>, _: StepOutcome<P>) -> Step<P> {
        self.steps.next().map_or(Step::Done { tag: self.tag, rows: 0 }, |(_, step)| step)
    }

    fn is_vacuum(&self) -> bool {
        self.is_vacuum
    }

    fn refuses_transaction_block(&self) -> Option<SqlError> {
        let what = "this command cannot run inside a transaction block";
        self.commits_inside.then(|| SqlError::new(SqlState::ACTIVE_SQL_TRANSACTION, what))
    }
}
