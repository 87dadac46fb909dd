//! What reads and changes rows.

use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::{Place, Result, child, children, expr, has, name, statement, tokens, types};
use crate::ast::{
    Assignment, CommonTable, ConflictAction, ConflictTarget, Copy, Delete, Distinct, Expr, ExprKind,
    FromItem, Grouping, Ident, Insert, JoinCondition, JoinKind, LockWait, Locking, Merge, MergeAction,
    MergeClause, MergeWhen, OnConflict, OrderBy, Query, QueryBody, RowLockStrength, Select, SetOp,
    TableAlias, TableName, Target, Update, With,
};

/// A query of any kind.
pub(super) fn query(at: Place<'_>, variant: &ast::SelectVariant) -> Result<Query> {
    let node = variant.syntax();
    let body = match variant {
        ast::SelectVariant::Select(_) | ast::SelectVariant::SelectInto(_) => {
            QueryBody::Select(Box::new(select(at, node)?))
        }
        ast::SelectVariant::Values(_) => QueryBody::Values(rows(at, node)?),
        ast::SelectVariant::Table(_) => {
            QueryBody::Table(relation_name(at, at.need::<ast::RelationName>(node, "a table")?.syntax())?)
        }
        ast::SelectVariant::ParenSelect(paren) => {
            let inner = paren.select().ok_or_else(|| at.missing(node, "a query"))?;
            let inner = query(at, &inner)?;
            if !has_tail(node) {
                return Ok(inner);
            }
            QueryBody::Nested(Box::new(inner))
        }
        ast::SelectVariant::CompoundSelect(compound) => set_operation(at, compound)?,
    };
    let (limit, with_ties) = limit(at, node)?;
    Ok(Query {
        with: with(at, node)?,
        body,
        order_by: order_by(at, node)?,
        limit,
        with_ties,
        offset: expr::within::<ast::OffsetClause>(at, node)?,
        locking: children::<ast::LockingClause>(node).map(|l| locking(at, &l)).collect::<Result<_>>()?,
        range: at.of(node),
    })
}

fn has_tail(node: &SyntaxNode) -> bool {
    child::<ast::SelectTailClause>(node).is_some() || child::<ast::WithClause>(node).is_some()
}

fn set_operation(at: Place<'_>, compound: &ast::CompoundSelect) -> Result<QueryBody> {
    let node = compound.syntax();
    let side = |operand: Option<ast::CompoundSelectOperand>| {
        let operand = operand.ok_or_else(|| at.missing(node, "a query"))?;
        let select = operand.select_variant().ok_or_else(|| at.missing(operand.syntax(), "a query"))?;
        query(at, &select).map(Box::new)
    };
    let left = side(compound.lhs_operand())?;
    let right = side(compound.rhs_operand())?;
    let (op, all) = match compound.op().ok_or_else(|| at.missing(node, "UNION, INTERSECT or EXCEPT"))? {
        ast::CompoundOp::Union(op) => (SetOp::Union, has(op.syntax(), SyntaxKind::ALL)),
        ast::CompoundOp::Intersect(op) => (SetOp::Intersect, has(op.syntax(), SyntaxKind::ALL)),
        ast::CompoundOp::Except(op) => (SetOp::Except, has(op.syntax(), SyntaxKind::ALL)),
    };
    Ok(QueryBody::SetOperation { op, all, left, right })
}

fn select(at: Place<'_>, node: &SyntaxNode) -> Result<Select> {
    let clause = at.need::<ast::SelectClause>(node, "SELECT")?;
    let distinct = match child::<ast::DistinctClause>(clause.syntax()) {
        None => None,
        Some(distinct) => Some(match child::<ast::DistinctOn>(distinct.syntax()) {
            Some(on) => Distinct::On(expr::exprs(at, on.syntax())?),
            None => Distinct::Rows,
        }),
    };
    let windows = match child::<ast::WindowClause>(node) {
        None => Vec::new(),
        Some(clause) => children::<ast::WindowDef>(clause.syntax())
            .map(|w| name::own_name::<ast::Window>(at, w.syntax(), "a window's name"))
            .collect::<Result<_>>()?,
    };
    Ok(Select {
        distinct,
        targets: targets(at, clause.syntax())?,
        from: from_clause::<ast::FromClause>(at, node)?,
        filter: expr::within::<ast::WhereClause>(at, node)?,
        group_by: group_by(at, node)?,
        having: expr::within::<ast::HavingClause>(at, node)?,
        windows,
    })
}

