//! Expressions.

use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::{Place, Result, Unexpected, child, children, has, name, query, tokens, types};
use crate::ast::{
    BinaryOp, DataType, Expr, ExprKind, FunctionArg, FunctionCall, Ident, LikeKind, Literal, ObjectName,
    OrderBy, UnaryOp, Window,
};

/// An expression.
pub(super) fn expr(at: Place<'_>, e: &ast::Expr) -> Result<Expr> {
    let node = e.syntax();
    let kind = match e {
        ast::Expr::Literal(literal) => literal_kind(at, literal)?,
        ast::Expr::NameRef(name) => name_ref(at, name.syntax())?,
        ast::Expr::FieldExpr(_) => field(at, node)?,
        ast::Expr::BinExpr(binary) => return binary_expr(at, binary),
        ast::Expr::PrefixExpr(prefix) => prefix_expr(at, prefix)?,
        ast::Expr::PostfixExpr(postfix) => postfix_expr(at, postfix)?,
        ast::Expr::BetweenExpr(between) => return between_expr(at, between),
        ast::Expr::CaseExpr(_) => case(at, node)?,
        ast::Expr::CastExpr(cast) => cast_expr(at, cast)?,
        ast::Expr::Collate(collate) => ExprKind::Collate {
            operand: boxed(at, node)?,
            collation: name::named::<ast::CollationRef>(at, collate.syntax(), "a collation")?,
        },
        ast::Expr::CallExpr(call) => call_expr(at, call)?,
        ast::Expr::ArrayExpr(_) => match child::<ast::SelectVariant>(node) {
            Some(select) => ExprKind::ArraySubquery(Box::new(query::query(at, &select)?)),
            None => ExprKind::Array(exprs(at, node)?),
        },
        ast::Expr::TupleExpr(_) => ExprKind::Row(exprs(at, node)?),
        ast::Expr::IndexExpr(index) => ExprKind::Subscript {
            operand: boxed(at, node)?,
            index: Box::new(expr(at, &index.index().ok_or_else(|| at.missing(node, "a subscript"))?)?),
        },
        ast::Expr::SliceExpr(_) => ExprKind::NotModelled("array slices".to_owned()),
        ast::Expr::ParenExpr(_) => return paren(at, node),
    };
    Ok(Expr { kind, range: at.of(node) })
}

/// The expression among a node's children.
pub(super) fn required(at: Place<'_>, node: &SyntaxNode) -> Result<Expr> {
    expr(at, &at.need::<ast::Expr>(node, "an expression")?)
}

/// The expression among a node's children, if there is one.
pub(super) fn optional(at: Place<'_>, node: &SyntaxNode) -> Result<Option<Expr>> {
    child::<ast::Expr>(node).map(|e| expr(at, &e)).transpose()
}

/// All expressions among a node's children.
pub(super) fn exprs(at: Place<'_>, node: &SyntaxNode) -> Result<Vec<Expr>> {
    children::<ast::Expr>(node).map(|e| expr(at, &e)).collect()
}

/// The expression in the child of type `N`, if that is there.
pub(super) fn within<N: AstNode>(at: Place<'_>, node: &SyntaxNode) -> Result<Option<Expr>> {
    child::<N>(node).map(|n| required(at, n.syntax())).transpose()
}

fn boxed(at: Place<'_>, node: &SyntaxNode) -> Result<Box<Expr>> {
    required(at, node).map(Box::new)
}

fn paren(at: Place<'_>, node: &SyntaxNode) -> Result<Expr> {
    if let Some(inner) = child::<ast::Expr>(node) {
        // `((SELECT 1))` is a scalar subquery however many parentheses it has.
        return expr(at, &inner);
    }
    let Some(select) = child::<ast::SelectVariant>(node) else {
        return Err(at.missing(node, "an expression"));
    };
    let query = Box::new(query::query(at, &select)?);
    Ok(Expr { kind: ExprKind::Subquery(query), range: at.of(node) })
}

