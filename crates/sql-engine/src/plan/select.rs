//! Queries.

use std::rc::Rc;

use schema_rules::expression::same;
use sql_syntax::ast::{self, Distinct, ExprKind, Literal, QueryBody, SetOp};
use transactions::{RowLockStrength, WaitPolicy};

use super::from::{From, FromLocks, Source};
use super::{Access, KeyPart, Planner, ResultColumn, item_columns};
use crate::error::{Result, error, not_modelled};
use crate::expr::{
    AggregateCall, Aggregates, Binder, Node, Scope, StepCall, Typed, coerce, common_type, conjuncts,
};
use crate::value::Type;

/// A query.
#[derive(Debug)]
pub(crate) enum QueryPlan {
    Select(Box<SelectPlan>),
    Values {
        rows: Vec<Vec<Typed>>,
        columns: Vec<ResultColumn>,
        tail: Tail,
    },
    SetOperation {
        op: SetOp,
        all: bool,
        sides: Box<[QueryPlan; 2]>,
        columns: Vec<ResultColumn>,
        tail: Tail,
    },
    /// Rows that a prerequisite has left.
    Stored {
        id: usize,
        columns: Vec<ResultColumn>,
    },
    /// A query in parentheses with clauses of its own around it.
    Nested {
        inner: Box<QueryPlan>,
        tail: Tail,
    },
}

/// ORDER BY, LIMIT and OFFSET over a result's columns.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    /// By which column; descending; NULLs first.
    pub(crate) order_by: Vec<(usize, bool, bool)>,
    pub(crate) limit: Option<Typed>,
    pub(crate) offset: Option<Typed>,
}

/// One SELECT.
#[derive(Debug)]
pub(crate) struct SelectPlan {
    pub(crate) source: Source,
    pub(crate) width: usize,
    /// Conditions that no source could test alone.
    pub(crate) filter: Vec<Typed>,
    pub(crate) grouping: Option<Grouping>,
    pub(crate) targets: Vec<Typed>,
    pub(crate) columns: Vec<ResultColumn>,
    pub(crate) steps: Vec<StepCall>,
    /// Functions in the target list that make several rows of one: each gives an array of its values, and the
    /// targets find the one that is its turn among the results of steps.
    pub(crate) sets: Vec<Typed>,
    pub(crate) distinct: Option<Vec<Typed>>,
    pub(crate) is_distinct: bool,
    pub(crate) order_by: Vec<SortKey>,
    pub(crate) limit: Option<Typed>,
    pub(crate) offset: Option<Typed>,
    pub(crate) locking: Vec<RowLocking>,
}

/// GROUP BY, HAVING and aggregates.
#[derive(Debug)]
pub(crate) struct Grouping {
    pub(crate) keys: Vec<Typed>,
    pub(crate) aggregates: Vec<AggregateCall>,
    pub(crate) having: Option<Typed>,
}

/// One entry of ORDER BY.
#[derive(Debug)]
pub(crate) struct SortKey {
    pub(crate) value: SortValue,
    pub(crate) descending: bool,
    pub(crate) nulls_first: bool,
}

/// By what is sorted.
#[derive(Debug)]
pub(crate) enum SortValue {
    /// A column of the result.
    Target(usize),
    /// Something else.
    Expression(Typed),
}

/// FOR UPDATE and its relatives, for one table of FROM.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowLocking {
    pub(crate) item: usize,
    pub(crate) strength: RowLockStrength,
    pub(crate) policy: WaitPolicy,
}

impl SelectPlan {
    /// Whether the only table is read by an index in the order that is wanted, and whether backwards: then
    /// reading can stop early.
    pub(crate) fn ordered_scan(&self) -> Option<bool> {
        let (Source::Table(scan), [key]) = (&self.source, self.order_by.as_slice()) else { return None };
        if !scan.parts.is_empty() || key.nulls_first != key.descending || !self.filter.is_empty() {
            return None;
        }
        let slot = |e: &Typed| match e.node {
            Node::Column(slot) => Some(slot),
            _ => None,
        };
        let by = match &key.value {
            SortValue::Target(at) => slot(&self.targets[*at])?,
            SortValue::Expression(e) => slot(e)?,
        };
        let Access::Index { index, equal, .. } = &scan.access else { return None };
        let index = scan.indexes.iter().find(|i| i.id == *index)?;
        let next = match index.parts.get(equal.len())? {
            KeyPart::Slot(slot) => slot + scan.offset,
            KeyPart::Expression(_) => return None,
        };
        (next == by).then_some(key.descending)
    }