fn targets(at: Place<'_>, node: &SyntaxNode) -> Result<Vec<Target>> {
    let Some(list) = child::<ast::TargetList>(node) else { return Ok(Vec::new()) };
    children::<ast::Target>(list.syntax()).map(|t| target(at, t.syntax())).collect()
}

fn target(at: Place<'_>, node: &SyntaxNode) -> Result<Target> {
    if has(node, SyntaxKind::STAR) {
        let kind = ExprKind::Wildcard { qualifier: Vec::new() };
        return Ok(Target { value: Expr { kind, range: at.of(node) }, alias: None });
    }
    let alias = match child::<ast::AsName>(node) {
        Some(alias) => Some(name::own_name::<ast::ColumnName>(at, alias.syntax(), "a name")?),
        None => None,
    };
    Ok(Target { value: expr::required(at, node)?, alias })
}

fn group_by(at: Place<'_>, node: &SyntaxNode) -> Result<Vec<Grouping>> {
    let list = child::<ast::GroupByClause>(node).and_then(|c| child::<ast::GroupByList>(c.syntax()));
    let Some(list) = list else { return Ok(Vec::new()) };
    children::<ast::GroupBy>(list.syntax())
        .map(|item| match item {
            ast::GroupBy::GroupingExpr(e) => Ok(Grouping::Expr(expr::required(at, e.syntax())?)),
            ast::GroupBy::GroupingRollup(_) => Ok(Grouping::NotModelled("ROLLUP")),
            ast::GroupBy::GroupingCube(_) => Ok(Grouping::NotModelled("CUBE")),
            ast::GroupBy::GroupingSets(_) => Ok(Grouping::NotModelled("GROUPING SETS")),
        })
        .collect()
}

/// VALUES' rows.
pub(super) fn rows(at: Place<'_>, node: &SyntaxNode) -> Result<Vec<Vec<Expr>>> {
    let list = at.need::<ast::RowList>(node, "rows")?;
    children::<ast::Row>(list.syntax()).map(|row| expr::exprs(at, row.syntax())).collect()
}

fn limit(at: Place<'_>, node: &SyntaxNode) -> Result<(Option<Expr>, bool)> {
    if let Some(clause) = child::<ast::LimitClause>(node) {
        return Ok((expr::optional(at, clause.syntax())?, false));
    }
    let Some(fetch) = child::<ast::FetchClause>(node) else { return Ok((None, false)) };
    let one = Expr { kind: ExprKind::Literal(crate::ast::Literal::Integer(1)), range: at.of(fetch.syntax()) };
    let count = expr::optional(at, fetch.syntax())?.unwrap_or(one);
    Ok((Some(count), has(fetch.syntax(), SyntaxKind::WITH_TIES)))
}

/// The ORDER BY among a node's children.
pub(super) fn order_by(at: Place<'_>, node: &SyntaxNode) -> Result<Vec<OrderBy>> {
    let list = child::<ast::OrderByClause>(node).and_then(|c| child::<ast::SortByList>(c.syntax()));
    let Some(list) = list else { return Ok(Vec::new()) };
    children::<ast::SortBy>(list.syntax())
        .map(|sort| {
            let node = sort.syntax();
            let descending = match child::<ast::SortOrder>(node) {
                Some(ast::SortOrder::SortUsing(using)) => expr::operator_text(using.syntax()) == ">",
                Some(ast::SortOrder::SortDesc(_)) => true,
                _ => false,
            };
            let nulls_first =
                child::<ast::NullsOrder>(node).map(|n| matches!(n, ast::NullsOrder::NullsFirst(_)));
            Ok(OrderBy { value: expr::required(at, node)?, descending, nulls_first })
        })
        .collect()
}

