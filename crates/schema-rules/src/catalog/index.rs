//! What only an index has, and what only a partitioned table and its partitions have.

use std::rc::Rc;

use sql_syntax::ast::Expr;

use super::{ColumnNumber, Name, Oid, RelationId};

/// What only an index has.
#[derive(Clone, Debug)]
pub struct Index {
    /// The table that it is on.
    pub table: RelationId,
    /// btree, hash, gin, gist, spgist, brin.
    pub method: Name,
    /// Its key columns.
    pub keys: Vec<IndexKey>,
    /// INCLUDE.
    pub included: Vec<ColumnNumber>,
    /// WHERE.
    pub predicate: Option<Rc<Expr>>,
    /// UNIQUE.
    pub unique: bool,
    /// NULLS NOT DISTINCT.
    pub nulls_not_distinct: bool,
    /// PRIMARY KEY.
    pub primary: bool,
    /// The constraint that it belongs to.
    pub constraint: Option<Oid>,
    /// The parent's index that it is a partition of.
    pub parent: Option<RelationId>,
    /// On a partitioned table: it has no file of its own.
    pub partitioned: bool,
    /// Queries may use it (`indisvalid`).
    pub valid: bool,
    /// Writes maintain it (`indisready`).
    pub ready: bool,
}

/// One key column of an index.
#[derive(Clone, Debug)]
pub struct IndexKey {
    /// A column, or an expression.
    pub value: IndexKeyValue,
    /// The operator class, if one was named.
    pub operator_class: Option<Name>,
    /// The collation, if one was named.
    pub collation: Option<Name>,
    /// DESC.
    pub descending: bool,
    /// NULLS FIRST.
    pub nulls_first: bool,
    /// The operator, in an exclusion constraint.
    pub exclusion_operator: Option<Name>,
}

/// What an index's key column is computed from.
#[derive(Clone, Debug)]
pub enum IndexKeyValue {
    /// A column of the table.
    Column(ColumnNumber),
    /// An expression.
    Expression(Rc<Expr>),
}

/// A partitioned table's key.
#[derive(Clone, Debug)]
pub struct PartitionKey {
    /// How it divides.
    pub strategy: PartitionStrategy,
    /// By what.
    pub keys: Vec<IndexKeyValue>,
}

/// How a partitioned table divides its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionStrategy {
    /// RANGE.
    Range,
    /// LIST.
    List,
    /// HASH.
    Hash,
}

/// A partition's bound.
#[derive(Clone, Debug, PartialEq)]
pub enum PartitionBound {
    /// FROM (…) TO (…).
    Range {
        /// Inclusive.
        from: Vec<BoundValue>,
        /// Exclusive.
        to: Vec<BoundValue>,
    },
    /// IN (…).
    List(Vec<Expr>),
    /// WITH (MODULUS m, REMAINDER r).
    Hash {
        /// The modulus.
        modulus: u32,
        /// The remainder.
        remainder: u32,
    },
    /// DEFAULT.
    Default,
}

/// One value of a range bound.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "a partition has a few of them, and most are expressions")]
pub enum BoundValue {
    /// MINVALUE.
    Min,
    /// MAXVALUE.
    Max,
    /// An expression.
    Value(Box<Expr>),
}
