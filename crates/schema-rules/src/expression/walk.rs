//! Visiting the parts of an expression. Depth is bounded by the parser.

use sql_syntax::ast::{
    ConflictAction, Expr, ExprKind, FromItem, FunctionCall, Grouping, JoinCondition, Query, QueryBody,
    Select, Statement, TableName,
};

/// The immediate parts of an expression that are expressions of the same query.
pub fn children(expr: &Expr) -> Vec<&Expr> {
    match &expr.kind {
        ExprKind::Literal(_)
        | ExprKind::Column { .. }
        | ExprKind::Wildcard { .. }
        | ExprKind::Param(_)
        | ExprKind::Default
        | ExprKind::ArraySubquery(_)
        | ExprKind::Subquery(_)
        | ExprKind::Exists(_)
        | ExprKind::NotModelled(_) => Vec::new(),
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
        ExprKind::InList { operand, list, .. } => std::iter::once(&**operand).chain(list).collect(),
        ExprKind::Like { operand, pattern, escape, .. } => {
            let mut parts: Vec<&Expr> = vec![operand, pattern];
            parts.extend(escape.as_deref());
            parts
        }
        ExprKind::Case { operand, branches, otherwise } => operand
            .as_deref()
            .into_iter()
            .chain(branches.iter().flat_map(|(when, then)| [when, then]))
            .chain(otherwise.as_deref())
            .collect(),
        ExprKind::AtTimeZone { operand, zone } => vec![operand, zone],
        ExprKind::Function(call) => function_parts(call),
        ExprKind::Array(items) | ExprKind::Row(items) => items.iter().collect(),
        ExprKind::Subscript { operand, index } => vec![operand, index],
    }
}

fn function_parts(call: &FunctionCall) -> Vec<&Expr> {
    let window =
        call.over.iter().flat_map(|w| w.partition_by.iter().chain(w.order_by.iter().map(|o| &o.value)));
    call.args
        .iter()
        .map(|arg| &arg.value)
        .chain(call.order_by.iter().map(|o| &o.value))
        .chain(call.filter.as_deref())
        .chain(window)
        .collect()
}

/// Calls `visit` for the expression and everything in it, subqueries included.
pub fn walk<'a>(expr: &'a Expr, visit: &mut dyn FnMut(&'a Expr)) {
    visit(expr);
    for part in children(expr) {
        walk(part, visit);
    }
    match &expr.kind {
        ExprKind::ArraySubquery(query)
        | ExprKind::Subquery(query)
        | ExprKind::Exists(query)
        | ExprKind::InSubquery { query, .. } => walk_query(query, visit),
        _ => {}
    }
}

/// Calls `visit` for every expression of a query, in the order of the text as far as clauses allow.
pub fn walk_query<'a>(query: &'a Query, visit: &mut dyn FnMut(&'a Expr)) {
    walk_query_tables(query, &mut |_| {}, visit);
}

/// Calls `table` for every table that a query names in FROM, and `visit` for every expression.
pub fn walk_query_tables<'a>(
    query: &'a Query,
    table: &mut dyn FnMut(&'a TableName),
    visit: &mut dyn FnMut(&'a Expr),
) {
    for common in query.with.iter().flat_map(|w| &w.tables) {
        walk_statement(&common.statement, table, visit);
    }
    match &query.body {
        QueryBody::Select(select) => walk_select(select, table, visit),
        QueryBody::Values(rows) => rows.iter().flatten().for_each(|e| walk_both(e, table, visit)),
        QueryBody::Table(name) => table(name),
        QueryBody::SetOperation { left, right, .. } => {
            walk_query_tables(left, table, visit);
            walk_query_tables(right, table, visit);
        }
        QueryBody::Nested(inner) => walk_query_tables(inner, table, visit),
    }
    let rest = query.order_by.iter().map(|o| &o.value).chain(&query.limit).chain(&query.offset);
    rest.for_each(|e| walk_both(e, table, visit));
}

fn walk_select<'a>(
    select: &'a Select,
    table: &mut dyn FnMut(&'a TableName),
    visit: &mut dyn FnMut(&'a Expr),
) {
    for item in &select.from {
        walk_from(item, table, visit);
    }
    for target in &select.targets {
        walk_both(&target.value, table, visit);
    }
    let groups = select.group_by.iter().filter_map(|g| match g {
        Grouping::Expr(e) => Some(e),
        Grouping::NotModelled(_) => None,
    });
    for part in select.filter.iter().chain(groups).chain(&select.having) {
        walk_both(part, table, visit);
    }
}

fn walk_from<'a>(item: &'a FromItem, table: &mut dyn FnMut(&'a TableName), visit: &mut dyn FnMut(&'a Expr)) {
    match item {
        FromItem::Table { table: name, .. } => table(name),
        FromItem::Subquery { query, .. } => walk_query_tables(query, table, visit),
        FromItem::Function { call, .. } => walk_both(call, table, visit),
        FromItem::Join { left, right, condition, .. } => {
            walk_from(left, table, visit);
            walk_from(right, table, visit);
            if let JoinCondition::On(on) = condition {
                walk_both(on, table, visit);
            }
        }
        FromItem::NotModelled(_) => {}
    }
}

/// As [`walk`], with the tables of subqueries.
fn walk_both<'a>(expr: &'a Expr, table: &mut dyn FnMut(&'a TableName), visit: &mut dyn FnMut(&'a Expr)) {
    visit(expr);
    for part in children(expr) {
        walk_both(part, table, visit);
    }
    match &expr.kind {
        ExprKind::ArraySubquery(query)
        | ExprKind::Subquery(query)
        | ExprKind::Exists(query)
        | ExprKind::InSubquery { query, .. } => walk_query_tables(query, table, visit),
        _ => {}
    }
}

/// The expressions of a statement that may stand in WITH. The table that it changes is not reported: the caller
/// treats it apart.
fn walk_statement<'a>(
    statement: &'a Statement,
    table: &mut dyn FnMut(&'a TableName),
    visit: &mut dyn FnMut(&'a Expr),
) {
    match statement {
        Statement::Select(query) => walk_query_tables(query, table, visit),
        Statement::Insert(insert) => {
            if let Some(source) = &insert.source {
                walk_query_tables(source, table, visit);
            }
            if let Some(ConflictAction::Update { assignments, filter }) =
                insert.on_conflict.as_ref().map(|c| &c.action)
            {
                assignments.iter().for_each(|a| walk_both(&a.value, table, visit));
                filter.iter().for_each(|e| walk_both(e, table, visit));
            }
        }
        Statement::Update(update) => {
            update.from.iter().for_each(|item| walk_from(item, table, visit));
            update.assignments.iter().for_each(|a| walk_both(&a.value, table, visit));
            update.filter.iter().for_each(|e| walk_both(e, table, visit));
        }
        Statement::Delete(delete) => {
            delete.using.iter().for_each(|item| walk_from(item, table, visit));
            delete.filter.iter().for_each(|e| walk_both(e, table, visit));
        }
        _ => {}
    }
}
