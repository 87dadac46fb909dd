//! CREATE TABLE and its parts.

use super::{DataType, Expr, Ident, ObjectName, Query};
use crate::TextRange;

/// How long a relation lives and what it survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Persistence {
    /// An ordinary one.
    #[default]
    Permanent,
    /// TEMPORARY.
    Temporary,
    /// UNLOGGED.
    Unlogged,
}

/// CREATE TABLE.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateTable {
    /// Its name.
    pub name: ObjectName,
    /// TEMPORARY, UNLOGGED.
    pub persistence: Persistence,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// FOREIGN TABLE.
    pub foreign: bool,
    /// Columns; with PARTITION OF and OF a column need not have a type.
    pub columns: Vec<ColumnDef>,
    /// Table constraints.
    pub constraints: Vec<TableConstraint>,
    /// LIKE clauses.
    pub likes: Vec<LikeClause>,
    /// INHERITS.
    pub inherits: Vec<ObjectName>,
    /// PARTITION OF.
    pub partition_of: Option<PartitionOf>,
    /// OF type.
    pub of_type: Option<DataType>,
    /// PARTITION BY.
    pub partition_by: Option<PartitionBy>,
    /// USING.
    pub access_method: Option<Ident>,
    /// WITH.
    pub options: Vec<StorageOption>,
    /// ON COMMIT.
    pub on_commit: OnCommit,
    /// TABLESPACE.
    pub tablespace: Option<Ident>,
}

/// ON COMMIT of a temporary table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnCommit {
    /// Rows stay.
    #[default]
    PreserveRows,
    /// Rows go.
    DeleteRows,
    /// The table goes.
    Drop,
}

/// One column.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnDef {
    /// Its name.
    pub name: Ident,
    /// Its type, unless it comes from elsewhere (PARTITION OF, OF).
    pub data_type: Option<DataType>,
    /// COLLATE.
    pub collation: Option<ObjectName>,
    /// STORAGE.
    pub storage: Option<String>,
    /// COMPRESSION.
    pub compression: Option<String>,
    /// Constraints, defaults and the like, in order.
    pub constraints: Vec<ColumnConstraint>,
    /// Where it stands.
    pub range: TextRange,
}

impl ColumnDef {
    /// The DEFAULT expression, if there is one.
    #[must_use]
    pub fn default_value(&self) -> Option<&Expr> {
        self.constraints.iter().find_map(|c| match &c.kind {
            ColumnConstraintKind::Default(value) => Some(value),
            _ => None,
        })
    }

    /// Whether it says NOT NULL (a primary key, an identity and a serial imply it without saying so).
    #[must_use]
    pub fn says_not_null(&self) -> bool {
        self.constraints.iter().any(|c| matches!(c.kind, ColumnConstraintKind::NotNull))
    }
}

/// One constraint of a column.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnConstraint {
    /// CONSTRAINT name.
    pub name: Option<Ident>,
    /// Which.
    pub kind: ColumnConstraintKind,
    /// DEFERRABLE, NOT VALID and the like.
    pub attributes: ConstraintAttributes,
    /// Where it stands.
    pub range: TextRange,
}

/// The kinds of column constraint.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnConstraintKind {
    /// NOT NULL.
    NotNull,
    /// NULL.
    Null,
    /// DEFAULT.
    Default(Expr),
    /// GENERATED ALWAYS AS (...) STORED or VIRTUAL.
    Generated {
        /// From what.
        value: Expr,
        /// STORED rather than VIRTUAL.
        stored: bool,
    },
    /// GENERATED ... AS IDENTITY.
    Identity {
        /// ALWAYS rather than BY DEFAULT.
        always: bool,
        /// Options of its sequence.
        options: Vec<SequenceOption>,
    },
    /// CHECK.
    Check(Expr),
    /// PRIMARY KEY.
    PrimaryKey(IndexParameters),
    /// UNIQUE.
    Unique(IndexParameters),
    /// REFERENCES.
    References(References),
}

/// What a UNIQUE or PRIMARY KEY constraint says about its index.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IndexParameters {
    /// NULLS NOT DISTINCT.
    pub nulls_not_distinct: bool,
    /// INCLUDE.
    pub include: Vec<Ident>,
    /// WITH.
    pub options: Vec<StorageOption>,
    /// USING INDEX TABLESPACE.
    pub tablespace: Option<Ident>,
    /// USING INDEX: an index that exists.
    pub using_index: Option<ObjectName>,
    /// WITHOUT OVERLAPS.
    pub without_overlaps: bool,
}

