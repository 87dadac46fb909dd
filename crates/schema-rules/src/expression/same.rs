//! Comparing expressions wherever they stand in the text.

use sql_syntax::ast::{Expr, ExprKind};

use super::children;

/// Whether two expressions are the same but for their places. Subqueries are never the same.
pub fn same(a: &Expr, b: &Expr) -> bool {
    let (parts_a, parts_b) = (children(a), children(b));
    same_head(&a.kind, &b.kind)
        && parts_a.len() == parts_b.len()
        && parts_a.iter().zip(&parts_b).all(|(x, y)| same(x, y))
}

/// Whether two expressions are the same apart from their parts.
fn same_head(a: &ExprKind, b: &ExprKind) -> bool {
    use ExprKind as E;
    match (a, b) {
        (E::Literal(x), E::Literal(y)) => x == y,
        // `qty` and `orders.qty` are the same column of the one table that the expression is about.
        (E::Column { name: x, .. }, E::Column { name: y, .. }) => x == y,
        (E::Param(x), E::Param(y)) => x == y,
        (E::Default, E::Default) => true,
        (E::Unary { op: x, .. }, E::Unary { op: y, .. }) => x == y,
        (E::Binary { op: x, .. }, E::Binary { op: y, .. }) => x == y,
        (E::IsNull { negated: x, .. }, E::IsNull { negated: y, .. }) => x == y,
        (E::IsBool { value: v, negated: x, .. }, E::IsBool { value: w, negated: y, .. }) => (v, x) == (w, y),
        (E::IsDistinctFrom { negated: x, .. }, E::IsDistinctFrom { negated: y, .. }) => x == y,
        (E::Between { negated: x, symmetric: s, .. }, E::Between { negated: y, symmetric: t, .. }) => {
            (x, s) == (y, t)
        }
        (E::InList { negated: x, .. }, E::InList { negated: y, .. }) => x == y,
        (E::Like { kind: k, negated: x, .. }, E::Like { kind: l, negated: y, .. }) => (k, x) == (l, y),
        (E::Quantified { op: o, all: x, .. }, E::Quantified { op: p, all: y, .. }) => (o, x) == (p, y),
        (
            E::Case { operand: o, branches: x, otherwise: e },
            E::Case { operand: p, branches: y, otherwise: f },
        ) => (o.is_some(), x.len(), e.is_some()) == (p.is_some(), y.len(), f.is_some()),
        (E::Cast { to: x, .. }, E::Cast { to: y, .. }) => x.same_as(y),
        (E::Collate { collation: x, .. }, E::Collate { collation: y, .. }) => x.name == y.name,
        (E::AtTimeZone { .. }, E::AtTimeZone { .. })
        | (E::Array(_), E::Array(_))
        | (E::Row(_), E::Row(_))
        | (E::Subscript { .. }, E::Subscript { .. }) => true,
        (E::Function(x), E::Function(y)) => {
            x.name.name == y.name.name && (x.star, x.distinct) == (y.star, y.distinct) && x.over.is_none()
        }
        (E::Field { field: x, .. }, E::Field { field: y, .. }) => x == y,
        _ => false,
    }
}
