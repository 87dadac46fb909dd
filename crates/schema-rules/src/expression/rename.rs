//! Following the rename of a column.

use sql_syntax::ast::{Expr, ExprKind};

/// The expression with every mention of the column `from` turned into `to`.
pub fn rename_column(expr: &Expr, from: &str, to: &str) -> Expr {
    let mut renamed = expr.clone();
    rename_in(&mut renamed, from, to);
    renamed
}

fn rename_in(expr: &mut Expr, from: &str, to: &str) {
    if let ExprKind::Column { name, .. } = &mut expr.kind {
        if name.text == from {
            name.text = to.to_owned();
        }
        return;
    }
    for part in children_mut(expr) {
        rename_in(part, from, to);
    }
}

/// As [`super::children`], to be changed.
fn children_mut(expr: &mut Expr) -> Vec<&mut Expr> {
    match &mut expr.kind {
        ExprKind::Unary { operand, .. }
        | ExprKind::IsNull { operand, .. }
        | ExprKind::IsBool { operand, .. }
        | ExprKind::InSubquery { operand, .. }
        | ExprKind::Cast { operand, .. }
        | ExprKind::Collate { operand, .. }
        | ExprKind::Field { operand, .. } => vec![operand],
        ExprKind::Binary { left, right, .. }
        | ExprKind::IsDistinctFrom { left, right, .. }
        | ExprKind::Quantified { left, right, .. } => vec![left, right],
        ExprKind::Between { operand, low, high, .. } => vec![operand, low, high],
        ExprKind::InList { operand, list, .. } => std::iter::once(&mut **operand).chain(list).collect(),
        ExprKind::Like { operand, pattern, escape, .. } => {
            let mut parts: Vec<&mut Expr> = vec![operand, pattern];
            parts.extend(escape.as_deref_mut());
            parts
        }
        ExprKind::Case { operand, branches, otherwise } => operand
            .as_deref_mut()
            .into_iter()
            .chain(branches.iter_mut().flat_map(|(when, then)| [when, then]))
            .chain(otherwise.as_deref_mut())
            .collect(),
        ExprKind::AtTimeZone { operand, zone } => vec![operand, zone],
        ExprKind::Function(call) => call.args.iter_mut().map(|arg| &mut arg.value).collect(),
        ExprKind::Array(items) | ExprKind::Row(items) => items.iter_mut().collect(),
        ExprKind::Subscript { operand, index } => vec![operand, index],
        _ => Vec::new(),
    }
}
