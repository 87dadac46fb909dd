//! Whether an expression gives the same value for every row of a statement.
//!
//! `contain_volatile_functions` and `contain_mutable_functions` (`src/backend/optimizer/util/clauses.c`) look at
//! every function in an expression. It matters in two places: a volatile default forces a rewrite, since each row
//! gets a value of its own (`ATExecAddColumn`); an index, a generated column or a partition key must be immutable.

use sql_syntax::ast::{BinaryOp, DataType, Expr, ExprKind, FunctionCall, QueryBody, Statement, Volatility};

use super::{builtin_function, walk};
use crate::catalog::{Catalog, Function, Relation, Session};

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
    let scope = Scope { catalog, session, table: None };
    scope.volatility(expr, INLINE_DEPTH)
}

/// How volatile an expression over the columns of a table is: their types tell which casts and operators depend on
/// settings.
pub fn volatility_over(catalog: &Catalog, session: &Session, table: &Relation, expr: &Expr) -> Volatile {
    let scope = Scope { catalog, session, table: Some(table) };
    scope.volatility(expr, INLINE_DEPTH)
}

/// How deep functions that call functions are looked into.
const INLINE_DEPTH: u8 = 8;

struct Scope<'a> {
    catalog: &'a Catalog,
    session: &'a Session,
    table: Option<&'a Relation>,
}

impl Scope<'_> {
    fn volatility(&self, expr: &Expr, depth: u8) -> Volatile {
        let mut found = Volatile { class: Volatility::Immutable, because: None, unknown: None };
        walk(expr, &mut |part| {
            let (class, because) = match &part.kind {
                ExprKind::Function(call) => match self.of_function(call, depth) {
                    Some(class) => (class, call.name.to_string()),
                    None => {
                        found.unknown.get_or_insert_with(|| call.name.to_string());
                        return;
                    }
                },
                ExprKind::Cast { operand, to } => (self.of_cast(operand, to), to.to_string()),
                ExprKind::Binary { left, op: BinaryOp::Add | BinaryOp::Sub, right } => {
                    // Adding an interval to a timestamptz depends on the time zone.
                    let zoned = self.is(left, "timestamptz") && !self.is(right, "timestamptz")
                        || self.is(right, "timestamptz") && !self.is(left, "timestamptz");
                    (if zoned { Volatility::Stable } else { Volatility::Immutable }, "timestamptz".into())
                }
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
    fn of_function(&self, call: &FunctionCall, depth: u8) -> Option<Volatility> {
        let name = call.name.name.as_str();
        let own = self.catalog.find_functions(self.session, &call.name);
        if let Some(function) = own.first() {
            return Some(self.of_own(function, depth));
        }
        let argument = |at: usize| call.args.get(at).map(|a| &a.value);
        match name {
            // `to_tsvector(text)` depends on a setting, `to_tsvector(regconfig, text)` does not.
            "to_tsvector" if call.args.len() == 1 => return Some(Volatility::Stable),
            // Over a timestamptz they depend on the time zone.
            "date_trunc" | "date_part" | "extract"
                if argument(1).is_some_and(|a| self.is(a, "timestamptz")) =>
            {
                return Some(if call.args.len() == 3 { Volatility::Immutable } else { Volatility::Stable });
            }
            _ => {}
        }
        match builtin_function(name) {
            Some(function) => Some(function.volatility),
            None if call.name.schema().is_none_or(|s| s == "pg_catalog") => Some(Volatility::Immutable),
            None => None,
        }
    }

    /// A function that is one SELECT of an expression in SQL is replaced by it (`inline_function`): what counts then is
    /// the expression.
    fn of_own(&self, function: &Function, depth: u8) -> Volatility {
        let declared = function.definition.volatility;
        let Some(body) = sql_body(function).filter(|_| depth > 0) else { return declared };
        declared.min(self.volatility(&body, depth - 1).class)
    }

    /// A literal is cast when the statement is parsed, whatever the cast's function would be (`'now'::timestamptz`).
    /// Of the other casts those between times with and without a zone, and between times and text, depend on
    /// settings.
    fn of_cast(&self, operand: &Expr, to: &DataType) -> Volatility {
        if matches!(operand.kind, ExprKind::Literal(_)) {
            return Volatility::Immutable;
        }
        let Some(from) = self.type_name(operand) else { return Volatility::Immutable };
        let to = to.name.as_str();
        let zoned = |t: &str| matches!(t, "timestamptz" | "timetz");
        let time = |t: &str| matches!(t, "date" | "time" | "timestamp" | "interval") || zoned(t);
        let text = |t: &str| matches!(t, "text" | "varchar" | "bpchar");
        let across_zones =
            from != to && time(from) && time(to) && (from == "timestamptz" || to == "timestamptz");
        let with_text = time(from) && text(to) || text(from) && time(to);
        if across_zones || with_text { Volatility::Stable } else { Volatility::Immutable }
    }

    fn is(&self, expr: &Expr, wanted: &str) -> bool {
        self.type_name(expr) == Some(wanted)
    }

    /// The built-in type of an expression, where it is easy to see.
    fn type_name(&self, expr: &Expr) -> Option<&'static str> {
        match &expr.kind {
            ExprKind::Column { name, .. } => {
                let column = self.table?.column(name)?;
                self.catalog.base_type(&column.data_type).builtin_name()
            }
            ExprKind::Cast { to, .. } => self.catalog.resolve_type(self.session, to).builtin_name(),
            ExprKind::Collate { operand, .. } => self.type_name(operand),
            ExprKind::Function(call) => match call.name.name.as_str() {
                "now"
                | "current_timestamp"
                | "transaction_timestamp"
                | "statement_timestamp"
                | "clock_timestamp" => Some("timestamptz"),
                "lower" | "upper" | "trim" | "btrim" | "replace" | "concat" | "format" => Some("text"),
                _ => None,
            },
            _ => None,
        }
    }
}

/// The expression that a function in SQL consists of, if it is nothing else.
#[must_use]
pub fn sql_body(function: &Function) -> Option<Expr> {
    let body = &function.definition.body;
    if body.language != "sql" {
        return None;
    }
    let parsed = sql_syntax::parse(&body.text);
    let [statement] = parsed.statements.as_slice() else { return None };
    let Statement::Select(query) = &statement.value else { return None };
    let QueryBody::Select(select) = &query.body else { return None };
    let plain =
        query.with.is_none() && query.limit.is_none() && select.from.is_empty() && select.filter.is_none();
    match select.targets.as_slice() {
        [one] if plain && parsed.errors.is_empty() => Some(one.value.clone()),
        _ => None,
    }
}
