//! `ALTER TABLE` and the statements that share its actions.
//!
//! Source: `src/backend/commands/tablecmds.c`. The strongest lock that any of the actions asks for is taken first
//! (`AlterTableGetLockLevel`). Then come three phases: children are locked (`ATPrepCmd`), catalogs are changed in a
//! fixed order of passes whatever the order of the text (`ATRewriteCatalogs`), rows are read or rewritten, once per
//! table (`ATRewriteTables`).

mod attribute;
mod column;
mod column_type;
mod constraint;
mod lock_level;
mod partition;
mod rename;
mod storage;

use lock_table::LockMode;
use sql_syntax::Located;
use sql_syntax::ast::{
    AlterTable, AlterTableAction, ColumnChange, DetachMode, RelationKeyword, TableConstraintKind,
};

use super::constraint::Adding;
use super::queue::Queue;
use super::run::{Outcome, Run, plain};
use crate::catalog::{Relation, RelationId, RelationKind};
use crate::error::{SqlError, sqlstate};
use crate::version::PgVersion;

/// The passes of phase 2 (`AlterTablePass`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Pass {
    Drop,
    AlterType,
    AddColumn,
    SetExpression,
    /// What a change of type has dropped is made again.
    OldIndexesAndConstraints,
    ColumnAttributes,
    AddIndex,
    AddConstraint,
    Misc,
}

impl Pass {
    const ALL: [Self; 9] = [
        Self::Drop,
        Self::AlterType,
        Self::AddColumn,
        Self::SetExpression,
        Self::OldIndexesAndConstraints,
        Self::ColumnAttributes,
        Self::AddIndex,
        Self::AddConstraint,
        Self::Misc,
    ];

    fn of(action: &AlterTableAction) -> Self {
        use AlterTableAction as A;
        use ColumnChange as C;
        match action {
            A::DropColumn { .. } | A::DropConstraint { .. } => Self::Drop,
            A::AddColumn { .. } => Self::AddColumn,
            A::AddConstraint(constraint) => match constraint.kind {
                TableConstraintKind::PrimaryKey { .. }
                | TableConstraintKind::Unique { .. }
                | TableConstraintKind::Exclude { .. } => Self::AddIndex,
                TableConstraintKind::NotNull(_) => Self::ColumnAttributes,
                _ => Self::AddConstraint,
            },
            A::AlterColumn { change, .. } => match change {
                C::SetType { .. } => Self::AlterType,
                C::SetExpression(_) => Self::SetExpression,
                C::DropNotNull | C::DropExpression { .. } | C::DropIdentity { .. } => Self::Drop,
                C::SetDefault(_) => Self::Misc,
                C::DropDefault => Self::Drop,
                C::SetNotNull | C::AddIdentity { .. } => Self::ColumnAttributes,
                _ => Self::Misc,
            },
            _ => Self::Misc,
        }
    }
}

/// What the actions of one statement share.
struct Alter<'s> {
    table: RelationId,
    only: bool,
    lock: LockMode,
    queue: Queue,
    /// What changes of type have dropped and have to make again.
    readd: column_type::Readd,
    actions: &'s [Located<AlterTableAction>],
}

impl Alter<'_> {
    fn adding(&self) -> Adding {
        Adding { only: self.only, with_table: false, lock: Some(self.lock) }
    }
}