/// DEFERRABLE, NOT VALID and the like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConstraintAttributes {
    /// DEFERRABLE (true), NOT DEFERRABLE (false), if given.
    pub deferrable: Option<bool>,
    /// INITIALLY DEFERRED (true), INITIALLY IMMEDIATE (false), if given.
    pub initially_deferred: Option<bool>,
    /// NOT VALID.
    pub not_valid: bool,
    /// NO INHERIT.
    pub no_inherit: bool,
    /// INHERIT (of ALTER CONSTRAINT).
    pub inherit: bool,
    /// NOT ENFORCED (false), ENFORCED (true), if given.
    pub enforced: Option<bool>,
}

/// The referenced side of a foreign key.
#[derive(Clone, Debug, PartialEq)]
pub struct References {
    /// The table.
    pub table: ObjectName,
    /// Its columns; empty for its primary key.
    pub columns: Vec<Ident>,
    /// MATCH FULL.
    pub match_full: bool,
    /// ON DELETE.
    pub on_delete: ReferentialAction,
    /// ON UPDATE.
    pub on_update: ReferentialAction,
}

/// What happens to referencing rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ReferentialAction {
    /// NO ACTION.
    #[default]
    NoAction,
    /// RESTRICT.
    Restrict,
    /// CASCADE.
    Cascade,
    /// SET NULL, of these columns or (empty) of all.
    SetNull(Vec<Ident>),
    /// SET DEFAULT, of these columns or (empty) of all.
    SetDefault(Vec<Ident>),
}

/// One constraint of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct TableConstraint {
    /// CONSTRAINT name.
    pub name: Option<Ident>,
    /// Which.
    pub kind: TableConstraintKind,
    /// DEFERRABLE, NOT VALID and the like.
    pub attributes: ConstraintAttributes,
    /// Where it stands.
    pub range: TextRange,
}

/// The kinds of table constraint.
#[derive(Clone, Debug, PartialEq)]
pub enum TableConstraintKind {
    /// CHECK.
    Check(Expr),
    /// NOT NULL column (PostgreSQL 18).
    NotNull(Ident),
    /// PRIMARY KEY; no columns with USING INDEX.
    PrimaryKey {
        /// The key.
        columns: Vec<Ident>,
        /// Its index.
        index: IndexParameters,
    },
    /// UNIQUE; no columns with USING INDEX.
    Unique {
        /// The key.
        columns: Vec<Ident>,
        /// Its index.
        index: IndexParameters,
    },
    /// FOREIGN KEY.
    ForeignKey {
        /// The referencing columns.
        columns: Vec<Ident>,
        /// What they refer to.
        references: References,
    },
    /// EXCLUDE.
    Exclude {
        /// USING.
        access_method: Option<Ident>,
        /// Expression and operator.
        elements: Vec<(Expr, String)>,
        /// Its index.
        index: IndexParameters,
        /// WHERE.
        predicate: Option<Expr>,
    },
}

/// LIKE in CREATE TABLE.
#[derive(Clone, Debug, PartialEq)]
pub struct LikeClause {
    /// Like which.
    pub table: ObjectName,
    /// INCLUDING (true) and EXCLUDING (false) with the property's key word in lower case, in order.
    pub options: Vec<(bool, String)>,
}

impl LikeClause {
    /// Whether `property` (`indexes`, `defaults`, ...) is included after all options, read in order.
    #[must_use]
    pub fn includes(&self, property: &str) -> bool {
        self.options.iter().rev().find(|(_, p)| p == property || p == "all").is_some_and(|(yes, _)| *yes)
    }
}

/// PARTITION OF.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionOf {
    /// The partitioned table.
    pub parent: ObjectName,
    /// Which part.
    pub bound: PartitionBound,
}

/// Which rows a partition takes.
#[derive(Clone, Debug, PartialEq)]
pub enum PartitionBound {
    /// FOR VALUES IN.
    In(Vec<Expr>),
    /// FOR VALUES FROM ... TO ...; MINVALUE and MAXVALUE are columns of that name, as in PostgreSQL's grammar.
    Range {
        /// Inclusive.
        from: Vec<Expr>,
        /// Exclusive.
        to: Vec<Expr>,
    },
    /// FOR VALUES WITH.
    Hash {
        /// MODULUS.
        modulus: u32,
        /// REMAINDER.
        remainder: u32,
    },
    /// DEFAULT.
    Default,
}

/// PARTITION BY.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionBy {
    /// How.
    pub strategy: PartitionStrategy,
    /// By what.
    pub keys: Vec<IndexElement>,
}

/// The ways of partitioning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionStrategy {
    /// RANGE.
    Range,
    /// LIST.
    List,
    /// HASH.
    Hash,
}

