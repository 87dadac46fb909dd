//! What reads and changes rows.

use super::{DataType, Expr, Ident, ObjectName};
use crate::TextRange;

/// A query: its body and what applies to the body's result.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// WITH.
    pub with: Option<With>,
    /// SELECT, VALUES or a combination.
    pub body: QueryBody,
    /// ORDER BY.
    pub order_by: Vec<OrderBy>,
    /// LIMIT or FETCH FIRST; nothing for LIMIT ALL.
    pub limit: Option<Expr>,
    /// WITH TIES.
    pub with_ties: bool,
    /// OFFSET.
    pub offset: Option<Expr>,
    /// FOR UPDATE and its relatives.
    pub locking: Vec<Locking>,
    /// Where it stands.
    pub range: TextRange,
}

/// The body of a query.
#[derive(Clone, Debug, PartialEq)]
pub enum QueryBody {
    /// SELECT.
    Select(Box<Select>),
    /// VALUES.
    Values(Vec<Vec<Expr>>),
    /// TABLE t.
    Table(TableName),
    /// UNION and its relatives.
    SetOperation {
        /// Which.
        op: SetOp,
        /// ALL.
        all: bool,
        /// Left side.
        left: Box<Query>,
        /// Right side.
        right: Box<Query>,
    },
    /// A parenthesised query with clauses of its own.
    Nested(Box<Query>),
}

/// Set operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOp {
    /// UNION.
    Union,
    /// INTERSECT.
    Intersect,
    /// EXCEPT.
    Except,
}

/// One SELECT.
#[derive(Clone, Debug, PartialEq)]
pub struct Select {
    /// DISTINCT.
    pub distinct: Option<Distinct>,
    /// What is returned.
    pub targets: Vec<Target>,
    /// From where; items separated by commas.
    pub from: Vec<FromItem>,
    /// WHERE.
    pub filter: Option<Expr>,
    /// GROUP BY.
    pub group_by: Vec<Grouping>,
    /// HAVING.
    pub having: Option<Expr>,
    /// Named windows.
    pub windows: Vec<Ident>,
}

/// DISTINCT.
#[derive(Clone, Debug, PartialEq)]
pub enum Distinct {
    /// Whole rows.
    Rows,
    /// DISTINCT ON.
    On(Vec<Expr>),
}

/// One entry of a target list.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The value; [`super::ExprKind::Wildcard`] for `*` and `t.*`.
    pub value: Expr,
    /// AS.
    pub alias: Option<Ident>,
}

/// One entry of GROUP BY.
#[derive(Clone, Debug, PartialEq)]
pub enum Grouping {
    /// An expression.
    Expr(Expr),
    /// ROLLUP, CUBE, GROUPING SETS, by name.
    NotModelled(&'static str),
}

/// One entry of FROM.
#[derive(Clone, Debug, PartialEq)]
pub enum FromItem {
    /// A table, view or CTE.
    Table {
        /// Its name.
        table: TableName,
        /// AS.
        alias: Option<TableAlias>,
        /// TABLESAMPLE.
        sampled: bool,
    },
    /// A subquery.
    Subquery {
        /// The query.
        query: Box<Query>,
        /// AS.
        alias: Option<TableAlias>,
        /// LATERAL.
        lateral: bool,
    },
    /// A function.
    Function {
        /// The call (an [`super::ExprKind::Function`], or another expression that may stand there).
        call: Box<Expr>,
        /// AS.
        alias: Option<TableAlias>,
        /// WITH ORDINALITY.
        ordinality: bool,
        /// LATERAL.
        lateral: bool,
    },
    /// A join.
    Join {
        /// Left side.
        left: Box<FromItem>,
        /// Right side.
        right: Box<FromItem>,
        /// Which join.
        kind: JoinKind,
        /// On what.
        condition: JoinCondition,
    },
    /// Sound SQL that has no type here, by name.
    NotModelled(String),
}

/// A table in a statement that reads or changes it.
#[derive(Clone, Debug, PartialEq)]
pub struct TableName {
    /// The name.
    pub name: ObjectName,
    /// ONLY: without the tables that inherit from it.
    pub only: bool,
}

/// An alias in FROM.
#[derive(Clone, Debug, PartialEq)]
pub struct TableAlias {
    /// The table's alias.
    pub name: Ident,
    /// The columns' aliases.
    pub columns: Vec<Ident>,
    /// The types of a column definition list, parallel to `columns` (functions that return records).
    pub types: Vec<DataType>,
}

/// Joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    /// `[INNER] JOIN`.
    Inner,
    /// LEFT JOIN.
    Left,
    /// RIGHT JOIN.
    Right,
    /// FULL JOIN.
    Full,
    /// CROSS JOIN.
    Cross,
}