    /// A table that is read whole and sorted by an indexed column is better read by that index, if not all
    /// of it is wanted.
    fn prefer_ordered_index(&mut self) {
        let by = match (self.order_by.as_slice(), &self.limit) {
            ([SortKey { value: SortValue::Target(at), .. }], Some(_)) => self.targets[*at].node.clone(),
            ([SortKey { value: SortValue::Expression(e), .. }], Some(_)) => e.node.clone(),
            _ => return,
        };
        let (Source::Table(scan), Node::Column(by)) = (&mut self.source, by) else { return };
        if !matches!(scan.access, Access::Sequential) {
            return;
        }
        let offset = scan.offset;
        let serves = |i: &&crate::plan::TableIndex| {
            i.valid
                && i.predicate.is_none()
                && matches!(i.parts.first(), Some(KeyPart::Slot(slot)) if slot + offset == by)
        };
        if let Some(index) = scan.indexes.iter().find(serves) {
            scan.access = Access::Index { index: index.id, equal: Vec::new(), low: None, high: None };
        }
    }
}

impl QueryPlan {
    pub(crate) fn columns(&self) -> &[ResultColumn] {
        match self {
            Self::Select(select) => &select.columns,
            Self::Values { columns, .. }
            | Self::SetOperation { columns, .. }
            | Self::Stored { columns, .. } => columns,
            Self::Nested { inner, .. } => inner.columns(),
        }
    }

    /// Whether it locks rows, or calls what a statement has to stop for.
    pub(crate) fn locks_rows(&self) -> bool {
        match self {
            Self::Select(select) => !select.locking.is_empty() || !select.steps.is_empty(),
            Self::SetOperation { sides, .. } => sides.iter().any(Self::locks_rows),
            Self::Nested { inner, .. } => inner.locks_rows(),
            Self::Values { .. } | Self::Stored { .. } => false,
        }
    }
}

