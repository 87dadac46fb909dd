//! Partitions: their order, their bounds as conditions, and what they get from their parent.
//!
//! Source: `get_qual_for_range` and `get_qual_for_list` in `src/backend/partitioning/partbounds.c`;
//! `ATExecAttachPartition`, `AttachPartitionEnsureIndexes`, `CloneForeignKeyConstraints` in `tablecmds.c`.

use std::cmp::Ordering;
use std::rc::Rc;

use sql_syntax::TextRange;
use sql_syntax::ast::{self, BinaryOp, Expr, ExprKind, Ident};

use super::naming::make_object_name;
use super::run::{Outcome, Run};
use crate::PgVersion;
use crate::catalog::{
    BoundValue, Catalog, ForeignKey, IndexKeyValue, PartitionBound, PartitionKey, PartitionStrategy,
    Relation, RelationId,
};
use crate::error::{SqlError, sqlstate};
use crate::expression::compare_constants;

fn in_bound_order(catalog: &Catalog, parent: RelationId) -> Vec<RelationId> {
    let mut children: Vec<Rc<Relation>> = catalog.children_of(parent).cloned().collect();
    children.sort_by(|a, b| bound_order(a.partition_bound.as_deref(), b.partition_bound.as_deref()));
    children.iter().map(|c| c.id).collect()
}

/// The foreign keys of others that refer to a partition because they refer to what it is a part of: the table
/// that has the key, the name of the constraint for the partition, and the key.
///
/// A server keeps one constraint for each partition, with a name of its own (`addFkRecurseReferenced` in
/// tablecmds.c). Up to 17 they are numbered in the order in which they are made, from 18 on by partition.
#[must_use]
pub fn keys_to_partition(
    catalog: &Catalog,
    version: PgVersion,
    partition: &Relation,
) -> Vec<(RelationId, String, ForeignKey)> {
    let mut found = Vec::new();
    let mut above = partition.parents.first().copied();
    while let Some(root) = above {
        for (owner, constraint, key) in catalog.referencing(root) {
            if constraint.enforced && constraint.parent.is_none() {
                let mut path = String::new();
                let name = if version >= PgVersion::V18 {
                    let reached = numbers_down(catalog, root, partition.id, &mut path);
                    debug_assert!(reached, "a partition is below what it is a part of");
                    format!("{}{path}", constraint.name)
                } else {
                    let mut parts = Vec::new();
                    preorder(catalog, root, &mut parts);
                    let columns: Vec<_> =
                        key.columns.iter().filter_map(|n| owner.column_at(*n)).map(|c| &*c.name).collect();
                    let base = make_object_name(&owner.name, &columns.join("_"), "fkey");
                    // The plain name is free if the key itself was given another one.
                    let taken = usize::from(*base == *constraint.name);
                    match parts.iter().position(|p| *p == partition.id).unwrap_or(0) + taken {
                        0 => base,
                        number => format!("{base}{number}"),
                    }
                };
                found.push((owner.id, name, key.clone()));
            }
        }
        above = catalog.relation(root).and_then(|r| r.parents.first().copied());
    }
    found
}

fn preorder(catalog: &Catalog, root: RelationId, found: &mut Vec<RelationId>) {
    for part in in_bound_order(catalog, root) {
        found.push(part);
        preorder(catalog, part, found);
    }
}

/// The way down to a partition: `_2_1` is the first partition of the second one.
fn numbers_down(catalog: &Catalog, root: RelationId, partition: RelationId, path: &mut String) -> bool {
    let before = path.len();
    for (at, part) in in_bound_order(catalog, root).into_iter().enumerate() {
        path.push_str(&format!("_{}", at + 1));
        if part == partition || numbers_down(catalog, part, partition, path) {
            return true;
        }
        path.truncate(before);
    }
    false
}