fn literal_kind(at: Place<'_>, literal: &ast::Literal) -> Result<ExprKind> {
    let wrong = || at.missing(literal.syntax(), "a constant");
    let constant = match literal.kind().ok_or_else(wrong)? {
        ast::LitKind::Null(_) => Literal::Null,
        ast::LitKind::True(_) => Literal::Bool(true),
        ast::LitKind::False(_) => Literal::Bool(false),
        ast::LitKind::Default(_) => return Ok(ExprKind::Default),
        ast::LitKind::PositionalParam(_) => {
            let index = literal.positional_param_index().ok_or_else(wrong)?;
            return Ok(ExprKind::Param(u32::try_from(index + 1).map_err(|_| wrong())?));
        }
        ast::LitKind::IntNumber(_) => {
            let value = literal.integer_value().ok_or_else(wrong)?.to_string();
            value.parse().map(Literal::Integer).unwrap_or(Literal::Numeric(value))
        }
        ast::LitKind::NumericNumber(token) => Literal::Numeric(token.text().replace('_', "")),
        ast::LitKind::BitString(token) | ast::LitKind::ByteString(token) => {
            Literal::Bits(token.text().to_owned())
        }
        ast::LitKind::On(_) | ast::LitKind::Off(_) => return Err(wrong()),
        ast::LitKind::String(_)
        | ast::LitKind::EscString(_)
        | ast::LitKind::DollarQuotedString(_)
        | ast::LitKind::NationalString(_)
        | ast::LitKind::UnicodeEscString(_) => Literal::String(literal.string_value().ok_or_else(wrong)?),
    };
    Ok(ExprKind::Literal(constant))
}

/// Value functions that SQL writes without parentheses (SQLValueFunction in PostgreSQL).
fn is_value_function(kind: SyntaxKind) -> bool {
    matches!(
        kind,
        SyntaxKind::CURRENT_CATALOG_KW
            | SyntaxKind::CURRENT_DATE_KW
            | SyntaxKind::CURRENT_ROLE_KW
            | SyntaxKind::CURRENT_SCHEMA_KW
            | SyntaxKind::CURRENT_TIME_KW
            | SyntaxKind::CURRENT_TIMESTAMP_KW
            | SyntaxKind::CURRENT_USER_KW
            | SyntaxKind::LOCALTIME_KW
            | SyntaxKind::LOCALTIMESTAMP_KW
            | SyntaxKind::SESSION_USER_KW
            | SyntaxKind::SYSTEM_USER_KW
            | SyntaxKind::USER_KW
    )
}

fn name_ref(at: Place<'_>, node: &SyntaxNode) -> Result<ExprKind> {
    let name = name::ident(at, node)?;
    if tokens(node).next().is_some_and(|t| is_value_function(t.kind())) {
        return Ok(ExprKind::Function(FunctionCall::plain(name.text, Vec::new())));
    }
    Ok(ExprKind::Column { qualifier: Vec::new(), name })
}

/// `t.a`, `t.*`, `(row).field`.
fn field(at: Place<'_>, node: &SyntaxNode) -> Result<ExprKind> {
    let base = at.need::<ast::Expr>(node, "a name")?;
    let parts = dotted(at, &base)?;
    let star = has(node, SyntaxKind::STAR);
    let last = || {
        let field = children::<ast::NameRef>(node).last().ok_or_else(|| at.missing(node, "a name"))?;
        name::ident(at, field.syntax())
    };
    Ok(match (parts, star) {
        (Some(qualifier), true) => ExprKind::Wildcard { qualifier },
        (Some(qualifier), false) => ExprKind::Column { qualifier, name: last()? },
        (None, true) => ExprKind::NotModelled("expansion of a row's fields".to_owned()),
        (None, false) => ExprKind::Field { operand: Box::new(expr(at, &base)?), field: last()? },
    })
}

/// The parts of `a.b.c`, unless it is something else.
fn dotted(at: Place<'_>, e: &ast::Expr) -> Result<Option<Vec<Ident>>> {
    match e {
        ast::Expr::NameRef(name) => Ok(Some(vec![name::ident(at, name.syntax())?])),
        ast::Expr::FieldExpr(field) => {
            let node = field.syntax();
            let Some(base) = field.base() else { return Ok(None) };
            let (Some(mut parts), Some(last)) = (dotted(at, &base)?, children::<ast::NameRef>(node).last())
            else {
                return Ok(None);
            };
            parts.push(name::ident(at, last.syntax())?);
            Ok(Some(parts))
        }
        _ => Ok(None),
    }
}

