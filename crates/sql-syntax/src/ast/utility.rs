//! Transactions, settings and maintenance.

use super::{DropBehavior, Ident, ObjectName, TableName};

/// What BEGIN and SET TRANSACTION say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransactionModes {
    /// ISOLATION LEVEL, if given.
    pub isolation: Option<IsolationLevel>,
    /// READ ONLY (true), READ WRITE (false), if given.
    pub read_only: Option<bool>,
    /// DEFERRABLE (true), NOT DEFERRABLE (false), if given.
    pub deferrable: Option<bool>,
    /// TRANSACTION SNAPSHOT, if given.
    pub snapshot: Option<String>,
}

/// Isolation levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IsolationLevel {
    /// READ UNCOMMITTED, which PostgreSQL treats as READ COMMITTED.
    ReadUncommitted,
    /// READ COMMITTED.
    ReadCommitted,
    /// REPEATABLE READ.
    RepeatableRead,
    /// SERIALIZABLE.
    Serializable,
}

/// SET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetVariable {
    /// Its name in lower case; `timezone` for SET TIME ZONE, `search_path` for SET SCHEMA.
    pub name: String,
    /// SET LOCAL.
    pub local: bool,
    /// The values as written, strings without quotes; nothing for DEFAULT.
    pub values: Option<Vec<String>>,
}

/// The eight table lock modes, by the words of LOCK TABLE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum TableLockMode {
    AccessShare,
    RowShare,
    RowExclusive,
    ShareUpdateExclusive,
    Share,
    ShareRowExclusive,
    Exclusive,
    AccessExclusive,
}

/// LOCK TABLE.
#[derive(Clone, Debug, PartialEq)]
pub struct LockTable {
    /// Which, in order.
    pub tables: Vec<TableName>,
    /// How strong; ACCESS EXCLUSIVE if not given.
    pub mode: TableLockMode,
    /// NOWAIT.
    pub nowait: bool,
}

/// TRUNCATE.
#[derive(Clone, Debug, PartialEq)]
pub struct Truncate {
    /// Which, in order.
    pub tables: Vec<TableName>,
    /// RESTART IDENTITY.
    pub restart_identity: bool,
    /// CASCADE.
    pub behavior: DropBehavior,
}

/// An option of VACUUM, ANALYZE, CLUSTER or REINDEX in parentheses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaintenanceOption {
    /// Its name in lower case.
    pub name: String,
    /// Its value as written in lower case, if given.
    pub value: Option<String>,
}

impl MaintenanceOption {
    /// Whether a boolean option is on: without a value it is.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !matches!(self.value.as_deref(), Some("false" | "off" | "0" | "no"))
    }
}

/// Whether the boolean option `name` is among `options` and on.
#[must_use]
pub fn has_option(options: &[MaintenanceOption], name: &str) -> bool {
    options.iter().rev().find(|o| o.name == name).is_some_and(MaintenanceOption::is_on)
}

/// VACUUM.
#[derive(Clone, Debug, PartialEq)]
pub struct Vacuum {
    /// The options, also those written without parentheses.
    pub options: Vec<MaintenanceOption>,
    /// Which tables, with columns to analyze; empty for all.
    pub tables: Vec<(TableName, Vec<Ident>)>,
}

/// ANALYZE.
#[derive(Clone, Debug, PartialEq)]
pub struct Analyze {
    /// The options.
    pub options: Vec<MaintenanceOption>,
    /// Which tables, with columns; empty for all.
    pub tables: Vec<(TableName, Vec<Ident>)>,
}

/// CLUSTER.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// Which table; nothing for all that were clustered before.
    pub table: Option<ObjectName>,
    /// USING.
    pub index: Option<ObjectName>,
}

/// REINDEX.
#[derive(Clone, Debug, PartialEq)]
pub struct Reindex {
    /// What.
    pub target: ReindexTarget,
    /// CONCURRENTLY, in either place.
    pub concurrently: bool,
    /// TABLESPACE.
    pub tablespace: Option<Ident>,
}

/// What REINDEX rebuilds.
#[derive(Clone, Debug, PartialEq)]
pub enum ReindexTarget {
    /// INDEX.
    Index(ObjectName),
    /// TABLE.
    Table(ObjectName),
    /// SCHEMA.
    Schema(Ident),
    /// DATABASE.
    Database(Option<Ident>),
    /// SYSTEM.
    System(Option<Ident>),
}

/// How much FETCH and MOVE take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchCount {
    /// That many rows forward, backward if negative.
    Rows(i64),
    /// All that are left.
    All,
    /// All that lie before.
    BackwardAll,
    /// To that row.
    Absolute(i64),
    /// That many rows further, one row.
    Relative(i64),
}