fn locking(at: Place<'_>, clause: &ast::LockingClause) -> Result<Locking> {
    let node = clause.syntax();
    let strength = match at.need::<ast::LockStrength>(node, "a row lock")? {
        ast::LockStrength::ForUpdate(_) => RowLockStrength::Update,
        ast::LockStrength::ForNoKeyUpdate(_) => RowLockStrength::NoKeyUpdate,
        ast::LockStrength::ForShare(_) => RowLockStrength::Share,
        ast::LockStrength::ForKeyShare(_) => RowLockStrength::KeyShare,
    };
    let of = match child::<ast::LockingOf>(node) {
        None => Vec::new(),
        Some(of) => children::<ast::Expr>(of.syntax())
            .map(|e| name::object_name(at, e.syntax()))
            .collect::<Result<_>>()?,
    };
    let wait = match child::<ast::LockWait>(node) {
        None => LockWait::Block,
        Some(ast::LockWait::Nowait(_)) => LockWait::NoWait,
        Some(ast::LockWait::SkipLocked(_)) => LockWait::SkipLocked,
    };
    Ok(Locking { strength, of, wait })
}

/// The items of FROM or USING.
fn from_clause<C: AstNode>(at: Place<'_>, node: &SyntaxNode) -> Result<Vec<FromItem>> {
    let Some(clause) = child::<C>(node) else { return Ok(Vec::new()) };
    children::<ast::FromListItem>(clause.syntax()).map(|item| from_item(at, &item)).collect()
}

fn from_item(at: Place<'_>, item: &ast::FromListItem) -> Result<FromItem> {
    match item {
        ast::FromListItem::JoinExpr(join) => join_expr(at, join.syntax()),
        ast::FromListItem::FromItem(item) => primary(at, item),
    }
}

fn join_expr(at: Place<'_>, node: &SyntaxNode) -> Result<FromItem> {
    let mut result = from_item(at, &at.need::<ast::FromListItem>(node, "a table")?)?;
    for join in children::<ast::Join>(node) {
        let node = join.syntax();
        let right = Box::new(from_item(at, &at.need::<ast::FromListItem>(node, "a table")?)?);
        let kind = match at.need::<ast::JoinType>(node, "a join")? {
            ast::JoinType::JoinInner(_) => JoinKind::Inner,
            ast::JoinType::JoinLeft(_) => JoinKind::Left,
            ast::JoinType::JoinRight(_) => JoinKind::Right,
            ast::JoinType::JoinFull(_) => JoinKind::Full,
            ast::JoinType::JoinCross(_) => JoinKind::Cross,
        };
        let condition = match child::<ast::JoinCondition>(node) {
            Some(ast::JoinCondition::OnClause(on)) => {
                JoinCondition::On(Box::new(expr::required(at, on.syntax())?))
            }
            Some(ast::JoinCondition::JoinUsingClause(using)) => {
                JoinCondition::Using(name::columns_of::<ast::ColumnRefList>(at, using.syntax())?)
            }
            None if has(node, SyntaxKind::NATURAL_KW) => JoinCondition::Natural,
            None if kind == JoinKind::Cross => JoinCondition::None,
            None => return Err(at.missing(node, "ON or USING")),
        };
        result = FromItem::Join { left: Box::new(result), right, kind, condition };
    }
    Ok(result)
}