/// Chains (`a AND b AND c ...`) lean to the left: they are walked down and built up without recursion.
fn binary_expr(at: Place<'_>, binary: &ast::BinExpr) -> Result<Expr> {
    let mut chain = vec![binary.clone()];
    let mut innermost = binary.lhs();
    while let Some(ast::Expr::BinExpr(inner)) = innermost {
        innermost = inner.lhs();
        chain.push(inner);
    }
    let leftmost = innermost.ok_or_else(|| at.missing(binary.syntax(), "an expression"))?;
    let mut result = expr(at, &leftmost)?;
    for link in chain.iter().rev() {
        result = binary_link(at, link, Box::new(result))?;
    }
    Ok(result)
}

fn binary_link(at: Place<'_>, binary: &ast::BinExpr, left: Box<Expr>) -> Result<Expr> {
    let node = binary.syntax();
    let missing = |what| at.missing(node, what);
    let rhs = binary.rhs().ok_or_else(|| missing("an expression"))?;
    let range = at.of(node);
    let op = binary.op().ok_or_else(|| missing("an operator"))?;
    let distinct = |negated, left, right| ExprKind::IsDistinctFrom { left, right, negated };
    let kind = match op {
        ast::BinOp::Is(_) => is_test(at, left, &rhs, false)?,
        ast::BinOp::IsNot(_) => is_test(at, left, &rhs, true)?,
        ast::BinOp::IsDistinctFrom(_) => distinct(false, left, Box::new(expr(at, &rhs)?)),
        ast::BinOp::IsNotDistinctFrom(_) => distinct(true, left, Box::new(expr(at, &rhs)?)),
        ast::BinOp::In(_) => in_test(at, left, &rhs, false)?,
        ast::BinOp::NotIn(_) => in_test(at, left, &rhs, true)?,
        ast::BinOp::Like(_) => like(at, left, &rhs, LikeKind::Like, false)?,
        ast::BinOp::NotLike(_) => like(at, left, &rhs, LikeKind::Like, true)?,
        ast::BinOp::Ilike(_) => like(at, left, &rhs, LikeKind::Ilike, false)?,
        ast::BinOp::NotIlike(_) => like(at, left, &rhs, LikeKind::Ilike, true)?,
        ast::BinOp::SimilarTo(_) => like(at, left, &rhs, LikeKind::SimilarTo, false)?,
        ast::BinOp::NotSimilarTo(_) => like(at, left, &rhs, LikeKind::SimilarTo, true)?,
        ast::BinOp::AtTimeZone(_) => ExprKind::AtTimeZone { operand: left, zone: Box::new(expr(at, &rhs)?) },
        op => operator(at, left, plain_op(at, &op, node)?, &rhs)?,
    };
    Ok(Expr { kind, range })
}

fn plain_op(at: Place<'_>, op: &ast::BinOp, node: &SyntaxNode) -> Result<BinaryOp> {
    Ok(match op {
        ast::BinOp::And(_) => BinaryOp::And,
        ast::BinOp::Or(_) => BinaryOp::Or,
        ast::BinOp::Eq(_) => BinaryOp::Eq,
        ast::BinOp::Neq(_) | ast::BinOp::Neqb(_) => BinaryOp::Ne,
        ast::BinOp::LAngle(_) => BinaryOp::Lt,
        ast::BinOp::Lteq(_) => BinaryOp::Le,
        ast::BinOp::RAngle(_) => BinaryOp::Gt,
        ast::BinOp::Gteq(_) => BinaryOp::Ge,
        ast::BinOp::Plus(_) => BinaryOp::Add,
        ast::BinOp::Minus(_) => BinaryOp::Sub,
        ast::BinOp::Star(_) => BinaryOp::Mul,
        ast::BinOp::Slash(_) => BinaryOp::Div,
        ast::BinOp::Percent(_) => BinaryOp::Mod,
        ast::BinOp::Caret(_) => BinaryOp::Pow,
        ast::BinOp::Overlaps(_) => BinaryOp::Overlaps,
        ast::BinOp::CustomOp(custom) => match operator_text(custom.syntax()).as_str() {
            "||" => BinaryOp::Concat,
            other => BinaryOp::Custom(other.to_owned()),
        },
        ast::BinOp::OperatorCall(call) => spelled(&operator_text(call.syntax())),
        _ => return Err(at.missing(node, "an operator")),
    })
}

