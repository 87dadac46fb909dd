//! What one condition proves about another.
//!
//! A small part of `predicate_implied_by` (`src/backend/optimizer/util/predtest.c`), as far as `ALTER TABLE` asks
//! for it: whether a valid CHECK makes reading the table unnecessary. Conditions are conjunctions; each conjunct of
//! the goal must follow from one conjunct of what is known.

use sql_syntax::ast::{BinaryOp, Expr, ExprKind, UnaryOp};

use super::{bare_column, same};

/// The conjuncts of an expression.
pub fn conjuncts(expr: &Expr) -> Vec<&Expr> {
    match &expr.kind {
        ExprKind::Binary { left, op: BinaryOp::And, right } => {
            let mut parts = conjuncts(left);
            parts.extend(conjuncts(right));
            parts
        }
        _ => vec![expr],
    }
}

/// Whether rows that satisfy the expression, as a CHECK constraint is satisfied (true or unknown), cannot have NULL
/// in the column. Only `IS NOT NULL` says so: any comparison is unknown, hence satisfied, for NULL.
pub fn implies_not_null(expr: &Expr, column: &str) -> bool {
    conjuncts(expr).into_iter().any(|part| is_not_null(part, column))
}

fn is_not_null(expr: &Expr, column: &str) -> bool {
    match &expr.kind {
        ExprKind::IsNull { operand, negated: true } => bare_column(operand) == Some(column),
        ExprKind::Unary { op: UnaryOp::Not, operand } => {
            matches!(&operand.kind, ExprKind::IsNull { operand, negated: false } if bare_column(operand) == Some(column))
        }
        _ => false,
    }
}

/// Whether some conjunct of `known` is the negation of the conjunction `parts` (`NOT (a AND b)`), in any order.
pub fn refutes(known: &Expr, parts: &[Expr]) -> bool {
    conjuncts(known).into_iter().any(|part| match &part.kind {
        ExprKind::Unary { op: UnaryOp::Not, operand } => {
            let negated = conjuncts(operand);
            negated.iter().all(|n| parts.iter().any(|p| same_comparison(n, p)))
        }
        _ => false,
    })
}

/// Whether every one of `goal` follows from a conjunct of one of `known`.
pub fn implies(known: &[&Expr], goal: &[Expr]) -> bool {
    let facts: Vec<&Expr> = known.iter().flat_map(|expr| conjuncts(expr)).collect();
    goal.iter().all(|wanted| facts.iter().any(|fact| implies_one(fact, wanted)))
}

fn implies_one(fact: &Expr, wanted: &Expr) -> bool {
    same_comparison(fact, wanted) || stronger_comparison(fact, wanted)
}

/// The same expression, or the same comparison with its sides exchanged.
fn same_comparison(a: &Expr, b: &Expr) -> bool {
    if same(a, b) {
        return true;
    }
    let (Some((la, oa, ra)), Some((lb, ob, rb))) = (comparison(a), comparison(b)) else { return false };
    mirrored(oa).is_some_and(|m| m == *ob) && same(la, rb) && same(ra, lb)
        || oa == ob && same(la, lb) && same_constant(ra, rb)
}

/// `x >= 5` follows from `x >= 7`: the same operand, an operator of the same direction, a stricter constant.
fn stronger_comparison(fact: &Expr, wanted: &Expr) -> bool {
    let (Some((lf, of, rf)), Some((lw, ow, rw))) = (comparison(fact), comparison(wanted)) else {
        return false;
    };
    if !same(lf, lw) {
        return false;
    }
    let Some(order) = compare_constants(rf, rw) else { return false };
    use BinaryOp as B;
    use std::cmp::Ordering::{Equal, Greater, Less};
    match (of, ow, order) {
        (B::Ge | B::Gt | B::Eq, B::Ge | B::Gt, Greater) | (B::Le | B::Lt | B::Eq, B::Le | B::Lt, Less) => {
            true
        }
        (B::Gt | B::Eq, B::Ge, Equal) | (B::Lt | B::Eq, B::Le, Equal) => true,
        (f, w, Equal) => f == w,
        _ => false,
    }
}

fn comparison(expr: &Expr) -> Option<(&Expr, &BinaryOp, &Expr)> {
    match &expr.kind {
        ExprKind::Binary { left, op, right } => Some((left, op, right)),
        _ => None,
    }
}

fn mirrored(op: &BinaryOp) -> Option<BinaryOp> {
    Some(match op {
        BinaryOp::Eq => BinaryOp::Eq,
        BinaryOp::Ne => BinaryOp::Ne,
        BinaryOp::Lt => BinaryOp::Gt,
        BinaryOp::Le => BinaryOp::Ge,
        BinaryOp::Gt => BinaryOp::Lt,
        BinaryOp::Ge => BinaryOp::Le,
        _ => return None,
    })
}

fn same_constant(a: &Expr, b: &Expr) -> bool {
    same(constant(a), constant(b))
}

/// A literal without the cast around it: `'2026-01-01'::date` and `DATE '2026-01-01'` are the constant that the
/// comparison with a date column makes of `'2026-01-01'`.
fn constant(expr: &Expr) -> &Expr {
    match &expr.kind {
        ExprKind::Cast { operand, .. } if matches!(operand.kind, ExprKind::Literal(_)) => operand,
        _ => expr,
    }
}

/// The order of two literals of one kind. Strings compare as text, which is right for dates and times in ISO form.
pub fn compare_constants(a: &Expr, b: &Expr) -> Option<std::cmp::Ordering> {
    use sql_syntax::ast::Literal as L;
    match (&constant(a).kind, &constant(b).kind) {
        (ExprKind::Literal(L::Integer(x)), ExprKind::Literal(L::Integer(y))) => Some(x.cmp(y)),
        (ExprKind::Literal(L::String(x)), ExprKind::Literal(L::String(y))) => Some(x.cmp(y)),
        (
            ExprKind::Literal(L::Integer(_) | L::Numeric(_)),
            ExprKind::Literal(L::Integer(_) | L::Numeric(_)),
        ) => number(a)?.partial_cmp(&number(b)?),
        _ => None,
    }
}

fn number(expr: &Expr) -> Option<f64> {
    use sql_syntax::ast::Literal as L;
    match &constant(expr).kind {
        ExprKind::Literal(L::Integer(x)) => Some(*x as f64),
        ExprKind::Literal(L::Numeric(x)) => x.parse().ok(),
        ExprKind::Unary { op: UnaryOp::Minus, operand } => number(operand).map(|n| -n),
        _ => None,
    }
}