fn primary(at: Place<'_>, item: &ast::FromItem) -> Result<FromItem> {
    let node = item.syntax();
    let alias = child::<ast::FromAlias>(node).map(|a| table_alias(at, a.syntax())).transpose()?.flatten();
    let lateral = has(node, SyntaxKind::LATERAL_KW);
    match item {
        ast::FromItem::RelationFromItem(_) => {
            let name = name::named::<ast::RelationNameRef>(at, node, "a table")?;
            let only = has(node, SyntaxKind::ONLY_KW);
            let sampled = child::<ast::TablesampleClause>(node).is_some();
            Ok(FromItem::Table { table: TableName { name, only }, alias, sampled })
        }
        ast::FromItem::FunctionFromItem(_) | ast::FromItem::ExprFromItem(_) => {
            let call = Box::new(expr::required(at, node)?);
            let ordinality = child::<ast::WithOrdinality>(node).is_some();
            Ok(FromItem::Function { call, alias, ordinality, lateral })
        }
        ast::FromItem::ParenFromItem(_) => parenthesised(at, node, alias, lateral),
        ast::FromItem::RowsFromItem(_) => Ok(FromItem::NotModelled("ROWS FROM".to_owned())),
        ast::FromItem::GraphTableFromItem(_) => Ok(FromItem::NotModelled("GRAPH_TABLE".to_owned())),
        ast::FromItem::JsonTableFromItem(_) => Ok(FromItem::NotModelled("JSON_TABLE".to_owned())),
        ast::FromItem::XmlTableFromItem(_) => Ok(FromItem::NotModelled("XMLTABLE".to_owned())),
    }
}

/// A subquery, or a join in parentheses.
fn parenthesised(
    at: Place<'_>,
    node: &SyntaxNode,
    alias: Option<TableAlias>,
    lateral: bool,
) -> Result<FromItem> {
    if let Some(select) = child::<ast::SelectVariant>(node) {
        let query = Box::new(query(at, &select)?);
        return Ok(FromItem::Subquery { query, alias, lateral });
    }
    if let Some(item) = child::<ast::FromListItem>(node) {
        return match alias {
            None => from_item(at, &item),
            Some(_) => Ok(FromItem::NotModelled("an alias for a join".to_owned())),
        };
    }
    let inner = at.need::<ast::ParenExpr>(node, "a table or query")?;
    parenthesised(at, inner.syntax(), alias, lateral)
}

fn table_alias(at: Place<'_>, node: &SyntaxNode) -> Result<Option<TableAlias>> {
    let Some(name) = name::maybe_name::<ast::TableAlias>(at, node)? else {
        // `AS (a int)`: only a column definition list, for a function that returns records.
        return Ok(None);
    };
    let mut columns = name::columns_of::<ast::ColumnList>(at, node)?;
    let mut data_types = Vec::new();
    if let Some(list) = child::<ast::ColumnDefList>(node) {
        for column in children::<ast::ColumnDef>(list.syntax()) {
            columns.push(name::own_name::<ast::ColumnName>(at, column.syntax(), "a column")?);
            data_types.push(types::data_type(at, &at.need::<ast::Type>(column.syntax(), "a type")?)?);
        }
    }
    Ok(Some(TableAlias { name, columns, types: data_types }))
}

/// `[ONLY] name [*]`.
pub(super) fn relation_name(at: Place<'_>, node: &SyntaxNode) -> Result<TableName> {
    let only = has(node, SyntaxKind::ONLY_KW);
    let name = match child::<ast::RelationNameRef>(node) {
        Some(name) => name::object_name(at, name.syntax())?,
        None => name::named::<ast::TableNameRef>(at, node, "a table")?,
    };
    Ok(TableName { name, only })
}

/// WITH.
fn with(at: Place<'_>, node: &SyntaxNode) -> Result<Option<With>> {
    let Some(clause) = child::<ast::WithClause>(node) else { return Ok(None) };
    let tables = children::<ast::WithTable>(clause.syntax())
        .map(|table| {
            let node = table.syntax();
            let query = at.need::<ast::WithQuery>(node, "a query")?;
            Ok(CommonTable {
                name: name::own_name::<ast::CteName>(at, node, "a name")?,
                columns: name::columns_of::<ast::ColumnList>(at, node)?,
                materialized: child::<ast::MaterializedOption>(node)
                    .map(|m| matches!(m, ast::MaterializedOption::Materialized(_))),
                statement: Box::new(statement(at, query.syntax())?),
            })
        })
        .collect::<Result<_>>()?;
    Ok(Some(With { recursive: has(clause.syntax(), SyntaxKind::RECURSIVE_KW), tables }))
}