/// `OPERATOR(pg_catalog.+)` means `+`; the schema of an operator makes no difference here.
fn spelled(text: &str) -> BinaryOp {
    let known = [
        BinaryOp::Eq,
        BinaryOp::Ne,
        BinaryOp::Lt,
        BinaryOp::Le,
        BinaryOp::Gt,
        BinaryOp::Ge,
        BinaryOp::Add,
        BinaryOp::Sub,
        BinaryOp::Mul,
        BinaryOp::Div,
        BinaryOp::Mod,
        BinaryOp::Pow,
        BinaryOp::Concat,
    ];
    known.into_iter().find(|op| op.as_str() == text).unwrap_or_else(|| BinaryOp::Custom(text.to_owned()))
}

/// The symbols of an operator, put together.
pub(super) fn operator_text(node: &SyntaxNode) -> String {
    let symbols = node.descendants_with_tokens().filter_map(|e| e.into_token());
    symbols
        .filter(|t| t.text().bytes().all(|b| b"+-*/<>=~!@#%^&|`?".contains(&b)))
        .map(|t| t.text().to_owned())
        .collect()
}

/// An operator, over a value or over ANY or ALL of several.
fn operator(at: Place<'_>, left: Box<Expr>, op: BinaryOp, rhs: &ast::Expr) -> Result<ExprKind> {
    if let ast::Expr::CallExpr(call) = rhs
        && let Some(list) = call
            .syntax()
            .children()
            .find(|n| matches!(n.kind(), SyntaxKind::ANY_FN | SyntaxKind::SOME_FN | SyntaxKind::ALL_FN))
    {
        let all = list.kind() == SyntaxKind::ALL_FN;
        let right = Box::new(paren(at, &list)?);
        return Ok(ExprKind::Quantified { left, op, all, right });
    }
    Ok(ExprKind::Binary { left, op, right: Box::new(expr(at, rhs)?) })
}

fn is_test(at: Place<'_>, operand: Box<Expr>, rhs: &ast::Expr, negated: bool) -> Result<ExprKind> {
    let right = expr(at, rhs)?;
    let bool_test = |operand, value| ExprKind::IsBool { operand, value, negated };
    Ok(match &right.kind {
        ExprKind::Literal(Literal::Null) => ExprKind::IsNull { operand, negated },
        ExprKind::Literal(Literal::Bool(value)) => bool_test(operand, Some(*value)),
        ExprKind::Column { qualifier, name } if qualifier.is_empty() && name == "unknown" => {
            bool_test(operand, None)
        }
        _ => return Err(Unexpected::new(right.range, "NULL, TRUE, FALSE or UNKNOWN after IS")),
    })
}

fn in_test(at: Place<'_>, operand: Box<Expr>, rhs: &ast::Expr, negated: bool) -> Result<ExprKind> {
    let list = match rhs {
        ast::Expr::TupleExpr(tuple) => exprs(at, tuple.syntax())?,
        ast::Expr::ParenExpr(inner) => {
            let value = paren(at, inner.syntax())?;
            if let ExprKind::Subquery(query) = value.kind {
                return Ok(ExprKind::InSubquery { operand, query, negated });
            }
            vec![value]
        }
        _ => return Err(at.missing(rhs.syntax(), "a list in parentheses")),
    };
    Ok(ExprKind::InList { operand, list, negated })
}