impl Run<'_> {
    pub(super) fn alter_table(&mut self, statement: &AlterTable) -> Outcome {
        if let [action] = statement.actions.as_slice()
            && rename::is_rename(&action.value)
        {
            return self.rename(statement, &action.value);
        }
        let relation = match self.find(&statement.name) {
            Err(_) if statement.if_exists => {
                self.notice(format!("relation \"{}\" does not exist, skipping", plain(&statement.name)));
                return Ok(());
            }
            found => found?,
        };
        let concurrently = |a: &Located<AlterTableAction>| {
            matches!(&a.value, AlterTableAction::DetachPartition { mode: DetachMode::Concurrently, .. })
        };
        if statement.actions.iter().any(concurrently) {
            self.outside_transaction("ALTER TABLE ... DETACH CONCURRENTLY")?;
        }
        let lock = self.alter_lock_level(&relation, statement);
        self.lock(relation.id, lock);
        self.fits_keyword(&relation, statement.keyword)?;
        self.not_in_use(&relation, &format!("ALTER {}", statement.keyword.as_str()))?;
        let mut alter = Alter {
            table: relation.id,
            only: statement.only,
            lock,
            queue: Queue::default(),
            readd: column_type::Readd::default(),
            actions: &statement.actions,
        };
        for action in &statement.actions {
            self.permitted(&relation, &action.value)?;
            self.prepare(&alter, &action.value)?;
        }
        for pass in Pass::ALL {
            if pass == Pass::OldIndexesAndConstraints {
                self.make_again(&mut alter)?;
            }
            for action in alter.actions {
                if Pass::of(&action.value) == pass {
                    self.action(&mut alter, &action.value)?;
                }
                // The constraints that a column definition brings along belong to passes of their own.
                if let AlterTableAction::AddColumn { column, .. } = &action.value {
                    self.constraints_of_new_column(&mut alter, column, pass)?;
                }
            }
        }
        let queue = std::mem::take(&mut alter.queue);
        self.rewrite_tables(queue)
    }

    /// Phase 1: children that an action is going to change are locked before any of them is changed.
    fn prepare(&mut self, alter: &Alter<'_>, action: &AlterTableAction) -> Outcome {
        use AlterTableAction as A;
        use ColumnChange as C;
        let v18 = self.version >= PgVersion::V18;
        let simple = match action {
            A::AlterColumn { change, column } => match change {
                C::SetDefault(_)
                | C::DropDefault
                | C::SetStatistics(_)
                | C::SetStorage(_)
                | C::SetCompression(_) => true,
                C::SetType { .. } => true,
                // Once the column is NOT NULL here it is so below.
                C::SetNotNull => !self.relation(alter.table).column(column).is_some_and(|c| c.not_null),
                C::DropNotNull => true,
                C::DropExpression { .. } | C::SetExpression(_) => true,
                C::AddIdentity { .. } | C::SetIdentity { .. } | C::DropIdentity { .. } => {
                    self.version >= PgVersion::V17 && self.relation(alter.table).partition_key().is_some()
                }
                _ => false,
            },
            // PostgreSQL 18 locks the children of a constraint up front, whatever its kind.
            A::AddConstraint(_) => v18,
            // `ATCheckPartitionsNotInUse`
            A::DropConstraint { .. } => self.relation(alter.table).partition_key().is_some(),
            A::Trigger { .. } => {
                self.version >= PgVersion::V15 && self.relation(alter.table).partition_key().is_some()
            }
            _ => false,
        };
        if simple && !alter.only {
            self.lock_descendants(alter.table, alter.lock);
        }
        Ok(())
    }

    fn lock_descendants(&mut self, table: RelationId, mode: LockMode) {
        for id in self.catalog.with_descendants(table).into_iter().skip(1) {
            self.lock(id, mode);
        }
    }

    /// Phase 2, one action.
    fn action(&mut self, alter: &mut Alter<'_>, action: &AlterTableAction) -> Outcome {
        use AlterTableAction as A;
        match action {
            A::AddColumn { if_not_exists, column } => self.add_column(alter, column, *if_not_exists),
            A::DropColumn { column, if_exists, behavior } => {
                self.drop_column(alter, column, *if_exists, *behavior)
            }
            A::AlterColumn { column, change } => self.alter_column(alter, column, change),
            A::AlterColumnNumber { number, change } => self.alter_index_column(alter, *number, change),
            A::AddConstraint(constraint) => {
                let adding = alter.adding();
                self.add_constraint(alter.table, constraint, adding, &mut alter.queue)
            }
            A::AlterConstraint { name, attributes } => self.alter_constraint(alter, name, *attributes),
            A::ValidateConstraint { name } => self.validate_constraint(alter, name),
            A::DropConstraint { name, if_exists, behavior } => {
                self.drop_constraint(alter, name, *if_exists, *behavior)
            }
            A::RenameTo(_) | A::RenameColumn { .. } | A::RenameConstraint { .. } | A::SetSchema(_) => {
                Err(SqlError::syntax(","))
            }
            A::AttachPartition { partition, bound } => self.attach_partition(alter, partition, bound),
            A::AttachIndexPartition(index) => self.attach_index_partition(alter, index),
            A::DetachPartition { partition, mode } => self.detach_partition(alter, partition, *mode),
            A::Inherit(parent) => self.inherit(alter, parent),
            A::NoInherit(parent) => self.no_inherit(alter, parent),
            A::Trigger { target, state } => self.enable_triggers(alter, target, *state),
            A::Rule { name, state } => self.enable_rule(alter, name, *state),
            A::SetTablespace(_)
            | A::SetAccessMethod(_)
            | A::SetLogged(_)
            | A::SetOptions(_)
            | A::ResetOptions(_)
            | A::ClusterOn(_)
            | A::SetWithoutCluster
            | A::SetWithoutOids
            | A::ReplicaIdentity(_)
            | A::RowSecurity(_)
            | A::ForceRowSecurity(_)
            | A::OwnerTo(_) => self.storage_action(alter, action),
            A::OfType(_) | A::NotOf => {
                self.work_on_catalogs();
                Ok(())
            }
            A::NotModelled(name) => {
                self.not_modelled(
                    format!("ALTER TABLE … {name}"),
                    "ACCESS EXCLUSIVE on the table, no rewrite",
                );
                Ok(())
            }
        }
    }

    /// Not every action can be performed on every kind of relation (`ATSimplePermissions`).
    fn permitted(&self, relation: &Relation, action: &AlterTableAction) -> Outcome {
        use AlterTableAction as A;
        use ColumnChange as C;
        use RelationKind as R;
        let permitted = match (&relation.kind, action) {
            _ if relation.assumed => true,
            (R::PartitionedTable(_), A::SetLogged(_)) => self.version < PgVersion::V18,
            (R::PartitionedTable(_), A::SetAccessMethod(_)) if self.version < PgVersion::V17 => {
                return Err(SqlError::new(
                    sqlstate::WRONG_OBJECT_TYPE,
                    "cannot change access method of a partitioned table",
                ));
            }
            (R::Table, A::AttachPartition { .. }) if self.version >= PgVersion::V18 => false,
            (R::Table, A::AttachPartition { .. }) => {
                return Err(SqlError::new(
                    sqlstate::INVALID_OBJECT_DEFINITION,
                    format!("table \"{}\" is not partitioned", relation.name),
                ));
            }
            (R::Table | R::PartitionedTable(_) | R::ForeignTable, _) => true,
            (_, A::OwnerTo(_)) => true,
            (R::View(_), A::SetOptions(_) | A::ResetOptions(_)) => true,
            (R::View(_), A::AlterColumn { change: C::SetDefault(_) | C::DropDefault, .. }) => true,
            (
                R::Index(_),
                A::SetOptions(_) | A::ResetOptions(_) | A::SetTablespace(_) | A::AttachIndexPartition(_),
            ) => true,
            (
                R::Index(_),
                A::AlterColumnNumber { .. } | A::AlterColumn { change: C::SetStatistics(_), .. },
            ) => true,
            (
                R::MaterializedView { .. },
                A::SetOptions(_)
                | A::ResetOptions(_)
                | A::SetTablespace(_)
                | A::SetAccessMethod(_)
                | A::ClusterOn(_)
                | A::SetWithoutCluster,
            ) => true,
            (
                R::MaterializedView { .. },
                A::AlterColumn {
                    change:
                        C::SetStatistics(_)
                        | C::SetStorage(_)
                        | C::SetCompression(_)
                        | C::SetOptions(_)
                        | C::ResetOptions(_),
                    ..
                },
            ) => true,
            (R::Sequence(_), A::SetLogged(_)) => self.version >= PgVersion::V15,
            (_, A::NotModelled(_)) => true,
            _ => relation.assumed,
        };
        if permitted {
            return Ok(());
        }
        Err(SqlError::new(
            sqlstate::WRONG_OBJECT_TYPE,
            format!("ALTER action cannot be performed on relation \"{}\"", relation.name),
        ))
    }

    /// `ALTER VIEW` wants a view, `ALTER TABLE` puts up with nearly everything.
    fn fits_keyword(&self, relation: &Relation, keyword: RelationKeyword) -> Outcome {
        use RelationKeyword as K;
        use RelationKind as R;
        let fits = match keyword {
            K::Table => true,
            K::Index => matches!(relation.kind, R::Index(_)),
            K::View => matches!(relation.kind, R::View(_)),
            K::MaterializedView => matches!(relation.kind, R::MaterializedView { .. }),
            K::Sequence => matches!(relation.kind, R::Sequence(_)),
            K::ForeignTable => matches!(relation.kind, R::ForeignTable),
        };
        if fits || relation.assumed {
            return Ok(());
        }
        let article = if keyword == K::Index { "an" } else { "a" };
        Err(SqlError::new(
            sqlstate::WRONG_OBJECT_TYPE,
            format!("\"{}\" is not {article} {}", relation.name, keyword.as_str().to_lowercase()),
        ))
    }
}
