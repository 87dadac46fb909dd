//! Queries that lock no rows: computed at once.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::rc::Rc;

use sql_syntax::ast::SetOp;
use transactions::RowLockStrength;

use super::scan::{Frame, SourceRow, holds, rows};
use super::sieve::columns_read;
use super::{Exec, Rows};
use crate::error::{Result, error};
use crate::expr::{Aggregate, AggregateCall, Env, Typed, finish};
use crate::plan::{Grouping, QueryPlan, SelectPlan, SortKey, SortValue, Tail};
use crate::value::{Type, Value, cast};

type Row = Rc<[Value]>;

/// The result of a query.
pub(crate) fn run(ex: &mut Exec<'_, '_>, plan: &QueryPlan, outer: Option<&Env<'_>>) -> Result<Rows> {
    let found = match plan {
        QueryPlan::Select(select) => select_rows(ex, select, outer)?,
        QueryPlan::Values { rows, tail, .. } => {
            let empty = Env { row: &[], outer };
            let mut found = Vec::with_capacity(rows.len());
            for row in rows {
                found.push(row.iter().map(|e| e.eval(ex, &empty)).collect::<Result<Row>>()?);
            }
            finish_tail(ex, found, tail, outer)?
        }
        QueryPlan::Stored { id, .. } => return Ok(ex.stored.get(id).cloned().unwrap_or_default()),
        QueryPlan::Nested { inner, tail } => {
            let found = run(ex, inner, outer)?.to_vec();
            finish_tail(ex, found, tail, outer)?
        }
        QueryPlan::SetOperation { op, all, sides, columns, tail } => {
            let mut inputs = Vec::new();
            for side in sides.iter() {
                let types: Vec<Type> = side.columns().iter().map(|c| c.ty.clone()).collect();
                let side = run(ex, side, outer)?;
                let mut brought = Vec::with_capacity(side.len());
                for row in side.iter() {
                    let values = row.iter().zip(&types).zip(columns);
                    let values = values.map(|((v, from), to)| cast(v.clone(), from, &to.ty));
                    brought.push(values.collect::<Result<Row>>()?);
                }
                inputs.push(brought);
            }
            let right = inputs.pop().unwrap_or_default();
            let left = inputs.pop().unwrap_or_default();
            finish_tail(ex, combined(*op, *all, left, right), tail, outer)?
        }
    };
    Ok(Rc::new(found))
}

fn combined(op: SetOp, all: bool, left: Vec<Row>, right: Vec<Row>) -> Vec<Row> {
    if op == SetOp::Union {
        let mut found = left;
        found.extend(right);
        return if all { found } else { distinct(found) };
    }
    let mut counts: BTreeMap<Row, usize> = BTreeMap::new();
    for row in right {
        *counts.entry(row).or_default() += 1;
    }
    let mut found = Vec::new();
    for row in left {
        let count = counts.get_mut(&row);
        let on_the_right = count.is_some_and(|n| {
            let any = *n > 0;
            if all {
                *n = n.saturating_sub(1);
            }
            any
        });
        if on_the_right == (op == SetOp::Intersect) {
            found.push(row);
        }
    }
    if all { found } else { distinct(found) }
}

/// Each row once, sorted, as a hash or sort would leave no order to rely on.
fn distinct(mut found: Vec<Row>) -> Vec<Row> {
    found.sort();
    found.dedup();
    found
}

fn finish_tail(
    ex: &mut Exec<'_, '_>,
    mut found: Vec<Row>,
    tail: &Tail,
    outer: Option<&Env<'_>>,
) -> Result<Vec<Row>> {
    if !tail.order_by.is_empty() {
        found.sort_by(|a, b| {
            let by = |(at, desc, nulls): &(usize, bool, bool)| order(&a[*at], &b[*at], *desc, *nulls);
            tail.order_by.iter().map(by).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
        });
    }
    let (skip, take) = limits(ex, tail.offset.as_ref(), tail.limit.as_ref(), outer)?;
    Ok(found.into_iter().skip(skip).take(take).collect())
}