fn like(
    at: Place<'_>,
    operand: Box<Expr>,
    rhs: &ast::Expr,
    kind: LikeKind,
    negated: bool,
) -> Result<ExprKind> {
    let (pattern, escape) = match rhs {
        ast::Expr::BinExpr(binary) if matches!(binary.op(), Some(ast::BinOp::Escape(_))) => {
            let side =
                |e: Option<ast::Expr>| expr(at, &e.ok_or_else(|| at.missing(rhs.syntax(), "an expression"))?);
            (side(binary.lhs())?, Some(Box::new(side(binary.rhs())?)))
        }
        _ => (expr(at, rhs)?, None),
    };
    Ok(ExprKind::Like { operand, pattern: Box::new(pattern), escape, kind, negated })
}

/// The parser reads `a BETWEEN b AND c OR d` as if the bound were `c OR d`; in PostgreSQL's grammar
/// BETWEEN binds tighter than comparisons, NOT, AND and OR, so what binds looser is moved outside.
fn between_expr(at: Place<'_>, between: &ast::BetweenExpr) -> Result<Expr> {
    let node = between.syntax();
    let side = |e: Option<ast::Expr>| expr(at, &e.ok_or_else(|| at.missing(node, "an expression"))?);
    let operand = Box::new(side(between.target())?);
    let low = Box::new(side(between.start())?);
    let end = between.end().ok_or_else(|| at.missing(node, "an upper bound"))?;
    let parenthesised = matches!(end, ast::Expr::ParenExpr(_));
    let high = expr(at, &end)?;
    let symmetric = matches!(child::<ast::BetweenSymmetry>(node), Some(ast::BetweenSymmetry::Symmetric(_)));
    let negated = has(node, SyntaxKind::NOT_KW);
    let start = at.of(node).start;
    let build = |high: Expr| {
        let range = crate::TextRange::new(start, high.range.end);
        let high = Box::new(high);
        Expr { kind: ExprKind::Between { operand, low, high, negated, symmetric }, range }
    };
    Ok(if parenthesised { build(high) } else { around_leftmost(high, start, build) })
}

/// Applies `build` to the leftmost operand that binds tighter than BETWEEN.
fn around_leftmost(e: Expr, start: u32, build: impl FnOnce(Expr) -> Expr) -> Expr {
    let range = crate::TextRange::new(start, e.range.end);
    match e.kind {
        ExprKind::Binary { left, op, right } if binds_looser_than_between(&op) => {
            let left = Box::new(around_leftmost(*left, start, build));
            Expr { kind: ExprKind::Binary { left, op, right }, range }
        }
        ExprKind::IsNull { operand, negated } => {
            let operand = Box::new(around_leftmost(*operand, start, build));
            Expr { kind: ExprKind::IsNull { operand, negated }, range }
        }
        ExprKind::IsBool { operand, value, negated } => {
            let operand = Box::new(around_leftmost(*operand, start, build));
            Expr { kind: ExprKind::IsBool { operand, value, negated }, range }
        }
        kind => build(Expr { kind, range: e.range }),
    }
}

fn binds_looser_than_between(op: &BinaryOp) -> bool {
    matches!(
        op,
        BinaryOp::And
            | BinaryOp::Or
            | BinaryOp::Eq
            | BinaryOp::Ne
            | BinaryOp::Lt
            | BinaryOp::Le
            | BinaryOp::Gt
            | BinaryOp::Ge
    )
}

fn prefix_expr(at: Place<'_>, prefix: &ast::PrefixExpr) -> Result<ExprKind> {
    let node = prefix.syntax();
    let op = match prefix.op().ok_or_else(|| at.missing(node, "an operator"))? {
        ast::PrefixOp::Not(_) => UnaryOp::Not,
        ast::PrefixOp::Minus(_) => UnaryOp::Minus,
        ast::PrefixOp::Plus(_) => UnaryOp::Plus,
        ast::PrefixOp::CustomOp(op) => UnaryOp::Custom(operator_text(op.syntax())),
        ast::PrefixOp::OperatorCall(op) => UnaryOp::Custom(operator_text(op.syntax())),
    };
    Ok(ExprKind::Unary { op, operand: boxed(at, node)? })
}

