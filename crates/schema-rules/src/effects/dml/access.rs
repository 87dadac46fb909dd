//! How a table is read: by an index or from end to end.
//!
//! The planner weighs costs; this looks at the text only, and says so. A table is taken to be found by an index if a
//! condition compares the first key of one with a constant, if it is joined by such a key with a table that is found
//! by an index itself, or if an index gives the order of a LIMIT. Everything else is a sequential scan.

use lock_table::LockMode;
use sql_syntax::ast::{BinaryOp, Expr, ExprKind, FromItem, JoinCondition, Query, Select};

use crate::catalog::{BoundValue, Catalog, IndexKeyValue, PartitionBound, Relation, RelationId};
use crate::effects::condition::Affected;
use crate::effects::run::Run;
use crate::expression::{bare_column, compare_constants, conjuncts};

/// A table that a statement reads.
pub(super) struct Source<'q> {
    pub(super) relation: RelationId,
    alias: String,
    pub(super) mode: LockMode,
    only: bool,
    /// What its rows are compared with: conjuncts of WHERE and of join conditions.
    pub(super) conditions: Vec<&'q Expr>,
    pub(super) shape: Option<Shape<'q>>,
    /// Few rows of it are needed, for a reason that the conditions do not show.
    pub(super) restricted: bool,
    /// The statement's target: what becomes of it is noted elsewhere.
    pub(super) written: bool,
    /// Which of its rows the query returns, if it is the only table.
    pub(super) affected: Affected<'q>,
}

/// What a query wants of its rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape<'q> {
    /// The column whose order gives the rows that are wanted: ORDER BY with LIMIT, a lone `min` or `max`.
    ordered_by: Option<&'q str>,
    /// A LIMIT without anything that has to see all rows first.
    stops_early: bool,
    /// FROM has other members than tables: VALUES, functions, subqueries. They are taken to be small.
    joins_small: bool,
}

impl<'q> Shape<'q> {
    pub(super) fn of(query: &'q Query, select: &'q Select) -> Self {
        let aggregates = select.targets.iter().any(|t| is_aggregate(&t.value)) || !select.group_by.is_empty();
        let sorts = !query.order_by.is_empty();
        let joins_small = select.from.iter().any(has_small);
        let ordered_by = match (query.order_by.as_slice(), select.targets.as_slice()) {
            ([one, ..], _) if query.limit.is_some() && !aggregates => bare_column(&one.value),
            ([], [target]) if select.filter.is_none() && select.group_by.is_empty() => extreme(&target.value),
            _ => None,
        };
        Self { ordered_by, stops_early: query.limit.is_some() && !aggregates && !sorts, joins_small }
    }
}

/// The column of `min(column)` or `max(column)`.
fn extreme(expr: &Expr) -> Option<&str> {
    match &expr.kind {
        ExprKind::Function(call) if matches!(call.name.name.as_str(), "min" | "max") => {
            bare_column(&call.args.first()?.value)
        }
        _ => None,
    }
}

fn has_small(item: &FromItem) -> bool {
    match item {
        FromItem::Table { .. } => false,
        FromItem::Join { left, right, .. } => has_small(left) || has_small(right),
        _ => true,
    }
}

pub(super) fn is_aggregate(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Function(call) => {
            matches!(
                call.name.name.as_str(),
                "count"
                    | "sum"
                    | "avg"
                    | "min"
                    | "max"
                    | "array_agg"
                    | "string_agg"
                    | "bool_and"
                    | "bool_or"
                    | "every"
            ) && call.over.is_none()
        }
        _ => crate::expression::children(expr).into_iter().any(is_aggregate),
    }
}

impl<'q> Source<'q> {
    pub(super) fn new(relation: RelationId, alias: String, mode: LockMode, only: bool) -> Self {
        Self {
            relation,
            alias,
            mode,
            only,
            conditions: Vec::new(),
            shape: None,
            restricted: false,
            written: false,
            affected: Affected::Some,
        }
    }