/// OFFSET and LIMIT.
pub(super) fn limits(
    ex: &mut Exec<'_, '_>,
    offset: Option<&Typed>,
    limit: Option<&Typed>,
    outer: Option<&Env<'_>>,
) -> Result<(usize, usize)> {
    let mut number = |e: Option<&Typed>, word: &str| -> Result<Option<usize>> {
        let Some(e) = e else { return Ok(None) };
        match e.eval(ex, &Env { row: &[], outer })? {
            Value::Int(n) if n < 0 => {
                let code = if word == "LIMIT" { "2201W" } else { "2201X" };
                Err(error(code, format!("{word} must not be negative")))
            }
            Value::Int(n) => Ok(Some(usize::try_from(n).unwrap_or(usize::MAX))),
            _ => Ok(None),
        }
    };
    Ok((number(offset, "OFFSET")?.unwrap_or(0), number(limit, "LIMIT")?.unwrap_or(usize::MAX)))
}

fn order(a: &Value, b: &Value, descending: bool, nulls_first: bool) -> Ordering {
    match (a.is_null(), b.is_null()) {
        (true, true) => Ordering::Equal,
        (true, false) => {
            if nulls_first {
                Ordering::Less
            } else {
                Ordering::Greater
            }
        }
        (false, true) => {
            if nulls_first {
                Ordering::Greater
            } else {
                Ordering::Less
            }
        }
        (false, false) if descending => b.compare(a),
        (false, false) => a.compare(b),
    }
}

/// How many rows of FROM are wanted.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    /// So many, if they come in the order that is asked for.
    pub(super) enough: Option<usize>,
    /// So many leading columns of a table that stands alone.
    pub(super) needed: usize,
    /// So many of a virtual table, in whatever order.
    pub(super) most: Option<usize>,
    /// None that others hold a lock on that conflicts with this.
    pub(super) passes: Option<RowLockStrength>,
}

/// The rows of FROM that satisfy WHERE, with their place among the results: sorted, if they need no grouping.
pub(super) fn candidates(
    ex: &mut Exec<'_, '_>,
    select: &SelectPlan,
    outer: Option<&Env<'_>>,
    wanted: Wanted,
) -> Result<Vec<SourceRow>> {
    let Wanted { enough, needed, most, passes } = wanted;
    let ordered = select.ordered_scan();
    let hint = ordered.and_then(|descending| enough.map(|n| (n, descending)));
    let filter = &select.filter;
    let frame = Frame { width: select.width, outer, enough: hint, needed, filter, most, passes };
    let found_there = rows(ex, &select.source, frame)?;
    if select.filter.is_empty() {
        return Ok(found_there);
    }
    let mut found = Vec::new();
    for row in found_there {
        // What is in the rows of a virtual table is not known.
        let is_known = row.origins.iter().all(|o| ex.virtual_table(o.relation).is_none());
        if !is_known || holds(ex, &select.filter, &Env { row: &row.values, outer })? {
            found.push(row);
        }
    }
    Ok(found)
}

