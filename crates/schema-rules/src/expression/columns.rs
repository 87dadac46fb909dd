//! Which columns an expression over one table reads.

use sql_syntax::ast::{Expr, ExprKind};

use super::walk;
use crate::catalog::{ColumnNumber, Relation};

/// The column, if the expression is nothing but one.
pub fn bare_column(expr: &Expr) -> Option<&str> {
    match &expr.kind {
        ExprKind::Column { name, .. } => Some(&name.text),
        _ => None,
    }
}

/// The names of the columns that an expression reads, each once, in the order of the text.
pub fn column_names(expr: &Expr) -> Vec<&str> {
    let mut names = Vec::new();
    walk(expr, &mut |part| {
        if let Some(name) = bare_column(part)
            && !names.contains(&name)
        {
            names.push(name);
        }
    });
    names
}

/// The columns of `relation` that an expression reads, each once.
pub fn columns_of(relation: &Relation, expr: &Expr) -> Vec<ColumnNumber> {
    column_names(expr).into_iter().filter_map(|name| relation.column(name)).map(|c| c.number).collect()
}