impl Run<'_> {
    /// The partitions in the order of their bounds, the default one last: the order of a partition descriptor.
    pub(super) fn partitions_in_bound_order(&self, parent: RelationId) -> Vec<RelationId> {
        in_bound_order(self.catalog, parent)
    }

    /// No row may belong to two partitions (`check_new_partition_bound`).
    pub(super) fn bound_is_free(&self, parent: &Relation, name: &str, bound: &PartitionBound) -> Outcome {
        if let PartitionBound::Range { from, to } = bound
            && from.iter().zip(to).map(|(f, t)| value_order(f, t)).find(|o| o.is_ne()) != Some(Ordering::Less)
            && from.len() == to.len()
            && range_is_known(from, to)
        {
            return Err(SqlError::new(
                sqlstate::INVALID_OBJECT_DEFINITION,
                format!("empty range bound specified for partition \"{name}\""),
            ));
        }
        let taken = self
            .catalog
            .children_of(parent.id)
            .find(|sibling| sibling.partition_bound.as_deref().is_some_and(|theirs| overlap(bound, theirs)));
        match taken {
            Some(sibling) => Err(SqlError::new(
                sqlstate::INVALID_OBJECT_DEFINITION,
                format!("partition \"{name}\" would overlap partition \"{}\"", sibling.name),
            )),
            None => Ok(()),
        }
    }

    /// The parent's default partition.
    pub(super) fn default_partition(&self, parent: RelationId) -> Option<RelationId> {
        let is_default =
            |c: &&Rc<Relation>| matches!(c.partition_bound.as_deref(), Some(PartitionBound::Default));
        self.catalog.children_of(parent).find(is_default).map(|c| c.id)
    }
}

/// A bound must be of the kind that the parent divides by.
pub(super) fn bound_fits(parent: &Relation, bound: &PartitionBound) -> Outcome {
    use PartitionStrategy as S;
    let Some(key) = parent.partition_key() else { return Ok(()) };
    let fits = matches!(
        (key.strategy, bound),
        (S::Range, PartitionBound::Range { .. } | PartitionBound::Default)
            | (S::List, PartitionBound::List(_) | PartitionBound::Default)
            | (S::Hash, PartitionBound::Hash { .. })
    );
    if fits {
        return Ok(());
    }
    let message = match (key.strategy, bound) {
        (S::Hash, PartitionBound::Default) => "a hash-partitioned table may not have a default partition",
        (S::Range, _) => "invalid bound specification for a range partition",
        (S::List, _) => "invalid bound specification for a list partition",
        (S::Hash, _) => "invalid bound specification for a hash partition",
    };
    Err(SqlError::new(sqlstate::INVALID_TABLE_DEFINITION, message))
}

fn bound_order(a: Option<&PartitionBound>, b: Option<&PartitionBound>) -> Ordering {
    use PartitionBound as B;
    match (a, b) {
        (Some(B::Default), Some(B::Default)) => Ordering::Equal,
        (Some(B::Default), _) => Ordering::Greater,
        (_, Some(B::Default)) => Ordering::Less,
        (Some(B::Range { from: x, .. }), Some(B::Range { from: y, .. })) => {
            x.iter().zip(y).map(|(x, y)| value_order(x, y)).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
        }
        (Some(B::List(x)), Some(B::List(y))) => match (x.first(), y.first()) {
            (Some(x), Some(y)) => compare_constants(x, y).unwrap_or(Ordering::Equal),
            _ => Ordering::Equal,
        },
        (Some(B::Hash { modulus: m, remainder: r }), Some(B::Hash { modulus: n, remainder: s })) => {
            (m, r).cmp(&(n, s))
        }
        _ => Ordering::Equal,
    }
}

/// Whether the values of both ends can be compared here.
fn range_is_known(from: &[BoundValue], to: &[BoundValue]) -> bool {
    from.iter().zip(to).all(|pair| match pair {
        (BoundValue::Value(a), BoundValue::Value(b)) => compare_constants(a, b).is_some(),
        _ => true,
    })
}

/// Whether some row could belong to both bounds, as far as their values can be compared here.
fn overlap(a: &PartitionBound, b: &PartitionBound) -> bool {
    use PartitionBound as B;
    match (a, b) {
        (B::Range { from: f, to: t }, B::Range { from: g, to: u }) => {
            let less = |x: &[BoundValue], y: &[BoundValue]| {
                let order = x.iter().zip(y).map(|(x, y)| value_order(x, y)).find(|o| o.is_ne());
                order == Some(Ordering::Less)
            };
            range_is_known(f, u) && range_is_known(g, t) && less(f, u) && less(g, t)
        }
        (B::List(x), B::List(y)) => x.iter().any(|v| {
            y.iter()
                .any(|w| crate::expression::same(v, w) || compare_constants(v, w) == Some(Ordering::Equal))
        }),
        (B::Hash { modulus: m, remainder: r }, B::Hash { modulus: n, remainder: s }) => {
            let least = (*m).min(*n).max(1);
            r % least == s % least
        }
        _ => false,
    }
}