/// `fillfactor = 70` in WITH and SET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageOption {
    /// `toast` of `toast.autovacuum_enabled`.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Its value as written, strings without their quotes.
    pub value: Option<String>,
}

/// CREATE TABLE AS, SELECT INTO.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateTableAs {
    /// Its name.
    pub name: ObjectName,
    /// TEMPORARY, UNLOGGED.
    pub persistence: Persistence,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// Column names, if given.
    pub columns: Vec<Ident>,
    /// The query, or the EXECUTE of a prepared one.
    pub source: Box<super::Statement>,
    /// Not WITH NO DATA.
    pub with_data: bool,
    /// ON COMMIT.
    pub on_commit: OnCommit,
    /// WITH.
    pub options: Vec<StorageOption>,
}

/// CREATE INDEX.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateIndex {
    /// Its name, if given.
    pub name: Option<Ident>,
    /// On which table; ONLY leaves a partitioned table's parts out.
    pub table: super::TableName,
    /// UNIQUE.
    pub unique: bool,
    /// CONCURRENTLY.
    pub concurrently: bool,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// USING.
    pub access_method: Option<Ident>,
    /// What is indexed.
    pub elements: Vec<IndexElement>,
    /// INCLUDE.
    pub include: Vec<IndexElement>,
    /// NULLS NOT DISTINCT.
    pub nulls_not_distinct: bool,
    /// WITH.
    pub options: Vec<StorageOption>,
    /// TABLESPACE.
    pub tablespace: Option<Ident>,
    /// WHERE.
    pub predicate: Option<Expr>,
}

/// One key of an index or a partitioning.
#[derive(Clone, Debug, PartialEq)]
pub struct IndexElement {
    /// A column (an unqualified [`super::ExprKind::Column`]) or an expression.
    pub value: Expr,
    /// COLLATE.
    pub collation: Option<ObjectName>,
    /// Operator class.
    pub opclass: Option<ObjectName>,
    /// Options of the operator class.
    pub opclass_options: Vec<StorageOption>,
    /// DESC.
    pub descending: bool,
    /// NULLS FIRST or NULLS LAST, if given.
    pub nulls_first: Option<bool>,
}

impl IndexElement {
    /// The column, if the element is one.
    #[must_use]
    pub fn column(&self) -> Option<&Ident> {
        match &self.value.kind {
            super::ExprKind::Column { qualifier, name } if qualifier.is_empty() => Some(name),
            _ => None,
        }
    }
}

/// An option of a sequence or identity column.
#[derive(Clone, Debug, PartialEq)]
pub enum SequenceOption {
    /// AS type.
    As(DataType),
    /// CACHE.
    Cache(i64),
    /// INCREMENT BY.
    Increment(i64),
    /// START WITH.
    Start(i64),
    /// RESTART, with the value if given.
    Restart(Option<i64>),
    /// MINVALUE, nothing for NO MINVALUE.
    MinValue(Option<i64>),
    /// MAXVALUE, nothing for NO MAXVALUE.
    MaxValue(Option<i64>),
    /// CYCLE (true), NO CYCLE (false).
    Cycle(bool),
    /// OWNED BY table.column; nothing for NONE.
    OwnedBy(Option<(ObjectName, Ident)>),
    /// SEQUENCE NAME of an identity column.
    Name(ObjectName),
    /// LOGGED (true), UNLOGGED (false).
    Logged(bool),
}

/// CREATE VIEW.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateView {
    /// Its name.
    pub name: ObjectName,
    /// OR REPLACE.
    pub or_replace: bool,
    /// TEMPORARY.
    pub persistence: Persistence,
    /// RECURSIVE.
    pub recursive: bool,
    /// Column names, if given.
    pub columns: Vec<Ident>,
    /// WITH.
    pub options: Vec<StorageOption>,
    /// AS.
    pub query: Box<Query>,
}

/// CREATE MATERIALIZED VIEW.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateMaterializedView {
    /// Its name.
    pub name: ObjectName,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// Column names, if given.
    pub columns: Vec<Ident>,
    /// WITH.
    pub options: Vec<StorageOption>,
    /// AS.
    pub query: Box<Query>,
    /// Not WITH NO DATA.
    pub with_data: bool,
}

/// REFRESH MATERIALIZED VIEW.
#[derive(Clone, Debug, PartialEq)]
pub struct RefreshMaterializedView {
    /// Which.
    pub name: ObjectName,
    /// CONCURRENTLY.
    pub concurrently: bool,
    /// Not WITH NO DATA.
    pub with_data: bool,
}
