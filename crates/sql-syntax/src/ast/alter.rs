//! ALTER TABLE and the statements that share its actions.

use super::{
    ColumnDef, ConstraintAttributes, DataType, Expr, Ident, ObjectName, PartitionBound, SequenceOption,
    StorageOption, TableConstraint,
};
use crate::Located;

/// The key word that an ALTER names its relation with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelationKeyword {
    /// ALTER TABLE.
    Table,
    /// ALTER INDEX.
    Index,
    /// ALTER VIEW.
    View,
    /// ALTER MATERIALIZED VIEW.
    MaterializedView,
    /// ALTER SEQUENCE.
    Sequence,
    /// ALTER FOREIGN TABLE.
    ForeignTable,
}

impl RelationKeyword {
    /// As SQL writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Table => "TABLE",
            Self::Index => "INDEX",
            Self::View => "VIEW",
            Self::MaterializedView => "MATERIALIZED VIEW",
            Self::Sequence => "SEQUENCE",
            Self::ForeignTable => "FOREIGN TABLE",
        }
    }
}

/// ALTER of a relation.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterTable {
    /// Which kind the statement names.
    pub keyword: RelationKeyword,
    /// Its name.
    pub name: ObjectName,
    /// ONLY.
    pub only: bool,
    /// IF EXISTS.
    pub if_exists: bool,
    /// What is altered, in order.
    pub actions: Vec<Located<AlterTableAction>>,
}

/// ALTER of every relation of a kind that lies in a tablespace.
#[derive(Clone, Debug, PartialEq)]
pub struct MoveAll {
    /// Which kind: tables, indexes or materialised views.
    pub keyword: RelationKeyword,
    /// The tablespace that they lie in.
    pub from: Ident,
    /// Only what these roles own; empty for all.
    pub owned_by: Vec<Ident>,
    /// The tablespace that they go to.
    pub to: Ident,
    /// NOWAIT.
    pub nowait: bool,
}

/// RESTRICT or CASCADE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DropBehavior {
    /// RESTRICT, which is what nothing means.
    #[default]
    Restrict,
    /// CASCADE.
    Cascade,
}

/// One action of ALTER TABLE.
#[derive(Clone, Debug, PartialEq)]
pub enum AlterTableAction {
    /// ADD COLUMN.
    AddColumn {
        /// IF NOT EXISTS.
        if_not_exists: bool,
        /// The column.
        column: ColumnDef,
    },
    /// DROP COLUMN.
    DropColumn {
        /// Which.
        column: Ident,
        /// IF EXISTS.
        if_exists: bool,
        /// CASCADE.
        behavior: DropBehavior,
    },
    /// ALTER COLUMN.
    AlterColumn {
        /// Which.
        column: Ident,
        /// How.
        change: ColumnChange,
    },
    /// ALTER COLUMN by its number, of an index over expressions.
    AlterColumnNumber {
        /// Counted from 1.
        number: i64,
        /// How.
        change: ColumnChange,
    },
    /// ADD a constraint.
    AddConstraint(TableConstraint),
    /// ALTER CONSTRAINT.
    AlterConstraint {
        /// Which.
        name: Ident,
        /// To what.
        attributes: ConstraintAttributes,
    },
    /// VALIDATE CONSTRAINT.
    ValidateConstraint {
        /// Which.
        name: Ident,
    },
    /// DROP CONSTRAINT.
    DropConstraint {
        /// Which.
        name: Ident,
        /// IF EXISTS.
        if_exists: bool,
        /// CASCADE.
        behavior: DropBehavior,
    },
    /// RENAME TO.
    RenameTo(Ident),
    /// RENAME COLUMN.
    RenameColumn {
        /// From.
        column: Ident,
        /// To.
        to: Ident,
    },
    /// RENAME CONSTRAINT.
    RenameConstraint {
        /// From.
        name: Ident,
        /// To.
        to: Ident,
    },
    /// SET SCHEMA.
    SetSchema(Ident),
    /// SET TABLESPACE.
    SetTablespace(Ident),
    /// SET ACCESS METHOD; nothing for DEFAULT.
    SetAccessMethod(Option<Ident>),
    /// SET LOGGED (true), SET UNLOGGED (false).
    SetLogged(bool),
    /// SET (...).
    SetOptions(Vec<StorageOption>),
    /// RESET (...).
    ResetOptions(Vec<StorageOption>),
    /// CLUSTER ON.
    ClusterOn(Ident),
    /// SET WITHOUT CLUSTER.
    SetWithoutCluster,
    /// SET WITHOUT OIDS.
    SetWithoutOids,
    /// OWNER TO.
    OwnerTo(String),
    /// REPLICA IDENTITY.
    ReplicaIdentity(ReplicaIdentity),
    /// ENABLE and DISABLE TRIGGER.
    Trigger {
        /// Which.
        target: TriggerTarget,
        /// To what.
        state: TriggerState,
    },
    /// ENABLE and DISABLE RULE.
    Rule {
        /// Which.
        name: Ident,
        /// To what.
        state: TriggerState,
    },
    /// ENABLE (true) and DISABLE (false) ROW LEVEL SECURITY.
    RowSecurity(bool),
    /// FORCE (true) and NO FORCE (false) ROW LEVEL SECURITY.
    ForceRowSecurity(bool),
    /// INHERIT.
    Inherit(ObjectName),
    /// NO INHERIT.
    NoInherit(ObjectName),
    /// OF type.
    OfType(DataType),
    /// NOT OF.
    NotOf,
    /// ATTACH PARTITION, of a table.
    AttachPartition {
        /// Which table.
        partition: ObjectName,
        /// For which rows.
        bound: PartitionBound,
    },
    /// ATTACH PARTITION, of an index.
    AttachIndexPartition(ObjectName),
    /// DETACH PARTITION.
    DetachPartition {
        /// Which table.
        partition: ObjectName,
        /// CONCURRENTLY, FINALIZE.
        mode: DetachMode,
    },
    /// An action that is sound SQL and has no type here, by name.
    NotModelled(String),
}