fn value_order(a: &BoundValue, b: &BoundValue) -> Ordering {
    use BoundValue as V;
    match (a, b) {
        (V::Min, V::Min) | (V::Max, V::Max) => Ordering::Equal,
        (V::Min, _) | (_, V::Max) => Ordering::Less,
        (V::Max, _) | (_, V::Min) => Ordering::Greater,
        (V::Value(a), V::Value(b)) => compare_constants(a, b).unwrap_or(Ordering::Equal),
    }
}

/// A bound as it is written.
pub(super) fn bound(written: &ast::PartitionBound) -> PartitionBound {
    let value = |expr: &Expr| match &expr.kind {
        ExprKind::Column { name, .. } if name.text == "minvalue" => BoundValue::Min,
        ExprKind::Column { name, .. } if name.text == "maxvalue" => BoundValue::Max,
        _ => BoundValue::Value(Box::new(expr.clone())),
    };
    match written {
        ast::PartitionBound::In(values) => PartitionBound::List(values.clone()),
        ast::PartitionBound::Range { from, to } => PartitionBound::Range {
            from: from.iter().map(value).collect(),
            to: to.iter().map(value).collect(),
        },
        ast::PartitionBound::Hash { modulus, remainder } => {
            PartitionBound::Hash { modulus: *modulus, remainder: *remainder }
        }
        ast::PartitionBound::Default => PartitionBound::Default,
    }
}

/// The bound as conjuncts over the partition's columns, where that is simple: `at IS NOT NULL`, `at >= …`,
/// `at < …`. Nothing for hash bounds, defaults and ranges over several columns whose first ones are equal.
pub(super) fn bound_conjuncts(
    parent: &Relation,
    key: &PartitionKey,
    bound: &PartitionBound,
) -> Option<Vec<Expr>> {
    let operands: Option<Vec<Expr>> = key
        .keys
        .iter()
        .map(|key| match key {
            IndexKeyValue::Column(number) => parent.column_at(*number).map(|c| column_expr(&c.name)),
            IndexKeyValue::Expression(expression) => Some((**expression).clone()),
        })
        .collect();
    let operands = operands?;
    let [operand] = operands.as_slice() else { return None };
    let not_null = || expr(ExprKind::IsNull { operand: Box::new(operand.clone()), negated: true });
    match bound {
        PartitionBound::Range { from, to } => {
            let mut parts = vec![not_null()];
            if let Some(BoundValue::Value(value)) = from.first() {
                parts.push(compare(operand, BinaryOp::Ge, value));
            }
            if let Some(BoundValue::Value(value)) = to.first() {
                parts.push(compare(operand, BinaryOp::Lt, value));
            }
            Some(parts)
        }
        PartitionBound::List(values) => {
            let in_list = match values.as_slice() {
                [one] => compare(operand, BinaryOp::Eq, one),
                _ => expr(ExprKind::InList {
                    operand: Box::new(operand.clone()),
                    list: values.clone(),
                    negated: false,
                }),
            };
            Some(vec![not_null(), in_list])
        }
        PartitionBound::Hash { .. } | PartitionBound::Default => None,
    }
}

/// An expression that stands nowhere in the text.
pub(super) fn expr(kind: ExprKind) -> Expr {
    Expr { kind, range: TextRange::default() }
}

fn column_expr(name: &str) -> Expr {
    expr(ExprKind::Column { qualifier: Vec::new(), name: Ident::new(name) })
}

/// `column IS NOT NULL`.
pub(super) fn is_not_null_of(name: &str) -> Expr {
    expr(ExprKind::IsNull { operand: Box::new(column_expr(name)), negated: true })
}

fn compare(operand: &Expr, op: BinaryOp, value: &Expr) -> Expr {
    expr(ExprKind::Binary { left: Box::new(operand.clone()), op, right: Box::new(value.clone()) })
}
