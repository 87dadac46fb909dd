//! Whether an expression gives the same value for every row of a statement.
//!
//! `contain_volatile_functions` and `contain_mutable_functions` (`src/backend/optimizer/util/clauses.c`) look at
//! every function in an expression. It matters in two places: a volatile default forces a rewrite, since each row
//! gets a value of its own (`ATExecAddColumn`); an index, a generated column or a partition key must be immutable.

use sql_syntax::ast::{DataType, Expr, ExprKind, FunctionCall, Volatility};

use super::{builtin_function, walk};
use crate::catalog::{Catalog, Session};

/// How volatile an expression is, and because of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volatile {
    /// The most volatile part's class.
    pub class: Volatility,
    /// The function that makes it so.
    pub because: Option<String>,
    /// A function that nobody knows: it was taken for immutable.
    pub unknown: Option<String>,
}

/// How volatile an expression is.
pub fn volatility(catalog: &Catalog, session: &Session, expr: &Expr) -> Volatile {
    let mut found = Volatile { class: Volatility::Immutable, because: None, unknown: None };
    walk(expr, &mut |part| {
        let (class, because) = match &part.kind {
            ExprKind::Function(call) => match of_function(catalog, session, call) {
                Some(class) => (class, call.name.to_string()),
                None => {
                    found.unknown.get_or_insert_with(|| call.name.to_string());
                    return;
                }
            },
            ExprKind::Cast { operand, to } => (of_cast(operand, to), to.to_string()),
            _ => return,
        };
        if class > found.class {
            found.class = class;
            found.because = Some(because);
        }
    });
    found
}

/// The class of a call; nothing when nobody knows the function.
fn of_function(catalog: &Catalog, session: &Session, call: &FunctionCall) -> Option<Volatility> {
    let name = call.name.name.as_str();
    let own = catalog.find_functions(session, &call.name);
    if let Some(function) = own.first() {
        return Some(function.definition.volatility);
    }
    // `to_tsvector(text)` depends on a setting, `to_tsvector(regconfig, text)` does not; likewise `date_trunc` and
    // `extract` are stable only over timestamptz, which the text does not tell: those are taken for immutable.
    if name == "to_tsvector" && call.args.len() == 1 {
        return Some(Volatility::Stable);
    }
    match builtin_function(name) {
        Some(function) => Some(function.volatility),
        None if call.name.schema().is_none_or(|s| s == "pg_catalog") => Some(Volatility::Immutable),
        None => None,
    }
}

/// A literal cast to a type is a constant, whatever the cast's function would be (`'now'::timestamptz` is folded
/// when the statement is parsed). Of the other casts only those between text and the time types depend on settings,
/// and the operand's type cannot be seen in the text: they are taken for immutable.
fn of_cast(_operand: &Expr, _to: &DataType) -> Volatility {
    Volatility::Immutable
}