fn postfix_expr(at: Place<'_>, postfix: &ast::PostfixExpr) -> Result<ExprKind> {
    let node = postfix.syntax();
    let operand = boxed(at, node)?;
    Ok(match postfix.op().ok_or_else(|| at.missing(node, "an operator"))? {
        ast::PostfixOp::IsNull(_) => ExprKind::IsNull { operand, negated: false },
        ast::PostfixOp::NotNull(_) => ExprKind::IsNull { operand, negated: true },
        other => {
            let words = other.syntax_element().to_string().to_ascii_uppercase();
            ExprKind::NotModelled(words.split_whitespace().collect::<Vec<_>>().join(" "))
        }
    })
}

fn case(at: Place<'_>, node: &SyntaxNode) -> Result<ExprKind> {
    let list = at.need::<ast::WhenClauseList>(node, "WHEN")?;
    let mut branches = Vec::new();
    for when in children::<ast::WhenClause>(list.syntax()) {
        let mut sides = exprs(at, when.syntax())?.into_iter();
        match (sides.next(), sides.next()) {
            (Some(condition), Some(value)) => branches.push((condition, value)),
            _ => return Err(at.missing(when.syntax(), "WHEN condition THEN value")),
        }
    }
    let operand = optional(at, node)?.map(Box::new);
    let otherwise = within::<ast::ElseClause>(at, node)?.map(Box::new);
    Ok(ExprKind::Case { operand, branches, otherwise })
}

fn cast_expr(at: Place<'_>, cast: &ast::CastExpr) -> Result<ExprKind> {
    let node = cast.syntax();
    let operand = match child::<ast::Expr>(node) {
        Some(e) => expr(at, &e)?,
        None => {
            let literal = at.need::<ast::Literal>(node, "a constant")?;
            Expr { kind: literal_kind(at, &literal)?, range: at.of(literal.syntax()) }
        }
    };
    let to = match child::<ast::Type>(node) {
        Some(ty) => types::data_type(at, &ty)?,
        None => DataType::new("interval"),
    };
    Ok(ExprKind::Cast { operand: Box::new(operand), to })
}

fn call_expr(at: Place<'_>, call: &ast::CallExpr) -> Result<ExprKind> {
    let node = call.syntax();
    if let Some(list) = child::<ast::ArgList>(node) {
        return function(at, node, &list).map(ExprKind::Function);
    }
    let special = node.children().next().ok_or_else(|| at.missing(node, "a function"))?;
    special_call(at, &special)
}

/// A call in the usual notation.
pub(super) fn function(at: Place<'_>, node: &SyntaxNode, list: &ast::ArgList) -> Result<FunctionCall> {
    let callee = at.need::<ast::Expr>(node, "a function's name")?;
    let mut parts = dotted(at, &callee)?.ok_or_else(|| at.missing(callee.syntax(), "a function's name"))?;
    let last = parts.pop().ok_or_else(|| at.missing(node, "a function's name"))?;
    let name = ObjectName { schema: parts.pop(), name: last, range: at.of(callee.syntax()) };
    let (args, mut order_by) = arguments(at, list)?;
    if let Some(within) = child::<ast::WithinClause>(node) {
        order_by.extend(query::order_by(at, within.syntax())?);
    }
    Ok(FunctionCall {
        name,
        args,
        star: has(list.syntax(), SyntaxKind::STAR),
        distinct: has(list.syntax(), SyntaxKind::DISTINCT),
        order_by,
        filter: within::<ast::FilterClause>(at, node)?.map(Box::new),
        over: child::<ast::OverClause>(node).map(|o| window(at, o.syntax())).transpose()?,
    })
}

/// The arguments of a call, and the ORDER BY among them.
pub(super) fn arguments(at: Place<'_>, list: &ast::ArgList) -> Result<(Vec<FunctionArg>, Vec<OrderBy>)> {
    let mut args = Vec::new();
    let mut order = Vec::new();
    for arg in children::<ast::Arg>(list.syntax()) {
        let node = arg.syntax();
        let variadic = has(node, SyntaxKind::VARIADIC_KW);
        let (name, value) = match child::<ast::NamedArg>(node) {
            Some(named) => {
                let name = name::own_name::<ast::ParamNameRef>(at, named.syntax(), "a parameter's name")?;
                (Some(name), required(at, named.syntax())?)
            }
            None => (None, required(at, node)?),
        };
        args.push(FunctionArg { name, variadic, value });
        order.extend(query::order_by(at, node)?);
    }
    Ok((args, order))
}