    /// The result of a common table expression that may be large.
    pub(super) fn large(alias: &str) -> Self {
        Self::new(RelationId(0), alias.to_owned(), LockMode::AccessShare, true)
    }

    /// Whether the statement calls it so.
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.alias == name
    }

    /// Whether it is no table but the result of a query.
    pub(super) fn is_result(&self) -> bool {
        self.relation == RelationId(0)
    }

    /// Whether anything says that not all of its rows are wanted.
    pub(super) fn is_restricted(&self) -> bool {
        let stops = self.shape.is_some_and(|s| s.stops_early || s.ordered_by.is_some());
        self.restricted || stops || !self.conditions.is_empty()
    }

    /// Takes over the conditions of a query.
    pub(super) fn filter(&mut self, filter: Option<&'q Expr>, from: &'q [FromItem]) {
        self.conditions.extend(filter.into_iter().flat_map(conjuncts));
        for item in from {
            self.join_conditions(item);
        }
    }

    fn join_conditions(&mut self, item: &'q FromItem) {
        if let FromItem::Join { left, right, condition, .. } = item {
            self.join_conditions(left);
            self.join_conditions(right);
            if let JoinCondition::On(on) = condition {
                self.conditions.extend(conjuncts(on));
            }
        }
    }

    fn owns(&self, expr: &Expr, relation: &Relation) -> bool {
        match &expr.kind {
            ExprKind::Column { qualifier, name } => match qualifier.last() {
                Some(alias) => alias.text == self.alias,
                None => relation.column(&name.text).is_some(),
            },
            _ => false,
        }
    }
}

/// For every source, whether it is read from end to end.
pub(super) fn ways(catalog: &Catalog, sources: &[Source<'_>]) -> Vec<bool> {
    let mut found: Vec<bool> = sources.iter().map(|s| is_found(catalog, s)).collect();
    // A join with a table that is found by an index, or with something small, looks its own rows up one by one.
    loop {
        let mut changed = false;
        for at in 0..sources.len() {
            if !found[at] && joins_found(catalog, sources, &found, at) {
                found[at] = true;
                changed = true;
            }
        }
        if !changed {
            return found.into_iter().map(|f| !f).collect();
        }
    }
}

fn is_found(catalog: &Catalog, source: &Source<'_>) -> bool {
    if source.restricted {
        return true;
    }
    let Some(relation) = catalog.relation(source.relation) else { return false };
    if source.shape.is_some_and(|s| s.stops_early) {
        return true;
    }
    let ordered = source.shape.and_then(|s| s.ordered_by);
    if ordered.is_some_and(|column| leads_an_index(catalog, relation, column)) {
        return true;
    }
    source.conditions.iter().any(|c| {
        let Some(column) = compared_column(source, relation, c) else { return false };
        leads_an_index(catalog, relation, column)
    })
}

/// The column that a condition compares with a constant, in a way that an index can serve: equality, a list, a range
/// that is closed on both sides.
fn compared_column<'e>(source: &Source<'_>, relation: &Relation, condition: &'e Expr) -> Option<&'e str> {
    match &condition.kind {
        ExprKind::Binary { left, op: BinaryOp::Eq, right } => {
            let (a, b) = (source.owns(left, relation), source.owns(right, relation));
            match (a, b) {
                (true, false) if is_constant(right) => bare_column(left),
                (false, true) if is_constant(left) => bare_column(right),
                _ => None,
            }
        }
        ExprKind::InList { operand, list, negated: false } if list.iter().all(is_constant) => {
            source.owns(operand, relation).then(|| bare_column(operand)).flatten()
        }
        ExprKind::Between { operand, low, high, negated: false, .. }
            if is_constant(low) && is_constant(high) =>
        {
            source.owns(operand, relation).then(|| bare_column(operand)).flatten()
        }
        ExprKind::Quantified { left, op: BinaryOp::Eq, all: false, right } if is_constant(right) => {
            source.owns(left, relation).then(|| bare_column(left)).flatten()
        }
        _ => None,
    }
}

fn is_constant(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Column { .. } => false,
        ExprKind::Subquery(_) => true,
        _ => crate::expression::children(expr).into_iter().all(is_constant),
    }
}