impl Planner<'_> {
    /// A query with all its clauses.
    pub(super) fn query(&mut self, query: &ast::Query, scope: &Scope<'_>) -> Result<QueryPlan> {
        let before = self.with(query.with.as_ref())?;
        let planned = self.query_body(query, scope);
        self.forget_with(before);
        planned
    }

    fn query_body(&mut self, query: &ast::Query, scope: &Scope<'_>) -> Result<QueryPlan> {
        if query.with_ties {
            return Err(not_modelled("WITH TIES"));
        }
        match &query.body {
            QueryBody::Select(select) => {
                self.select(select, query, scope).map(|plan| QueryPlan::Select(Box::new(plan)))
            }
            QueryBody::Table(table) => {
                let star =
                    ast::Expr { kind: ExprKind::Wildcard { qualifier: Vec::new() }, range: query.range };
                let select = ast::Select {
                    distinct: None,
                    targets: vec![ast::Target { value: star, alias: None }],
                    from: vec![ast::FromItem::Table { table: table.clone(), alias: None, sampled: false }],
                    filter: None,
                    group_by: Vec::new(),
                    having: None,
                    windows: Vec::new(),
                };
                self.select(&select, query, scope).map(|plan| QueryPlan::Select(Box::new(plan)))
            }
            QueryBody::Values(rows) => self.values(rows, query, scope),
            QueryBody::Nested(inner) => {
                refuse_locking(query)?;
                let inner = self.query(inner, scope)?;
                let tail = self.tail(query, inner.columns(), scope)?;
                Ok(QueryPlan::Nested { inner: Box::new(inner), tail })
            }
            QueryBody::SetOperation { op, all, left, right } => {
                refuse_locking(query)?;
                let (left, right) = (self.query(left, scope)?, self.query(right, scope)?);
                if left.columns().len() != right.columns().len() {
                    let message = "each UNION query must have the same number of columns";
                    return Err(error("42601", message));
                }
                let columns: Vec<ResultColumn> = left
                    .columns()
                    .iter()
                    .zip(right.columns())
                    .map(|(a, b)| {
                        let ty = common_type(&[a.ty.clone(), b.ty.clone()]);
                        ResultColumn { name: a.name.clone(), ty }
                    })
                    .collect();
                let tail = self.tail(query, &columns, scope)?;
                let sides = Box::new([left, right]);
                Ok(QueryPlan::SetOperation { op: *op, all: *all, sides, columns, tail })
            }
        }
    }

    fn values(
        &mut self,
        rows: &[Vec<ast::Expr>],
        query: &ast::Query,
        scope: &Scope<'_>,
    ) -> Result<QueryPlan> {
        refuse_locking(query)?;
        let width = rows.first().map_or(0, Vec::len);
        let mut compiled = Vec::with_capacity(rows.len());
        for row in rows {
            if row.len() != width {
                return Err(error("42601", "VALUES lists must all be the same length"));
            }
            let mut binder = Binder::new(self, *scope);
            compiled.push(row.iter().map(|e| binder.compile(e)).collect::<Result<Vec<_>>>()?);
        }
        let mut columns = Vec::with_capacity(width);
        for at in 0..width {
            let types: Vec<Type> = compiled.iter().map(|row| row[at].ty.clone()).collect();
            let ty = common_type(&types);
            for row in &mut compiled {
                row[at] = coerce(row[at].clone(), &ty)?;
            }
            columns.push(ResultColumn { name: format!("column{}", at + 1).into(), ty });
        }
        let tail = self.tail(query, &columns, scope)?;
        Ok(QueryPlan::Values { rows: compiled, columns, tail })
    }

    /// ORDER BY of a combined result: by name or number of a column.
    fn tail(&mut self, query: &ast::Query, columns: &[ResultColumn], scope: &Scope<'_>) -> Result<Tail> {
        let mut order_by = Vec::new();
        for key in &query.order_by {
            let at = match &key.value.kind {
                ExprKind::Literal(Literal::Integer(n)) => {
                    usize::try_from(*n - 1).ok().filter(|at| *at < columns.len())
                }
                ExprKind::Column { qualifier, name } if qualifier.is_empty() => {
                    columns.iter().position(|c| *c.name == *name.text)
                }
                _ => None,
            };
            let at = at.ok_or_else(|| not_modelled("ORDER BY an expression over a combined result"))?;
            order_by.push((at, key.descending, key.nulls_first.unwrap_or(key.descending)));
        }
        Ok(Tail {
            order_by,
            limit: self.count(query.limit.as_ref(), scope)?,
            offset: self.count(query.offset.as_ref(), scope)?,
        })
    }

    fn count(&mut self, e: Option<&ast::Expr>, scope: &Scope<'_>) -> Result<Option<Typed>> {
        let outer = Scope { items: &[], parent: scope.parent };
        e.map(|e| coerce(Binder::new(self, outer).compile(e)?, &Type::Int8)).transpose()
    }

    fn select(&mut self, select: &ast::Select, query: &ast::Query, scope: &Scope<'_>) -> Result<SelectPlan> {
        let parent = (!scope.items.is_empty() || scope.parent.is_some()).then_some(scope);
        let empty = From { source: Source::Nothing, items: Vec::new(), width: 0 };
        let locks = FromLocks { locking: &query.locking };
        let From { mut source, items, width } = self.source_clause(&select.from, empty, locks, parent)?;
        let own = Scope { items: &items, parent };
        let mut filter = Vec::new();
        if let Some(e) = &select.filter {
            let condition = Binder::new(self, own).condition(e, "WHERE")?;
            for part in conjuncts(condition) {
                filter.extend(source.push(part));
            }
        }
        let mut aggregates = Aggregates::over(width);
        let mut steps = Vec::new();
        let mut targets = Vec::new();
        let mut columns = Vec::new();
        let mut sets = Vec::new();
        for target in &select.targets {
            if let ExprKind::Wildcard { qualifier } = &target.value.kind {
                self.star(qualifier, &items, &mut targets, &mut columns)?;
                continue;
            }
            let mut binder = Binder::new(self, own);
            binder.aggregates = Some(&mut aggregates);
            binder.steps = Some(&mut steps);
            binder.sets = Some(&mut sets);
            let mut value = binder.compile(&target.value)?;
            if value.ty == Type::Unknown {
                value = coerce(value, &Type::Text)?;
            }
            columns.push(ResultColumn { name: target_name(target), ty: value.ty.clone() });
            targets.push(value);
        }
        let keys = self.group_keys(select, own, &targets, &columns)?;
        let having = match &select.having {
            Some(e) => {
                let mut binder = Binder::new(self, own);
                binder.aggregates = Some(&mut aggregates);
                Some(binder.condition(e, "HAVING")?)
            }
            None => None,
        };
        let order_by = self.order_by(query, select, own, &targets, &columns, &mut aggregates)?;
        let grouped = !keys.is_empty() || !aggregates.calls.is_empty() || having.is_some();
        let (is_distinct, distinct) = self.distinct(select, own)?;
        let locking = row_locking(query, &items, grouped || is_distinct || distinct.is_some())?;
        let stops = !locking.is_empty() || !steps.is_empty();
        if !sets.is_empty() && (stops || distinct.is_some()) {
            return Err(not_modelled("functions that return sets beside row locks or DISTINCT ON"));
        }
        self.finish_scans(&mut source)?;
        let grouping = grouped.then_some(Grouping { keys, aggregates: aggregates.calls, having });
        let mut plan = SelectPlan {
            source,
            width,
            filter,
            grouping,
            targets,
            columns,
            steps,
            sets,
            distinct,
            is_distinct,
            order_by,
            limit: self.count(query.limit.as_ref(), scope)?,
            offset: self.count(query.offset.as_ref(), scope)?,
            locking,
        };
        if plan.grouping.is_none() {
            plan.prefer_ordered_index();
        }
        Ok(plan)
    }

    /// `*` and `t.*`.
    pub(super) fn star(
        &mut self,
        qualifier: &[ast::Ident],
        items: &[crate::expr::ScopeItem],
        targets: &mut Vec<Typed>,
        columns: &mut Vec<ResultColumn>,
    ) -> Result<()> {
        let wanted = qualifier.last();
        let mut any = false;
        for item in items.iter().filter(|i| wanted.is_none_or(|w| *i.alias == *w.text)) {
            any = true;
            for (column, value) in item_columns(item) {
                columns.push(column);
                targets.push(value);
            }
        }
        match (any, wanted) {
            (true, _) => Ok(()),
            (false, Some(name)) => {
                Err(error("42P01", format!("missing FROM-clause entry for table \"{}\"", name.text)))
            }
            (false, None) => Err(error("42601", "SELECT * with no tables specified is not valid")),
        }
    }

    fn group_keys(
        &mut self,
        select: &ast::Select,
        scope: Scope<'_>,
        targets: &[Typed],
        columns: &[ResultColumn],
    ) -> Result<Vec<Typed>> {
        let mut keys = Vec::new();
        for grouping in &select.group_by {
            let e = match grouping {
                ast::Grouping::Expr(e) => e,
                ast::Grouping::NotModelled(what) => return Err(not_modelled(what)),
            };
            // A number is a place in the target list; a name is a column first, then an alias.
            if let ExprKind::Literal(Literal::Integer(n)) = &e.kind {
                let at = usize::try_from(*n - 1).ok().filter(|at| *at < targets.len());
                let at =
                    at.ok_or_else(|| error("42P10", format!("GROUP BY position {n} is not in select list")))?;
                keys.push(targets[at].clone());
                continue;
            }
            match Binder::new(self, scope).compile(e) {
                Ok(key) => keys.push(key),
                Err(failure) => match &e.kind {
                    ExprKind::Column { qualifier, name } if qualifier.is_empty() => {
                        let at = columns.iter().position(|c| *c.name == *name.text);
                        keys.push(targets[at.ok_or(failure)?].clone());
                    }
                    _ => return Err(failure),
                },
            }
        }
        Ok(keys)
    }

    fn order_by(
        &mut self,
        query: &ast::Query,
        select: &ast::Select,
        scope: Scope<'_>,
        targets: &[Typed],
        columns: &[ResultColumn],
        aggregates: &mut Aggregates,
    ) -> Result<Vec<SortKey>> {
        let mut keys = Vec::new();
        for key in &query.order_by {
            let value = match sort_target(&key.value, select, columns, targets.len())? {
                Some(at) => SortValue::Target(at),
                None => {
                    let mut binder = Binder::new(self, scope);
                    binder.aggregates = Some(aggregates);
                    SortValue::Expression(binder.compile(&key.value)?)
                }
            };
            let nulls_first = key.nulls_first.unwrap_or(key.descending);
            keys.push(SortKey { value, descending: key.descending, nulls_first });
        }
        Ok(keys)
    }

    fn distinct(&mut self, select: &ast::Select, scope: Scope<'_>) -> Result<(bool, Option<Vec<Typed>>)> {
        Ok(match &select.distinct {
            None => (false, None),
            Some(Distinct::Rows) => (true, None),
            Some(Distinct::On(list)) => {
                let mut binder = Binder::new(self, scope);
                (false, Some(list.iter().map(|e| binder.compile(e)).collect::<Result<_>>()?))
            }
        })
    }
}