fn select_rows(ex: &mut Exec<'_, '_>, select: &SelectPlan, outer: Option<&Env<'_>>) -> Result<Vec<Row>> {
    let (skip, take) = limits(ex, select.offset.as_ref(), select.limit.as_ref(), outer)?;
    let plain = select.grouping.is_none()
        && select.sets.is_empty()
        && !select.is_distinct
        && select.distinct.is_none();
    let enough = (plain && take != usize::MAX).then(|| skip.saturating_add(take));
    let most = (take != usize::MAX).then(|| skip.saturating_add(take)).filter(|_| plain);
    let grouped: Vec<Row> = match (&select.grouping, count_alone(ex, select)) {
        (_, Some(counts)) => vec![counts],
        (grouping, None) => {
            let seen = ex.unseen;
            let wanted = Wanted { enough, needed: columns_read(select), most, passes: None };
            let found = candidates(ex, select, outer, wanted)?;
            let unseen = usize::try_from(ex.unseen - seen).unwrap_or(usize::MAX);
            match grouping {
                None => found.into_iter().map(|r| r.values).collect(),
                Some(grouping) => group(ex, select, grouping, (found, unseen), outer)?,
            }
        }
    };
    let mut keyed: Vec<(Vec<Value>, Row)> = Vec::with_capacity(grouped.len());
    let sorts = !select.order_by.is_empty();
    let early = plain && sorts;
    for row in grouped {
        let env = Env { row: &row, outer };
        // Rows that the limit cuts off need no targets, only their sort keys.
        if !select.sets.is_empty() {
            for values in sets(ex, &select.sets, &env)? {
                ex.step_results = values;
                keyed.push((sort_keys(ex, select, &env)?, project(ex, select, &env)?));
            }
            continue;
        }
        let keys = sort_keys(ex, select, &env)?;
        let row = if early { row } else { project(ex, select, &env)? };
        keyed.push((keys, row));
    }
    if let Some(on) = &select.distinct {
        keyed = distinct_on(keyed, on.len());
    }
    if select.is_distinct {
        keyed.sort_by(|a, b| a.1.cmp(&b.1));
        keyed.dedup_by(|a, b| a.1 == b.1);
    }
    sort(&mut keyed, &select.order_by, select.distinct.as_ref().map_or(0, Vec::len));
    let cut = keyed.into_iter().skip(skip).take(take).map(|(_, row)| row);
    if !early {
        return Ok(cut.collect());
    }
    cut.map(|row| project(ex, select, &Env { row: &row, outer })).collect()
}

/// The values of functions that return sets, a row at a time, as many as the longest set has; those that have
/// ended are NULL (`ExecProjectSRF` in nodeProjectSet.c).
fn sets(ex: &mut Exec<'_, '_>, sets: &[Typed], env: &Env<'_>) -> Result<Vec<Vec<Value>>> {
    let mut columns = Vec::with_capacity(sets.len());
    for set in sets {
        columns.push(match set.eval(ex, env)? {
            Value::Array(values) => values.to_vec(),
            _ => Vec::new(),
        });
    }
    let longest = columns.iter().map(Vec::len).max().unwrap_or(0);
    let row = |n: usize| columns.iter().map(|c| c.get(n).cloned().unwrap_or_default()).collect();
    Ok((0..longest).map(row).collect())
}

/// The one row of a query that only counts its table's rows: they need not be put together for it.
fn count_alone(ex: &mut Exec<'_, '_>, select: &SelectPlan) -> Option<Row> {
    // Who is watched has to be seen reading.
    if super::serializable::is_watched(ex) {
        return None;
    }
    let grouping = select.grouping.as_ref()?;
    let counts = |call: &AggregateCall| call.function == Aggregate::CountRows && call.filter.is_none();
    let is_plain = grouping.keys.is_empty() && grouping.having.is_none() && select.filter.is_empty();
    if !is_plain || !select.sets.is_empty() || !grouping.aggregates.iter().all(counts) {
        return None;
    }
    let count = i64::try_from(super::scan::counted(ex, &select.source)?).ok()?;
    let mut values = vec![Value::Null; select.width];
    values.resize(select.width + grouping.aggregates.len(), Value::Int(count));
    Some(values.into())
}

/// The values that a row is sorted by: first those of DISTINCT ON.
pub(super) fn sort_keys(ex: &mut Exec<'_, '_>, select: &SelectPlan, env: &Env<'_>) -> Result<Vec<Value>> {
    let mut keys = Vec::with_capacity(select.order_by.len());
    for e in select.distinct.iter().flatten() {
        keys.push(e.eval(ex, env)?);
    }
    for key in &select.order_by {
        keys.push(match &key.value {
            SortValue::Target(at) => select.targets[*at].eval(ex, env)?,
            SortValue::Expression(e) => e.eval(ex, env)?,
        });
    }
    Ok(keys)
}

/// Sorts by the keys after the first `skip` ones; rows with equal keys stay as they are.
pub(super) fn sort<T>(rows: &mut [(Vec<Value>, T)], by: &[SortKey], skip: usize) {
    if by.is_empty() {
        return;
    }
    rows.sort_by(|(a, _), (b, _)| {
        let keys = a[skip..].iter().zip(&b[skip..]).zip(by);
        let mut orders = keys.map(|((a, b), key)| order(a, b, key.descending, key.nulls_first));
        orders.find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
    });
}