/// Whether the column is the first key of a valid index without a predicate.
pub(super) fn leads_an_index(catalog: &Catalog, relation: &Relation, column: &str) -> bool {
    let Some(number) = relation.column(column).map(|c| c.number) else { return false };
    catalog.indexes_of(relation.id).any(|index| {
        index.as_index().is_some_and(|i| {
            i.valid
                && i.predicate.is_none()
                && matches!(&*i.method, "btree" | "hash")
                && i.keys.first().is_some_and(|k| matches!(k.value, IndexKeyValue::Column(n) if n == number))
        })
    })
}

fn joins_found(catalog: &Catalog, sources: &[Source<'_>], found: &[bool], at: usize) -> bool {
    let source = &sources[at];
    let Some(relation) = catalog.relation(source.relation) else { return false };
    source.conditions.iter().any(|condition| {
        if let ExprKind::InSubquery { operand, query, negated: false } = &condition.kind {
            // A semijoin with few rows looks them up.
            let column = source.owns(operand, relation).then(|| bare_column(operand)).flatten();
            return column.is_some_and(|c| leads_an_index(catalog, relation, c))
                && finds_few(query, sources, found);
        }
        let ExprKind::Binary { left, op: BinaryOp::Eq, right } = &condition.kind else { return false };
        let (own, other) = match (source.owns(left, relation), source.owns(right, relation)) {
            (true, false) => (left, right),
            (false, true) => (right, left),
            _ => return false,
        };
        let Some(column) = bare_column(own) else { return false };
        if !leads_an_index(catalog, relation, column) {
            return false;
        }
        let owned_by = |s: &Source<'_>| match &other.kind {
            ExprKind::Column { qualifier, .. } if s.is_result() => {
                qualifier.last().is_none_or(|q| q.text == s.alias)
            }
            _ => catalog.relation(s.relation).is_some_and(|r| s.owns(other, r)),
        };
        let partner = sources.iter().enumerate().find(|(i, s)| *i != at && owned_by(s));
        match partner {
            Some((i, _)) => found[i],
            None => source.shape.is_none_or(|s| s.joins_small),
        }
    })
}

/// Whether a subquery stops early, or finds its rows by an index.
fn finds_few(query: &Query, sources: &[Source<'_>], found: &[bool]) -> bool {
    let sql_syntax::ast::QueryBody::Select(select) = &query.body else { return false };
    let by_index = |item: &FromItem| match item {
        FromItem::Table { table, alias, .. } => {
            let called = alias.as_ref().map_or(&table.name.name.text, |a| &a.name.text);
            sources.iter().zip(found).any(|(s, found)| *found && s.is_called(called))
        }
        _ => false,
    };
    query.limit.is_some() || !select.from.is_empty() && select.from.iter().all(by_index)
}

/// Whether a view's query leaves rows of its tables out.
pub(super) fn restricts(query: &Query) -> bool {
    match &query.body {
        sql_syntax::ast::QueryBody::Select(select) => query.limit.is_some() || select.filter.is_some(),
        _ => query.limit.is_some(),
    }
}

impl Run<'_> {
    /// The table with the partitions that the conditions do not rule out, in the order in which they are locked.
    pub(super) fn live_partitions(&self, source: &Source<'_>) -> Vec<RelationId> {
        if source.only {
            return vec![source.relation];
        }
        let mut live = vec![source.relation];
        self.add_live(source, source.relation, &mut live);
        live
    }

    fn add_live(&self, source: &Source<'_>, parent: RelationId, live: &mut Vec<RelationId>) {
        let relation = self.relation(parent);
        let children = if relation.partition_key().is_some() {
            self.partitions_in_bound_order(parent)
        } else {
            self.catalog.children_of(parent).map(|c| c.id).collect()
        };
        for child in children {
            if self.ruled_out(source, &relation, child) {
                continue;
            }
            live.push(child);
            self.add_live(source, child, live);
        }
    }

    /// Whether some condition contradicts the bound of a partition.
    fn ruled_out(&self, source: &Source<'_>, parent: &Relation, child: RelationId) -> bool {
        let Some(key) = parent.partition_key() else { return false };
        let Some(IndexKeyValue::Column(number)) = key.keys.first() else { return false };
        let Some(column) = parent.column_at(*number) else { return false };
        let child = self.relation(child);
        let Some(bound) = child.partition_bound.as_deref() else { return false };
        source.conditions.iter().any(|condition| match comparisons(condition, &column.name).as_slice() {
            [] => false,
            list => match bound {
                PartitionBound::Default => list
                    .iter()
                    .any(|(op, value)| *op == BinaryOp::Eq && self.other_takes(parent, child.id, value)),
                bound => list.iter().any(|(op, value)| contradicts(bound, op, value)),
            },
        })
    }

    fn other_takes(&self, parent: &Relation, default: RelationId, value: &Expr) -> bool {
        self.catalog
            .children_of(parent.id)
            .filter(|c| c.id != default)
            .any(|c| c.partition_bound.as_deref().is_some_and(|b| takes(b, value)))
    }
}