/// ORDER BY a number or an alias is by a column of the result (manual, section 7.5), as is an expression
/// that is in the target list.
fn sort_target(
    e: &ast::Expr,
    select: &ast::Select,
    columns: &[ResultColumn],
    width: usize,
) -> Result<Option<usize>> {
    match &e.kind {
        ExprKind::Literal(Literal::Integer(n)) => {
            let at = usize::try_from(*n - 1).ok().filter(|at| *at < width);
            at.map(Some).ok_or_else(|| error("42P10", format!("ORDER BY position {n} is not in select list")))
        }
        ExprKind::Column { qualifier, name } if qualifier.is_empty() => {
            Ok(columns.iter().position(|c| *c.name == *name.text))
        }
        _ => {
            let stars = select.targets.iter().any(|t| matches!(t.value.kind, ExprKind::Wildcard { .. }));
            let found = select.targets.iter().position(|t| same(&t.value, e));
            Ok(found.filter(|_| !stars))
        }
    }
}

fn refuse_locking(query: &ast::Query) -> Result<()> {
    match query.locking.first() {
        None => Ok(()),
        Some(_) => Err(error("0A000", "FOR UPDATE is not allowed with UNION/INTERSECT/EXCEPT")),
    }
}

fn row_locking(
    query: &ast::Query,
    items: &[crate::expr::ScopeItem],
    grouped: bool,
) -> Result<Vec<RowLocking>> {
    let mut found: Vec<RowLocking> = Vec::new();
    for locking in &query.locking {
        let (strength, words) = strength(locking.strength);
        if grouped {
            let message = format!("{words} is not allowed with aggregate functions or DISTINCT or GROUP BY");
            return Err(error("0A000", message));
        }
        let policy = match locking.wait {
            ast::LockWait::Block => WaitPolicy::Block,
            ast::LockWait::NoWait => WaitPolicy::NoWait,
            ast::LockWait::SkipLocked => WaitPolicy::Skip,
        };
        for name in &locking.of {
            if !items.iter().any(|i| *i.alias == *name.name.text) {
                let message =
                    format!("relation \"{}\" in {words} clause not found in FROM clause", name.name.text);
                return Err(error("42P01", message));
            }
        }
        for (at, item) in items.iter().enumerate().filter(|(_, i)| i.relation.is_some()) {
            let named = locking.of.is_empty() || locking.of.iter().any(|n| *item.alias == *n.name.text);
            if !named {
                continue;
            }
            match found.iter_mut().find(|l| l.item == at) {
                Some(known) => known.strength = known.strength.max(strength),
                None => found.push(RowLocking { item: at, strength, policy }),
            }
        }
    }
    Ok(found)
}

