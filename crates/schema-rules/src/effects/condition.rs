//! What the data must satisfy for a statement to succeed.

use std::rc::Rc;

use sql_syntax::ast::Expr;

use crate::catalog::{Catalog, ColumnNumber, ForeignKey, Name, PartitionBound, RelationId};

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

    /// Whether any row qualifies for a statement's WHERE; nothing when it is not known, which is taken as yes.
    fn any_row(&self, catalog: &Catalog, relation: RelationId, filter: Option<&Expr>) -> Option<bool> {
        let _ = (catalog, relation, filter);
        None
    }

    /// Whether an assignment changes the column in any row that qualifies; nothing when it is not known, which is
    /// taken as yes.
    fn changes(
        &self,
        catalog: &Catalog,
        relation: RelationId,
        column: ColumnNumber,
        value: &Expr,
        filter: Option<&Expr>,
    ) -> Option<bool> {
        let _ = (catalog, relation, column, value, filter);
        None
    }

    /// Whether a row that an UPDATE or DELETE takes away is referred to by a foreign key without an action.
    fn still_referenced(
        &self,
        catalog: &Catalog,
        relation: RelationId,
        key: &ForeignKey,
        owner: RelationId,
        filter: Option<&Expr>,
    ) -> Option<bool> {
        let _ = (catalog, relation, key, owner, filter);
        None
    }
}

/// Nothing is known about the data.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFacts;

impl DataFacts for NoFacts {}