fn returning(at: Place<'_>, node: &SyntaxNode) -> Result<Vec<Target>> {
    match child::<ast::ReturningClause>(node) {
        Some(clause) => targets(at, clause.syntax()),
        None => Ok(Vec::new()),
    }
}

fn alias<A: AstNode>(at: Place<'_>, node: &SyntaxNode) -> Result<Option<Ident>> {
    match child::<A>(node) {
        Some(alias) => name::maybe_name::<ast::TableAlias>(at, alias.syntax()),
        None => Ok(None),
    }
}

/// The columns of a column list that may have subscripts and fields, which are left out.
fn column_targets(at: Place<'_>, node: &SyntaxNode) -> Result<Vec<Ident>> {
    let Some(list) = child::<ast::ColumnTargetList>(node) else { return Ok(Vec::new()) };
    children::<ast::ColumnTarget>(list.syntax())
        .map(|t| name::own_name::<ast::ColumnNameRef>(at, t.syntax(), "a column"))
        .collect()
}

/// INSERT.
pub(super) fn insert(at: Place<'_>, node: &SyntaxNode) -> Result<Insert> {
    let source = match child::<ast::SelectVariant>(node) {
        Some(select) => Some(Box::new(query(at, &select)?)),
        None if child::<ast::DefaultValues>(node).is_some() => None,
        None => return Err(at.missing(node, "VALUES, a query or DEFAULT VALUES")),
    };
    Ok(Insert {
        with: with(at, node)?,
        table: name::named::<ast::RelationNameRef>(at, node, "a table")?,
        alias: alias::<ast::RequiredAsAlias>(at, node)?,
        columns: column_targets(at, node)?,
        overriding_system: child::<ast::OverridingClause>(node)
            .map(|o| matches!(o, ast::OverridingClause::OverridingSystemValue(_))),
        source,
        on_conflict: child::<ast::OnConflictClause>(node).map(|c| on_conflict(at, c.syntax())).transpose()?,
        returning: returning(at, node)?,
    })
}

fn on_conflict(at: Place<'_>, node: &SyntaxNode) -> Result<OnConflict> {
    let target = match child::<ast::ConflictTarget>(node) {
        None => ConflictTarget::Any,
        Some(ast::ConflictTarget::ConflictOnConstraint(c)) => {
            ConflictTarget::Constraint(name::own_name::<ast::ConstraintNameRef>(
                at,
                c.syntax(),
                "a constraint",
            )?)
        }
        Some(ast::ConflictTarget::ConflictOnIndex(index)) => {
            let list = at.need::<ast::ConflictIndexItemList>(index.syntax(), "columns")?;
            let items = children::<ast::ConflictIndexItem>(list.syntax())
                .map(|item| expr::required(at, item.syntax()))
                .collect::<Result<_>>()?;
            ConflictTarget::Index { items, predicate: expr::within::<ast::WhereClause>(at, index.syntax())? }
        }
    };
    let action = match at.need::<ast::ConflictAction>(node, "DO NOTHING or DO UPDATE")? {
        ast::ConflictAction::ConflictDoNothing(_) => ConflictAction::Nothing,
        ast::ConflictAction::ConflictDoSelect(_) => ConflictAction::Select,
        ast::ConflictAction::ConflictDoUpdateSet(update) => ConflictAction::Update {
            assignments: assignments(at, update.syntax())?,
            filter: expr::within::<ast::WhereClause>(at, update.syntax())?,
        },
    };
    Ok(OnConflict { target, action })
}