/// How DETACH PARTITION goes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DetachMode {
    /// At once.
    Plain,
    /// CONCURRENTLY.
    Concurrently,
    /// FINALIZE.
    Finalize,
}

/// What ALTER COLUMN changes.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnChange {
    /// TYPE.
    SetType {
        /// The new type.
        data_type: DataType,
        /// COLLATE.
        collation: Option<ObjectName>,
        /// USING.
        using: Option<Expr>,
    },
    /// SET DEFAULT.
    SetDefault(Expr),
    /// DROP DEFAULT.
    DropDefault,
    /// SET NOT NULL.
    SetNotNull,
    /// DROP NOT NULL.
    DropNotNull,
    /// SET EXPRESSION.
    SetExpression(Expr),
    /// DROP EXPRESSION.
    DropExpression {
        /// IF EXISTS.
        if_exists: bool,
    },
    /// SET STATISTICS; nothing for DEFAULT.
    SetStatistics(Option<i64>),
    /// SET STORAGE.
    SetStorage(String),
    /// SET COMPRESSION.
    SetCompression(String),
    /// SET (...).
    SetOptions(Vec<StorageOption>),
    /// RESET (...).
    ResetOptions(Vec<StorageOption>),
    /// ADD GENERATED ... AS IDENTITY.
    AddIdentity {
        /// ALWAYS rather than BY DEFAULT.
        always: bool,
        /// Options of its sequence.
        options: Vec<SequenceOption>,
    },
    /// SET GENERATED, SET sequence options, RESTART.
    SetIdentity {
        /// SET GENERATED ALWAYS (true) or BY DEFAULT (false), if given.
        always: Option<bool>,
        /// Options of its sequence.
        options: Vec<SequenceOption>,
    },
    /// DROP IDENTITY.
    DropIdentity {
        /// IF EXISTS.
        if_exists: bool,
    },
    /// Sound SQL that has no type here, by name.
    NotModelled(String),
}

/// REPLICA IDENTITY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplicaIdentity {
    /// DEFAULT.
    Default,
    /// FULL.
    Full,
    /// NOTHING.
    Nothing,
    /// USING INDEX.
    Index(Ident),
}

/// Which triggers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TriggerTarget {
    /// One.
    Name(Ident),
    /// ALL.
    All,
    /// USER.
    User,
}

/// When a trigger or rule fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriggerState {
    /// ENABLE.
    Enabled,
    /// DISABLE.
    Disabled,
    /// ENABLE REPLICA.
    Replica,
    /// ENABLE ALWAYS.
    Always,
}