/// What a join joins on.
#[derive(Clone, Debug, PartialEq)]
pub enum JoinCondition {
    /// ON.
    On(Box<Expr>),
    /// USING.
    Using(Vec<Ident>),
    /// NATURAL.
    Natural,
    /// CROSS JOIN.
    None,
}

/// One entry of ORDER BY.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderBy {
    /// By what.
    pub value: Expr,
    /// DESC.
    pub descending: bool,
    /// NULLS FIRST or NULLS LAST, if given.
    pub nulls_first: Option<bool>,
}

/// FOR UPDATE and its relatives.
#[derive(Clone, Debug, PartialEq)]
pub struct Locking {
    /// How strong.
    pub strength: RowLockStrength,
    /// OF: these only; empty for all.
    pub of: Vec<ObjectName>,
    /// NOWAIT, SKIP LOCKED.
    pub wait: LockWait,
}

/// The four row locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowLockStrength {
    /// FOR KEY SHARE.
    KeyShare,
    /// FOR SHARE.
    Share,
    /// FOR NO KEY UPDATE.
    NoKeyUpdate,
    /// FOR UPDATE.
    Update,
}

/// What to do about a lock that is not free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LockWait {
    /// Wait.
    #[default]
    Block,
    /// Fail.
    NoWait,
    /// Leave the row out.
    SkipLocked,
}

/// WITH.
#[derive(Clone, Debug, PartialEq)]
pub struct With {
    /// RECURSIVE.
    pub recursive: bool,
    /// The common table expressions.
    pub tables: Vec<CommonTable>,
}

/// One common table expression.
#[derive(Clone, Debug, PartialEq)]
pub struct CommonTable {
    /// Its name.
    pub name: Ident,
    /// Its columns' names, if given.
    pub columns: Vec<Ident>,
    /// MATERIALIZED or NOT MATERIALIZED, if given.
    pub materialized: Option<bool>,
    /// SELECT, INSERT, UPDATE, DELETE or MERGE.
    pub statement: Box<super::Statement>,
}

/// INSERT.
#[derive(Clone, Debug, PartialEq)]
pub struct Insert {
    /// WITH.
    pub with: Option<With>,
    /// Into what.
    pub table: ObjectName,
    /// AS.
    pub alias: Option<Ident>,
    /// The columns, if named.
    pub columns: Vec<Ident>,
    /// OVERRIDING SYSTEM VALUE (true) or USER VALUE (false).
    pub overriding_system: Option<bool>,
    /// The rows; nothing for DEFAULT VALUES.
    pub source: Option<Box<Query>>,
    /// ON CONFLICT.
    pub on_conflict: Option<OnConflict>,
    /// RETURNING.
    pub returning: Vec<Target>,
}

/// ON CONFLICT.
#[derive(Clone, Debug, PartialEq)]
pub struct OnConflict {
    /// Which unique index arbitrates.
    pub target: ConflictTarget,
    /// What is done.
    pub action: ConflictAction,
}