/// SET.
fn assignments(at: Place<'_>, node: &SyntaxNode) -> Result<Vec<Assignment>> {
    let clause = at.need::<ast::SetClause>(node, "SET")?;
    let list = at.need::<ast::SetColumnList>(clause.syntax(), "assignments")?;
    children::<ast::SetColumn>(list.syntax())
        .map(|set| match set {
            ast::SetColumn::SetSingleColumn(single) => {
                let node = single.syntax();
                let target = at.need::<ast::ColumnTarget>(node, "a column")?;
                let column = name::own_name::<ast::ColumnNameRef>(at, target.syntax(), "a column")?;
                let value = at.need::<ast::SetExpr>(node, "a value")?;
                let accessor = child::<ast::Accessor>(target.syntax()).is_some();
                let mut value = set_expr(at, value.syntax())?;
                if accessor {
                    value.kind = ExprKind::NotModelled("assignment to a part of a column".to_owned());
                }
                Ok(Assignment { columns: vec![column], value })
            }
            ast::SetColumn::SetMultipleColumns(multiple) => {
                let node = multiple.syntax();
                let columns = column_targets(at, node)?;
                let value = match child::<ast::SetExprList>(node) {
                    Some(list) => {
                        let values = children::<ast::SetExpr>(list.syntax())
                            .map(|v| set_expr(at, v.syntax()))
                            .collect::<Result<_>>()?;
                        Expr { kind: ExprKind::Row(values), range: at.of(list.syntax()) }
                    }
                    None => {
                        let select = at.need::<ast::SelectVariant>(node, "values")?;
                        let kind = ExprKind::Subquery(Box::new(query(at, &select)?));
                        Expr { kind, range: at.of(select.syntax()) }
                    }
                };
                Ok(Assignment { columns, value })
            }
        })
        .collect()
}

fn set_expr(at: Place<'_>, node: &SyntaxNode) -> Result<Expr> {
    if has(node, SyntaxKind::DEFAULT_KW) {
        return Ok(Expr { kind: ExprKind::Default, range: at.of(node) });
    }
    expr::required(at, node)
}

fn current_of(at: Place<'_>, node: &SyntaxNode) -> Result<Option<Ident>> {
    match child::<ast::WhereCurrentOf>(node) {
        Some(clause) => Ok(Some(name::own_name::<ast::CursorRef>(at, clause.syntax(), "a cursor")?)),
        None => Ok(None),
    }
}

/// UPDATE.
pub(super) fn update(at: Place<'_>, node: &SyntaxNode) -> Result<Update> {
    Ok(Update {
        with: with(at, node)?,
        table: relation_name(at, at.need::<ast::RelationName>(node, "a table")?.syntax())?,
        alias: alias::<ast::OptionalAsAlias>(at, node)?,
        assignments: assignments(at, node)?,
        from: from_clause::<ast::FromClause>(at, node)?,
        filter: expr::within::<ast::WhereClause>(at, node)?,
        current_of: current_of(at, node)?,
        returning: returning(at, node)?,
    })
}

/// DELETE.
pub(super) fn delete(at: Place<'_>, node: &SyntaxNode) -> Result<Delete> {
    Ok(Delete {
        with: with(at, node)?,
        table: relation_name(at, at.need::<ast::RelationName>(node, "a table")?.syntax())?,
        alias: alias::<ast::OptionalAsAlias>(at, node)?,
        using: from_clause::<ast::UsingClause>(at, node)?,
        filter: expr::within::<ast::WhereClause>(at, node)?,
        current_of: current_of(at, node)?,
        returning: returning(at, node)?,
    })
}