fn distinct_on(rows: Vec<(Vec<Value>, Row)>, width: usize) -> Vec<(Vec<Value>, Row)> {
    let mut seen: BTreeMap<Vec<Value>, ()> = BTreeMap::new();
    rows.into_iter().filter(|(keys, _)| seen.insert(keys[..width].to_vec(), ()).is_none()).collect()
}

/// The target list for a row.
pub(super) fn project(ex: &mut Exec<'_, '_>, select: &SelectPlan, env: &Env<'_>) -> Result<Row> {
    select.targets.iter().map(|t| t.eval(ex, env)).collect()
}

/// One row for each group: a row of the group, followed by the aggregates.
fn group(
    ex: &mut Exec<'_, '_>,
    select: &SelectPlan,
    grouping: &Grouping,
    (found, unseen): (Vec<SourceRow>, usize),
    outer: Option<&Env<'_>>,
) -> Result<Vec<Row>> {
    let unseen = if grouping.keys.is_empty() { unseen } else { 0 };
    let mut groups: BTreeMap<Vec<Value>, Vec<Row>> = BTreeMap::new();
    for row in found {
        let env = Env { row: &row.values, outer };
        let key = grouping.keys.iter().map(|k| k.eval(ex, &env)).collect::<Result<Vec<_>>>()?;
        groups.entry(key).or_default().push(row.values);
    }
    if grouping.keys.is_empty() && groups.is_empty() {
        groups.insert(Vec::new(), Vec::new());
    }
    let mut results = Vec::new();
    for members in groups.into_values() {
        let mut values = match members.first() {
            Some(first) => first.to_vec(),
            None => vec![Value::Null; select.width],
        };
        values.resize(select.width, Value::Null);
        for call in &grouping.aggregates {
            values.push(aggregate(ex, call, (&members, unseen), outer)?);
        }
        let row: Row = values.into();
        let env = Env { row: &row, outer };
        let keep = grouping.having.as_ref().map_or(Ok(true), |h| h.holds(ex, &env))?;
        if keep {
            results.push(row);
        }
    }
    Ok(results)
}

fn aggregate(
    ex: &mut Exec<'_, '_>,
    call: &AggregateCall,
    (members, unseen): (&[Row], usize),
    outer: Option<&Env<'_>>,
) -> Result<Value> {
    let mut kept: Vec<(Vec<(Value, bool, bool)>, Value, Value)> = Vec::new();
    let mut count = unseen;
    for row in members {
        let env = Env { row, outer };
        if !call.filter.as_ref().map_or(Ok(true), |f| f.holds(ex, &env))? {
            continue;
        }
        count += 1;
        let value = call.argument.as_ref().map_or(Ok(Value::Null), |a| a.eval(ex, &env))?;
        let separator = call.separator.as_ref().map_or(Ok(Value::Null), |s| s.eval(ex, &env))?;
        let keys = call
            .order_by
            .iter()
            .map(|(e, desc, nulls)| Ok((e.eval(ex, &env)?, *desc, *nulls)))
            .collect::<Result<Vec<_>>>()?;
        kept.push((keys, value, separator));
    }
    if !call.order_by.is_empty() {
        kept.sort_by(|(a, ..), (b, ..)| {
            let mut orders = a.iter().zip(b).map(|((a, desc, nulls), (b, ..))| order(a, b, *desc, *nulls));
            orders.find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
        });
    }
    if call.distinct {
        kept.sort_by(|a, b| a.1.cmp(&b.1));
        kept.dedup_by(|a, b| a.1 == b.1);
    }
    let (values, separators): (Vec<Value>, Vec<Value>) = kept.into_iter().map(|(_, v, s)| (v, s)).unzip();
    let argument = call.argument.as_ref().map_or(Type::Int8, |a| a.ty.clone());
    finish(call.function, count, values, &separators, &argument, &call.ty)
}