/// The arbiter of ON CONFLICT.
#[derive(Clone, Debug, PartialEq)]
pub enum ConflictTarget {
    /// Any unique index.
    Any,
    /// The one over these columns or expressions, with its predicate.
    Index {
        /// The index's columns.
        items: Vec<Expr>,
        /// The index's predicate.
        predicate: Option<Expr>,
    },
    /// The one behind this constraint.
    Constraint(Ident),
}

/// What ON CONFLICT does.
#[derive(Clone, Debug, PartialEq)]
pub enum ConflictAction {
    /// DO NOTHING.
    Nothing,
    /// DO UPDATE.
    Update {
        /// SET.
        assignments: Vec<Assignment>,
        /// WHERE.
        filter: Option<Expr>,
    },
    /// DO SELECT.
    Select,
}

/// `column = value` or `(a, b) = ...` in SET.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// The columns: one, or those in parentheses.
    pub columns: Vec<Ident>,
    /// The value; for several columns a [`super::ExprKind::Row`] or [`super::ExprKind::Subquery`].
    pub value: Expr,
}

/// UPDATE.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// WITH.
    pub with: Option<With>,
    /// What.
    pub table: TableName,
    /// AS.
    pub alias: Option<Ident>,
    /// SET.
    pub assignments: Vec<Assignment>,
    /// FROM.
    pub from: Vec<FromItem>,
    /// WHERE.
    pub filter: Option<Expr>,
    /// WHERE CURRENT OF.
    pub current_of: Option<Ident>,
    /// RETURNING.
    pub returning: Vec<Target>,
}

/// DELETE.
#[derive(Clone, Debug, PartialEq)]
pub struct Delete {
    /// WITH.
    pub with: Option<With>,
    /// From what.
    pub table: TableName,
    /// AS.
    pub alias: Option<Ident>,
    /// USING.
    pub using: Vec<FromItem>,
    /// WHERE.
    pub filter: Option<Expr>,
    /// WHERE CURRENT OF.
    pub current_of: Option<Ident>,
    /// RETURNING.
    pub returning: Vec<Target>,
}

/// MERGE.
#[derive(Clone, Debug, PartialEq)]
pub struct Merge {
    /// WITH.
    pub with: Option<With>,
    /// Into what.
    pub table: TableName,
    /// AS.
    pub alias: Option<Ident>,
    /// USING.
    pub source: FromItem,
    /// ON.
    pub condition: Expr,
    /// WHEN ... THEN, in order.
    pub clauses: Vec<MergeClause>,
    /// RETURNING.
    pub returning: Vec<Target>,
}

/// One WHEN clause of MERGE.
#[derive(Clone, Debug, PartialEq)]
pub struct MergeClause {
    /// When.
    pub when: MergeWhen,
    /// AND.
    pub condition: Option<Expr>,
    /// What.
    pub action: MergeAction,
}

/// When a MERGE clause applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeWhen {
    /// WHEN MATCHED.
    Matched,
    /// WHEN NOT MATCHED [BY TARGET].
    NotMatchedByTarget,
    /// WHEN NOT MATCHED BY SOURCE.
    NotMatchedBySource,
}

/// What a MERGE clause does.
#[derive(Clone, Debug, PartialEq)]
pub enum MergeAction {
    /// UPDATE SET.
    Update(Vec<Assignment>),
    /// DELETE.
    Delete,
    /// INSERT; no values for DEFAULT VALUES.
    Insert {
        /// The columns, if named.
        columns: Vec<Ident>,
        /// The row.
        values: Vec<Expr>,
    },
    /// DO NOTHING.
    Nothing,
}

/// COPY.
#[derive(Clone, Debug, PartialEq)]
pub struct Copy {
    /// The table, unless a query is copied out.
    pub table: Option<ObjectName>,
    /// The columns, if named.
    pub columns: Vec<Ident>,
    /// The statement that is copied out.
    pub query: Option<Box<super::Statement>>,
    /// FROM rather than TO.
    pub from: bool,
    /// STDIN or STDOUT rather than a file or program.
    pub standard_stream: bool,
    /// FREEZE.
    pub freeze: bool,
}