/// MERGE.
pub(super) fn merge(at: Place<'_>, node: &SyntaxNode) -> Result<Merge> {
    let using = at.need::<ast::UsingOnClause>(node, "USING")?;
    let source = at.need::<ast::FromListItem>(using.syntax(), "a table")?;
    Ok(Merge {
        with: with(at, node)?,
        table: relation_name(at, at.need::<ast::TableRelationName>(node, "a table")?.syntax())?,
        alias: alias::<ast::OptionalAsAlias>(at, node)?,
        source: from_item(at, &source)?,
        condition: expr::within::<ast::OnClause>(at, using.syntax())?
            .ok_or_else(|| at.missing(using.syntax(), "ON"))?,
        clauses: children::<ast::MergeWhenClause>(node)
            .map(|clause| merge_clause(at, &clause))
            .collect::<Result<_>>()?,
        returning: returning(at, node)?,
    })
}

fn merge_clause(at: Place<'_>, clause: &ast::MergeWhenClause) -> Result<MergeClause> {
    let node = clause.syntax();
    let when = match clause {
        ast::MergeWhenClause::MergeWhenMatched(_) => MergeWhen::Matched,
        ast::MergeWhenClause::MergeWhenNotMatchedSource(_) => MergeWhen::NotMatchedBySource,
        ast::MergeWhenClause::MergeWhenNotMatchedTarget(_) => MergeWhen::NotMatchedByTarget,
    };
    let action = match at.need::<ast::MergeAction>(node, "an action")? {
        ast::MergeAction::MergeDelete(_) => MergeAction::Delete,
        ast::MergeAction::MergeDoNothing(_) => MergeAction::Nothing,
        ast::MergeAction::MergeUpdate(update) => MergeAction::Update(assignments(at, update.syntax())?),
        ast::MergeAction::MergeInsert(insert) => MergeAction::Insert {
            columns: column_targets(at, insert.syntax())?,
            values: match child::<ast::Values>(insert.syntax()) {
                Some(values) => rows(at, values.syntax())?.into_iter().next().unwrap_or_default(),
                None => Vec::new(),
            },
        },
    };
    Ok(MergeClause { when, condition: expr::within::<ast::MergeCondition>(at, node)?, action })
}

/// COPY.
pub(super) fn copy(at: Place<'_>, node: &SyntaxNode) -> Result<Copy> {
    let direction = child::<ast::CopyDirection>(node);
    let from = matches!(direction, Some(ast::CopyDirection::CopyFrom(_)));
    let standard_stream = direction.is_some_and(|d| {
        child::<ast::CopyStdin>(d.syntax()).is_some() || child::<ast::CopyStdout>(d.syntax()).is_some()
    });
    if let Some(copied) = child::<ast::CopyQuery>(node) {
        let inner = at.need::<ast::PreparableStmt>(copied.syntax(), "a query")?;
        let query = Some(Box::new(statement(at, inner.syntax())?));
        return Ok(Copy { table: None, columns: Vec::new(), query, from, standard_stream, freeze: false });
    }
    let table = at.need::<ast::CopyTable>(node, "a table")?;
    Ok(Copy {
        table: Some(name::named::<ast::TableNameRef>(at, table.syntax(), "a table")?),
        columns: name::columns_of::<ast::ColumnRefList>(at, table.syntax())?,
        query: None,
        from,
        standard_stream,
        freeze: says_freeze(at, node),
    })
}

/// Whether FREEZE is among the options, old style or new, and not switched off.
fn says_freeze(at: Place<'_>, node: &SyntaxNode) -> bool {
    let list = child::<ast::CopyOptionList>(node);
    let options = list.iter().flat_map(|l| children::<ast::CopyOption>(l.syntax()));
    let legacy = children::<ast::CopyLegacyOption>(node).map(|o| o.syntax().clone());
    options.map(|o| o.syntax().clone()).chain(legacy).any(|option| {
        let text = at.text_of(&option).to_ascii_lowercase();
        let mut words = text.split_whitespace();
        words.next() == Some("freeze") && !matches!(words.next(), Some("false" | "off" | "0"))
    })
}

/// Whether a key word stands directly below the node.
pub(super) fn says(node: &SyntaxNode, word: &str) -> bool {
    tokens(node).any(|t| t.text().eq_ignore_ascii_case(word))
}