const fn strength(strength: ast::RowLockStrength) -> (RowLockStrength, &'static str) {
    match strength {
        ast::RowLockStrength::KeyShare => (RowLockStrength::KeyShare, "FOR KEY SHARE"),
        ast::RowLockStrength::Share => (RowLockStrength::Share, "FOR SHARE"),
        ast::RowLockStrength::NoKeyUpdate => (RowLockStrength::NoKeyUpdate, "FOR NO KEY UPDATE"),
        ast::RowLockStrength::Update => (RowLockStrength::Update, "FOR UPDATE"),
    }
}

/// A result column's name (`FigureColname` in parse_target.c).
pub(super) fn target_name(target: &ast::Target) -> Rc<str> {
    if let Some(alias) = &target.alias {
        return alias.text.as_str().into();
    }
    figure_name(&target.value).unwrap_or_else(|| "?column?".into())
}

fn figure_name(e: &ast::Expr) -> Option<Rc<str>> {
    match &e.kind {
        ExprKind::Column { name, .. } => Some(name.text.as_str().into()),
        ExprKind::Field { field, .. } => Some(field.text.as_str().into()),
        ExprKind::Function(call) => Some(call.name.name.text.as_str().into()),
        ExprKind::Subscript { operand, .. } | ExprKind::Collate { operand, .. } => figure_name(operand),
        ExprKind::Cast { operand, to } => figure_name(operand).or_else(|| Some(to.name.as_str().into())),
        ExprKind::Case { otherwise, .. } => {
            otherwise.as_ref().and_then(|e| figure_name(e)).or_else(|| Some("case".into()))
        }
        ExprKind::Array(_) | ExprKind::ArraySubquery(_) => Some("array".into()),
        ExprKind::Row(_) => Some("row".into()),
        ExprKind::Exists(_) => Some("exists".into()),
        ExprKind::Subquery(query) => match &query.body {
            QueryBody::Select(select) => select.targets.first().map(target_name),
            _ => None,
        },
        ExprKind::Literal(Literal::Bool(_)) => Some("bool".into()),
        ExprKind::AtTimeZone { .. } => Some("timezone".into()),
        _ => None,
    }
}
