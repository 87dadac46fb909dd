//! Which lock each action of `ALTER TABLE` asks for.
//!
//! Source: `AlterTableGetLockLevel` in `src/backend/commands/tablecmds.c` (the same in PostgreSQL 12 to 18 for what
//! they have in common); of storage parameters: `src/backend/access/common/reloptions.c`. The manual's `ALTER TABLE`
//! page says the same in words: "An ACCESS EXCLUSIVE lock is acquired unless explicitly noted".

use lock_table::LockMode;
use sql_syntax::ast::{
    AlterTable, AlterTableAction, ColumnChange, DetachMode, RelationKeyword, StorageOption,
    TableConstraintKind,
};

use crate::catalog::{Relation, RelationKind};
use crate::effects::run::Run;
use crate::effects::step::rank;

use LockMode::{AccessExclusive, ShareRowExclusive, ShareUpdateExclusive};

/// Storage parameters that only concern what happens from now on; all others need the table to themselves.
/// Name and lock, from the tables in `reloptions.c`.
static OPTION_LOCKS: &[(&str, LockMode)] = &[
    ("fillfactor", ShareUpdateExclusive),
    ("toast_tuple_target", ShareUpdateExclusive),
    ("parallel_workers", ShareUpdateExclusive),
    ("vacuum_truncate", ShareUpdateExclusive),
    ("vacuum_index_cleanup", ShareUpdateExclusive),
    ("vacuum_max_eager_freeze_failure_rate", ShareUpdateExclusive),
    ("log_autovacuum_min_duration", ShareUpdateExclusive),
    ("deduplicate_items", ShareUpdateExclusive),
    ("n_distinct", ShareUpdateExclusive),
    ("n_distinct_inherited", ShareUpdateExclusive),
    ("user_catalog_table", AccessExclusive),
    ("fastupdate", AccessExclusive),
    ("gin_pending_list_limit", AccessExclusive),
    ("buffering", AccessExclusive),
    ("pages_per_range", AccessExclusive),
    ("autosummarize", AccessExclusive),
    ("security_barrier", AccessExclusive),
    ("security_invoker", AccessExclusive),
    ("check_option", AccessExclusive),
];

impl Run<'_> {
    /// The strongest of the locks that the actions ask for.
    pub(super) fn alter_lock_level(&self, relation: &Relation, statement: &AlterTable) -> LockMode {
        if statement.keyword == RelationKeyword::Sequence {
            return AccessExclusive;
        }
        let levels = statement.actions.iter().map(|action| level(relation, &action.value));
        levels.max_by_key(|mode| rank(*mode)).unwrap_or(AccessExclusive)
    }
}

fn level(relation: &Relation, action: &AlterTableAction) -> LockMode {
    use AlterTableAction as A;
    use ColumnChange as C;
    match action {
        A::AddConstraint(constraint) => match constraint.kind {
            TableConstraintKind::ForeignKey { .. } => ShareRowExclusive,
            _ => AccessExclusive,
        },
        A::Trigger { .. } => ShareRowExclusive,
        A::ValidateConstraint { .. } | A::ClusterOn(_) | A::SetWithoutCluster => ShareUpdateExclusive,
        A::AlterColumn { change, .. } | A::AlterColumnNumber { change, .. } => match change {
            C::SetStatistics(_) | C::SetOptions(_) | C::ResetOptions(_) => ShareUpdateExclusive,
            _ => AccessExclusive,
        },
        A::AttachPartition { .. } | A::AttachIndexPartition(_) => ShareUpdateExclusive,
        A::DetachPartition { mode, .. } => match mode {
            DetachMode::Plain => AccessExclusive,
            DetachMode::Concurrently | DetachMode::Finalize => ShareUpdateExclusive,
        },
        A::SetOptions(options) | A::ResetOptions(options) => options_level(relation, options),
        _ => AccessExclusive,
    }
}

fn options_level(relation: &Relation, options: &[StorageOption]) -> LockMode {
    if matches!(relation.kind, RelationKind::View(_)) {
        return AccessExclusive;
    }
    let of = |option: &StorageOption| {
        if option.name.starts_with("autovacuum_") {
            return ShareUpdateExclusive;
        }
        OPTION_LOCKS.iter().find(|(name, _)| *name == option.name).map_or(AccessExclusive, |(_, mode)| *mode)
    };
    options.iter().map(of).max_by_key(|mode| rank(*mode)).unwrap_or(AccessExclusive)
}
