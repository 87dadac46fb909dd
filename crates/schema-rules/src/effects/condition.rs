//! What the data must satisfy for a statement to succeed.

use std::rc::Rc;

use sql_syntax::ast::Expr;

use crate::catalog::{Catalog, ColumnNumber, ColumnType, ForeignKey, Name, PartitionBound, RelationId};

/// Something that holds or does not hold for the rows of a table.
#[derive(Clone, Debug)]
pub enum Condition {
    /// No row has NULL in the column.
    NoNulls {
        /// Which table.
        relation: RelationId,
        /// Which column.
        column: ColumnNumber,
    },
    /// The table has no rows: a new column without a default would be NULL in them.
    Empty {
        /// Which table.
        relation: RelationId,
    },
    /// No row makes the expression false.
    Check {
        /// Which table.
        relation: RelationId,
        /// The expression.
        expression: Rc<Expr>,
    },
    /// No value of the column makes the domain's expression over `VALUE` false.
    DomainCheck {
        /// Which table.
        relation: RelationId,
        /// Which column.
        column: ColumnNumber,
        /// The expression.
        expression: Rc<Expr>,
    },
    /// No two rows have equal keys.
    Unique {
        /// Which table.
        relation: RelationId,
        /// The index over the key.
        index: RelationId,
    },
    /// No two rows exclude each other.
    Exclusion {
        /// Which table.
        relation: RelationId,
        /// The index over the key.
        index: RelationId,
    },
    /// Every row that refers to another table finds its row there.
    ForeignKey {
        /// The referencing table.
        relation: RelationId,
        /// The key.
        key: Rc<ForeignKey>,
    },
    /// No row refers to a row of the partition.
    Unreferenced {
        /// The referencing table.
        relation: RelationId,
        /// The key.
        key: Rc<ForeignKey>,
        /// The partition of the referenced table.
        partition: RelationId,
    },
    /// Every row lies within the bound of a partition of `parent`.
    WithinBound {
        /// The table that is to be the partition.
        relation: RelationId,
        /// The partitioned table.
        parent: RelationId,
        /// The bound.
        bound: Rc<PartitionBound>,
    },
    /// No row of the default partition lies within the bound of a new partition of `parent`.
    OutsideBound {
        /// The default partition.
        relation: RelationId,
        /// The partitioned table.
        parent: RelationId,
        /// The bound of the new partition.
        bound: Rc<PartitionBound>,
    },
    /// Every value can be converted to the column's new type.
    Converts {
        /// Which table.
        relation: RelationId,
        /// The column's name.
        column: Name,
        /// The expression that converts, where USING gives one.
        using: Option<Rc<Expr>>,
        /// The new type.
        to: ColumnType,
    },
}

/// Which rows of its table a statement changes.
#[derive(Clone, Copy, Debug)]
pub enum Affected<'e> {
    /// All.
    All,
    /// Those that satisfy a condition over the table's own columns.
    Where(&'e Expr),
    /// Some: another table or a cursor tells which.
    Some,
}

/// The rows that a statement writes.
#[derive(Clone, Debug)]
pub enum Written<'e> {
    /// New rows: for each what its columns are given. A column that is missing has its default.
    Rows(Vec<Vec<(ColumnNumber, &'e Expr)>>),
    /// Changed rows.
    Changed {
        /// What the columns are given.
        assignments: Vec<(ColumnNumber, &'e Expr)>,
        /// Which rows.
        affected: Affected<'e>,
    },
}

/// Someone who knows the data.
pub trait DataFacts {
    /// Whether a condition holds; nothing when it is not known, which is taken as yes.
    fn holds(&self, catalog: &Catalog, condition: &Condition) -> Option<bool> {
        let _ = (catalog, condition);
        None
    }

    /// Whether a table ends in pages without rows, which VACUUM would cut off.
    fn has_empty_tail(&self, catalog: &Catalog, relation: RelationId) -> bool {
        let _ = (catalog, relation);
        false
    }

    /// Whether every row has NULL in the column; nothing when it is not known, which is taken as no.
    fn all_null(&self, catalog: &Catalog, relation: RelationId, column: ColumnNumber) -> Option<bool> {
        let _ = (catalog, relation, column);
        None
    }

    /// Whether a statement changes any row; nothing when it is not known, which is taken as yes.
    fn any_row(&self, catalog: &Catalog, relation: RelationId, affected: Affected<'_>) -> Option<bool> {
        let _ = (catalog, relation, affected);
        None
    }

    /// Whether an assignment changes the column in any row that is changed; nothing when it is not known, which is
    /// taken as yes.
    fn changes(
        &self,
        catalog: &Catalog,
        relation: RelationId,
        column: ColumnNumber,
        value: &Expr,
        affected: Affected<'_>,
    ) -> Option<bool> {
        let _ = (catalog, relation, column, value, affected);
        None
    }

    /// Whether rows that an UPDATE or DELETE takes away are referred to, at the end of a path of foreign keys: the
    /// first refers to the table itself, each further one to the table that holds the one before.
    fn still_referenced(
        &self,
        catalog: &Catalog,
        relation: RelationId,
        path: &[(RelationId, ForeignKey)],
        affected: Affected<'_>,
    ) -> Option<bool> {
        let _ = (catalog, relation, path, affected);
        None
    }

    /// Whether the rows that a statement writes satisfy a condition; nothing when it is not known, which is taken as
    /// yes.
    fn written_satisfy(
        &self,
        catalog: &Catalog,
        relation: RelationId,
        written: &Written<'_>,
        condition: &Condition,
    ) -> Option<bool> {
        let _ = (catalog, relation, written, condition);
        None
    }
}

/// Nothing is known about the data.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFacts;

impl DataFacts for NoFacts {}