fn window(at: Place<'_>, over: &SyntaxNode) -> Result<Window> {
    if let Some(name) = child::<ast::WindowRef>(over) {
        return Ok(Window { base: Some(name::ident(at, name.syntax())?), ..Window::default() });
    }
    let spec = child::<ast::OverWindowSpec>(over).and_then(|o| child::<ast::WindowSpec>(o.syntax()));
    let Some(spec) = spec else { return Ok(Window::default()) };
    let node = spec.syntax();
    Ok(Window {
        base: name::maybe_name::<ast::WindowRef>(at, node)?,
        partition_by: match child::<ast::PartitionByClause>(node) {
            Some(clause) => exprs(at, clause.syntax())?,
            None => Vec::new(),
        },
        order_by: query::order_by(at, node)?,
        frame: child::<ast::FrameClause>(node).is_some(),
    })
}

/// What SQL writes in a notation of its own, as the function that PostgreSQL's grammar makes of it.
fn special_call(at: Place<'_>, node: &SyntaxNode) -> Result<ExprKind> {
    let plain = |name: &str, args: Vec<Expr>| Ok(ExprKind::Function(FunctionCall::plain(name, args)));
    match node.kind() {
        SyntaxKind::EXISTS_FN => {
            let select = at.need::<ast::SelectVariant>(node, "a query")?;
            Ok(ExprKind::Exists(Box::new(query::query(at, &select)?)))
        }
        SyntaxKind::EXTRACT_FN => {
            let field = at.need::<ast::ExtractField>(node, "a field")?;
            let text = at.text_of(field.syntax()).trim_matches('\'').to_ascii_lowercase();
            let kind = ExprKind::Literal(Literal::String(text));
            let field = Expr { kind, range: at.of(field.syntax()) };
            plain("extract", vec![field, required(at, node)?])
        }
        SyntaxKind::POSITION_FN => {
            let mut args = exprs(at, node)?;
            args.reverse();
            plain("position", args)
        }
        SyntaxKind::TRIM_FN => {
            let name = match child::<ast::TrimSide>(node) {
                Some(ast::TrimSide::TrimLeading(_)) => "ltrim",
                Some(ast::TrimSide::TrimTrailing(_)) => "rtrim",
                _ => "btrim",
            };
            let inner = at.need::<ast::TrimArgs>(node, "an argument")?;
            let mut args = exprs(at, inner.syntax())?;
            if matches!(inner, ast::TrimArgs::TrimExprFrom(_)) {
                // trim(characters from text): the function takes the text first.
                args.rotate_left(1);
            }
            plain(name, args)
        }
        SyntaxKind::SUBSTRING_FN => {
            let inner = at.need::<ast::SubstringArgs>(node, "an argument")?;
            let mut args = exprs(at, inner.syntax())?;
            match inner {
                ast::SubstringArgs::SubstringSimilarEscape(_) => {
                    return Ok(ExprKind::NotModelled("SUBSTRING ... SIMILAR".to_owned()));
                }
                ast::SubstringArgs::SubstringForFrom(_) if args.len() == 2 => {
                    let range = args[1].range;
                    args.insert(1, Expr { kind: ExprKind::Literal(Literal::Integer(1)), range });
                }
                ast::SubstringArgs::SubstringForFrom(_) if args.len() == 3 => args.swap(1, 2),
                _ => {}
            }
            plain("substring", args)
        }
        SyntaxKind::OVERLAY_FN => {
            let inner = at.need::<ast::OverlayArgs>(node, "an argument")?;
            plain("overlay", exprs(at, inner.syntax())?)
        }
        _ => {
            let words = tokens(node).next().map(|t| t.text().to_ascii_uppercase()).unwrap_or_default();
            Ok(ExprKind::NotModelled(words))
        }
    }
}