/// The comparisons of the column with constants that a condition makes.
fn comparisons<'e>(condition: &'e Expr, column: &str) -> Vec<(BinaryOp, &'e Expr)> {
    match &condition.kind {
        ExprKind::Binary { left, op, right } if bare_column(left) == Some(column) && is_constant(right) => {
            vec![(op.clone(), right)]
        }
        ExprKind::Between { operand, low, high, negated: false, .. }
            if bare_column(operand) == Some(column) =>
        {
            vec![(BinaryOp::Ge, low), (BinaryOp::Le, high)]
        }
        _ => Vec::new(),
    }
}

/// Whether a value lies within a bound. A bound of several columns is judged by the first.
pub(super) fn takes(bound: &PartitionBound, value: &Expr) -> bool {
    match bound {
        PartitionBound::Range { from, to } => {
            let above = match from.first() {
                Some(BoundValue::Value(low)) => compare_constants(value, low).is_some_and(|o| o.is_ge()),
                Some(BoundValue::Min) => true,
                _ => false,
            };
            let below = match to.first() {
                Some(BoundValue::Value(high)) => compare_constants(value, high).is_some_and(|o| o.is_lt()),
                Some(BoundValue::Max) => true,
                _ => false,
            };
            above && below
        }
        PartitionBound::List(values) => values.iter().any(|v| {
            crate::expression::same(v, value) || compare_constants(v, value).is_some_and(|o| o.is_eq())
        }),
        PartitionBound::Hash { .. } | PartitionBound::Default => false,
    }
}

fn contradicts(bound: &PartitionBound, op: &BinaryOp, value: &Expr) -> bool {
    let PartitionBound::Range { from, to } = bound else {
        return matches!(bound, PartitionBound::List(_)) && *op == BinaryOp::Eq && !takes(bound, value);
    };
    let low = match from.first() {
        Some(BoundValue::Value(low)) => compare_constants(value, low),
        _ => None,
    };
    let high = match to.first() {
        Some(BoundValue::Value(high)) => compare_constants(value, high),
        _ => None,
    };
    let below_low = low.is_some_and(|o| o.is_lt());
    let at_low = low.is_some_and(|o| o.is_eq());
    let above_high = high.is_some_and(|o| o.is_ge());
    match op {
        BinaryOp::Eq => below_low || above_high,
        BinaryOp::Lt => below_low || at_low,
        BinaryOp::Le => below_low,
        BinaryOp::Ge | BinaryOp::Gt => above_high,
        _ => false,
    }
}
