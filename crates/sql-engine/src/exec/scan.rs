//! Rows of the sources of FROM, as the statement's snapshot shows them.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::Rc;

use lock_table::{RelationId, RowKey};
use smallvec::SmallVec;
use sql_syntax::ast::JoinKind;
use transactions::RowLockStrength;

use super::selection::Selection;
use super::sieve::Sieve;
use super::{Exec, join, serializable, unique};
use crate::error::{Result, error};
use crate::expr::{Arithmetic, Comparison, Env, Typed};
use crate::plan::{Access, JoinSource, Source, TableIndex, TableScan};
use crate::state::Tuple;
use crate::value::Value;
use crate::virtual_table::VirtualTable;

/// Where a part of a joined row comes from.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub(super) item: usize,
    pub(super) relation: RelationId,
    pub(super) key: RowKey,
}

/// A row of FROM.
#[derive(Clone, Debug)]
pub(super) struct SourceRow {
    pub(super) values: Rc<[Value]>,
    pub(super) origins: SmallVec<[Origin; 1]>,
}

/// How many values a FROM has, and what surrounds it.
#[derive(Clone, Copy)]
pub(super) struct Frame<'e> {
    pub(super) width: usize,
    pub(super) outer: Option<&'e Env<'e>>,
    /// That many rows are enough, if they come in the order of the index.
    pub(super) enough: Option<(usize, bool)>,
    /// Of a table that stands alone, that many leading columns are enough.
    pub(super) needed: usize,
    /// The conditions that are looked at afterwards: of a virtual table's rows they may name the keys.
    pub(super) filter: &'e [Typed],
    /// That many rows of a virtual table are enough.
    pub(super) most: Option<usize>,
    /// Rows on which others hold conflicting locks are passed over (SKIP LOCKED).
    pub(super) passes: Option<RowLockStrength>,
}

impl Frame<'_> {
    pub(super) fn env<'r>(&'r self, row: &'r [Value]) -> Env<'r> {
        Env { row, outer: self.outer }
    }
}

/// All rows of a source.
pub(super) fn rows(ex: &mut Exec<'_, '_>, source: &Source, frame: Frame<'_>) -> Result<Vec<SourceRow>> {
    match source {
        Source::Nothing => {
            let values: Rc<[Value]> = vec![Value::Null; frame.width].into();
            Ok(vec![SourceRow { values, origins: SmallVec::new() }])
        }
        Source::Table(scan) => table_rows(ex, scan, frame),
        Source::Sub { plan, offset, filter } => {
            let found = ex.subquery(plan, &frame.env(&[]))?;
            plain_rows(ex, found.iter().map(|r| r.to_vec()), *offset, filter, frame)
        }
        Source::Stored { id, offset, filter, .. } => {
            let found = ex.stored.get(id).cloned().unwrap_or_default();
            plain_rows(ex, found.iter().map(|r| r.to_vec()), *offset, filter, frame)
        }
        Source::Series { args, offset, ordinality, filter } => {
            let args: Vec<Value> = args.iter().map(|a| a.eval(ex, &frame.env(&[]))).collect::<Result<_>>()?;
            let values = series(&args)?;
            plain_rows(ex, numbered(values, *ordinality), *offset, filter, frame)
        }
        Source::Unnest { array, offset, ordinality, filter } => {
            let values = match array.eval(ex, &frame.env(&[]))? {
                Value::Array(items) => items.to_vec(),
                _ => Vec::new(),
            };
            plain_rows(ex, numbered(values, *ordinality), *offset, filter, frame)
        }
        Source::Value { value, offset, filter } => {
            let value = value.eval(ex, &frame.env(&[]))?;
            plain_rows(ex, [vec![value]].into_iter(), *offset, filter, frame)
        }
        Source::Join(join) => join_rows(ex, join, frame),
    }
}

fn numbered(values: Vec<Value>, ordinality: bool) -> impl Iterator<Item = Vec<Value>> {
    values
        .into_iter()
        .enumerate()
        .map(move |(n, value)| if ordinality { vec![value, Value::Int(n as i64 + 1)] } else { vec![value] })
}

fn plain_rows(
    ex: &mut Exec<'_, '_>,
    found: impl Iterator<Item = Vec<Value>>,
    offset: usize,
    filter: &[Typed],
    frame: Frame<'_>,
) -> Result<Vec<SourceRow>> {
    let mut rows = Vec::new();
    for part in found {
        let values = placed(&part, offset, frame.width);
        if holds(ex, filter, &frame.env(&values))? {
            rows.push(SourceRow { values: values.into(), origins: SmallVec::new() });
        }
    }
    Ok(rows)
}

/// A part of a row at its place in the whole.
pub(super) fn placed(part: &[Value], offset: usize, width: usize) -> Vec<Value> {
    let mut values = vec![Value::Null; width.max(offset + part.len())];
    values[offset..offset + part.len()].clone_from_slice(part);
    values
}

/// Whether all the conditions hold.
pub(super) fn holds(ex: &mut Exec<'_, '_>, conditions: &[Typed], env: &Env<'_>) -> Result<bool> {
    for condition in conditions {
        if !condition.holds(ex, env)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A table's values with those that the row is too old to have.
pub(super) fn widened(ex: &Exec<'_, '_>, relation: RelationId, tuple: &Tuple, width: usize) -> Rc<[Value]> {
    let values = tuple.values.clone().unwrap_or_default();
    if values.len() >= width {
        return values;
    }
    let state = ex.shared.get();
    let missing = state.tables.get(&relation).map_or(&[][..], |t| &t.missing);
    (0..width).map(|at| values.get(at).or_else(|| missing.get(at)).cloned().unwrap_or_default()).collect()
}

/// A row of a table below the scanned one, in the scanned one's columns.
pub(crate) fn mapped(values: &[Value], map: &[Option<usize>]) -> Vec<Value> {
    map.iter().map(|at| at.and_then(|at| values.get(at)).cloned().unwrap_or_default()).collect()
}

/// The values that a scan makes of a row's version.
pub(super) fn scanned(
    ex: &Exec<'_, '_>,
    scan: &TableScan,
    relation: RelationId,
    tuple: &Tuple,
    needed: usize,
) -> Rc<[Value]> {
    match scan.parts.iter().find(|(part, _)| *part == relation) {
        Some((_, map)) => {
            let width = map.iter().flatten().max().map_or(0, |at| at + 1);
            mapped(&widened(ex, relation, tuple, width), map).into()
        }
        None => widened(ex, relation, tuple, scan.width.min(needed)),
    }
}

fn table_rows(ex: &mut Exec<'_, '_>, scan: &TableScan, frame: Frame<'_>) -> Result<Vec<SourceRow>> {
    let mut rows = Vec::new();
    if scan.has_heap {
        match ex.virtual_table(scan.relation) {
            Some(table) => virtual_rows(ex, scan, scan.relation, &table, frame, &mut rows)?,
            None => own_rows(ex, scan, frame, &mut rows)?,
        }
    }
    for (part, _) in &scan.parts {
        if let Some(table) = ex.virtual_table(*part) {
            virtual_rows(ex, scan, *part, &table, frame, &mut rows)?;
            continue;
        }
        serializable::reads(ex, *part, None)?;
        let found = ex.cx.scan(*part);
        in_place_order(found, |key, tuple| add_row(ex, scan, *part, key, &tuple, frame, &mut rows))?;
    }
    Ok(rows)
}

/// Rows of a virtual table: as many as are wanted. Conditions are taken to hold, as far as they are not known.
fn virtual_rows(
    ex: &mut Exec<'_, '_>,
    scan: &TableScan,
    relation: RelationId,
    table: &VirtualTable,
    frame: Frame<'_>,
    rows: &mut Vec<SourceRow>,
) -> Result<()> {
    let selection = Selection::of_scan(ex, scan, relation, table, frame)?;
    for key in selection.shown(ex, relation, frame) {
        let values = placed(&known_of(scan, relation, table, key), scan.offset, frame.width);
        let origin = Origin { item: scan.item, relation, key };
        rows.push(SourceRow { values: values.into(), origins: SmallVec::from_elem(origin, 1) });
    }
    Ok(())
}

/// What is known of a virtual row, in the scan's columns.
pub(super) fn known_of(
    scan: &TableScan,
    relation: RelationId,
    table: &VirtualTable,
    key: RowKey,
) -> Vec<Value> {
    match scan.parts.iter().find(|(part, _)| *part == relation) {
        Some((_, map)) => {
            let width = map.iter().flatten().max().map_or(0, |at| at + 1);
            mapped(&table.values(key, width), map)
        }
        None => table.values(key, scan.width),
    }
}

/// A row's values: of a virtual one those that are known.
pub(super) fn contents(
    ex: &Exec<'_, '_>,
    relation: RelationId,
    key: RowKey,
    tuple: &Tuple,
    width: usize,
) -> Rc<[Value]> {
    match ex.virtual_table(relation) {
        Some(table) => table.values(key, width).into(),
        None => widened(ex, relation, tuple, width),
    }
}

/// In the order in which the versions stand in the file.
fn in_place_order(
    mut found: Vec<(RowKey, Tuple)>,
    mut each: impl FnMut(RowKey, Tuple) -> Result<bool>,
) -> Result<()> {
    found.sort_by_key(|(_, tuple)| tuple.place);
    for (key, tuple) in found {
        if !each(key, tuple)? {
            break;
        }
    }
    Ok(())
}

fn own_rows(
    ex: &mut Exec<'_, '_>,
    scan: &TableScan,
    frame: Frame<'_>,
    rows: &mut Vec<SourceRow>,
) -> Result<()> {
    let relation = scan.relation;
    let index = |id: RelationId| scan.indexes.iter().find(|i| i.id == id);
    let keys: Vec<RowKey> = match &scan.access {
        Access::Sequential => {
            serializable::reads(ex, relation, None)?;
            return sequential_rows(ex, scan, frame, rows);
        }
        Access::Index { index: id, equal, low, high } => {
            let Some(index) = index(*id) else { return Ok(()) };
            let env = frame.env(&[]);
            let equal = equal.iter().map(|e| e.eval(ex, &env)).collect::<Result<Vec<_>>>()?;
            let low = low.as_ref().map(|(e, included)| Ok((e.eval(ex, &env)?, *included))).transpose()?;
            let high = high.as_ref().map(|(e, included)| Ok((e.eval(ex, &env)?, *included))).transpose()?;
            unique::ensure_built(ex, relation, index)?;
            let range = Range { equal, low, high };
            if let Some((enough, descending)) = frame.enough {
                if serializable::is_watched(ex) {
                    let keys = range.lookup(ex, index);
                    serializable::reads(ex, relation, Some((*id, &keys)))?;
                }
                return ordered_rows(ex, scan, index, &range, (enough, descending), frame, rows);
            }
            if walks_indexes(ex) {
                return ordered_rows(ex, scan, index, &range, (usize::MAX, false), frame, rows);
            }
            range.lookup(ex, index)
        }
        Access::AnyOf { index: id, values } => {
            let Some(index) = index(*id) else { return Ok(()) };
            let Value::Array(values) = values.eval(ex, &frame.env(&[]))? else { return Ok(()) };
            unique::ensure_built(ex, relation, index)?;
            let one = |v: &Value| Range { equal: vec![v.clone()], low: None, high: None };
            if walks_indexes(ex) {
                let mut values = values.to_vec();
                values.sort();
                values.dedup();
                for value in &values {
                    let all = (usize::MAX, false);
                    ordered_rows(ex, scan, index, &one(value), all, frame, rows)?;
                }
                return Ok(());
            }
            values.iter().flat_map(|v| one(v).lookup(ex, index)).collect()
        }
    };
    if let Access::Index { index, .. } | Access::AnyOf { index, .. } = &scan.access {
        serializable::reads(ex, relation, Some((*index, &keys)))?;
    }
    let mut found: Vec<(RowKey, Tuple)> = Vec::with_capacity(keys.len());
    for key in keys {
        if let Some(tuple) = ex.cx.row(relation, key) {
            found.push((key, tuple));
        }
    }
    found.sort_by_key(|(key, tuple)| (tuple.place, *key));
    found.dedup_by_key(|(key, _)| *key);
    in_place_order(found, |key, tuple| add_row(ex, scan, relation, key, &tuple, frame, rows))
}

/// Whether the planner is told to go through a table in no other way than along an index (manual, 19.7.1):
/// rows come in the order of its keys then, otherwise in that of their places.
fn walks_indexes(ex: &Exec<'_, '_>) -> bool {
    let state = ex.shared.get();
    let settings = &state.session(ex.session()).own().settings;
    let is_off = |name: &str| settings.get(name).is_some_and(|v| matches!(v.as_str(), "off" | "false" | "0"));
    is_off("enable_seqscan") && is_off("enable_bitmapscan")
}

/// All rows of the table itself that satisfy the filter.
fn sequential_rows(
    ex: &mut Exec<'_, '_>,
    scan: &TableScan,
    frame: Frame<'_>,
    rows: &mut Vec<SourceRow>,
) -> Result<()> {
    let relation = scan.relation;
    let mut found = Vec::new();
    if sift(ex, scan, &mut |key, tuple| found.push((key, tuple.clone()))).is_none() {
        let found = ex.cx.scan(relation);
        return in_place_order(found, |key, tuple| add_row(ex, scan, relation, key, &tuple, frame, rows));
    }
    found.sort_by_key(|(_, tuple)| tuple.place);
    rows.reserve(found.len());
    rows.extend(found.iter().map(|(key, tuple)| source_row(ex, scan, relation, *key, tuple, frame)));
    Ok(())
}

/// Shows the rows of the table itself that satisfy the filter; nothing if the filter needs more than the rows.
fn sift(ex: &mut Exec<'_, '_>, scan: &TableScan, each: &mut dyn FnMut(RowKey, &Tuple)) -> Option<()> {
    let (shared, params) = (ex.shared, ex.params);
    let state = shared.get();
    let missing = state.tables.get(&scan.relation).map_or(&[][..], |t| &t.missing);
    let sieve = Sieve::new(&scan.filter, scan.offset, missing, params)?;
    let mut read = 0;
    ex.cx.for_each_row(scan.relation, |key, tuple| {
        read += 1;
        if sieve.passes(tuple.values()) {
            each(key, tuple);
        }
    });
    ex.rows_read += read;
    Some(())
}

/// How many rows a source has, where no more than counting is needed; nothing if it takes more.
pub(super) fn counted(ex: &mut Exec<'_, '_>, source: &Source) -> Option<usize> {
    let Source::Table(scan) = source else { return None };
    if ex.virtual_table(scan.relation).is_some() {
        return None;
    }
    if !(scan.has_heap && scan.parts.is_empty() && matches!(scan.access, Access::Sequential)) {
        return None;
    }
    let mut count = 0;
    sift(ex, scan, &mut |_, _| count += 1)?;
    Some(count)
}

/// Rows in the order of the index, no more than are wanted.
fn ordered_rows(
    ex: &mut Exec<'_, '_>,
    scan: &TableScan,
    index: &TableIndex,
    range: &Range,
    (enough, descending): (usize, bool),
    frame: Frame<'_>,
    rows: &mut Vec<SourceRow>,
) -> Result<()> {
    let mut after: Option<Box<[Value]>> = None;
    let at_once = enough.clamp(16, 4096);
    while rows.len() < enough {
        let (keys, last) = range.chunk(ex, index, after.as_deref(), at_once, descending);
        for (entry, key) in keys {
            let Some(tuple) = ex.cx.row(scan.relation, key) else { continue };
            // A row that was updated has entries for its old keys too: only that of the visible version counts.
            let values = widened(ex, scan.relation, &tuple, scan.width);
            if unique::key_of(ex, index, &values)?.is_some_and(|k| k == entry) {
                add_row(ex, scan, scan.relation, key, &tuple, frame, rows)?;
            }
            if rows.len() >= enough {
                return Ok(());
            }
        }
        match last {
            Some(last) => after = Some(last),
            None => return Ok(()),
        }
    }
    Ok(())
}

fn add_row(
    ex: &mut Exec<'_, '_>,
    scan: &TableScan,
    relation: RelationId,
    key: RowKey,
    tuple: &Tuple,
    frame: Frame<'_>,
    rows: &mut Vec<SourceRow>,
) -> Result<bool> {
    ex.rows_read += 1;
    let row = source_row(ex, scan, relation, key, tuple, frame);
    if holds(ex, &scan.filter, &frame.env(&row.values))? {
        rows.push(row);
    }
    Ok(true)
}

/// A row of a table as a row of FROM.
fn source_row(
    ex: &Exec<'_, '_>,
    scan: &TableScan,
    relation: RelationId,
    key: RowKey,
    tuple: &Tuple,
    frame: Frame<'_>,
) -> SourceRow {
    let mut values = scanned(ex, scan, relation, tuple, frame.needed);
    if scan.offset > 0 || frame.width > scan.width {
        values = placed(&values, scan.offset, frame.width).into();
    }
    let origin = Origin { item: scan.item, relation, key };
    SourceRow { values, origins: SmallVec::from_elem(origin, 1) }
}

/// A stretch of an index.
struct Range {
    equal: Vec<Value>,
    low: Option<(Value, bool)>,
    high: Option<(Value, bool)>,
}

impl Range {
    /// NULL equals nothing and lies between nothing.
    fn is_empty(&self) -> bool {
        let null = |b: &Option<(Value, bool)>| b.as_ref().is_some_and(|(v, _)| v.is_null());
        self.equal.iter().any(Value::is_null) || null(&self.low) || null(&self.high)
    }

    fn start(&self) -> Box<[Value]> {
        let low = self.low.iter().map(|(v, _)| v.clone());
        self.equal.iter().cloned().chain(low).collect()
    }

    /// Whether an entry lies in the stretch; nothing if neither it nor any after it does.
    fn takes(&self, entry: &[Value]) -> Option<bool> {
        if entry.len() < self.equal.len() || entry[..self.equal.len()] != self.equal[..] {
            return None;
        }
        let next = entry.get(self.equal.len());
        let (Some(next), true) = (next, self.low.is_some() || self.high.is_some()) else { return Some(true) };
        if let Some((high, included)) = &self.high {
            let op = if *included { Comparison::Le } else { Comparison::Lt };
            match op.apply(next, high) {
                Some(true) => {}
                _ => return None,
            }
        }
        if let Some((low, included)) = &self.low {
            let op = if *included { Comparison::Ge } else { Comparison::Gt };
            return Some(op.apply(next, low) == Some(true));
        }
        Some(true)
    }

    fn lookup(&self, ex: &Exec<'_, '_>, index: &TableIndex) -> Vec<RowKey> {
        let state = ex.shared.get();
        let Some(data) = state.indexes.get(&index.id) else { return Vec::new() };
        let mut found = Vec::new();
        if self.is_empty() {
            return found;
        }
        if self.equal.len() == index.parts.len() {
            return data.entries.get(&self.equal[..]).map_or(found, |rows| rows.to_vec());
        }
        for (entry, rows) in data.entries.range_from(&*self.start()) {
            match self.takes(entry) {
                None => break,
                Some(true) => found.extend(rows.iter().copied()),
                Some(false) => {}
            }
        }
        found
    }

    /// The next entries after `after`, in the index's order or against it; and where to go on.
    #[allow(clippy::type_complexity)]
    fn chunk(
        &self,
        ex: &Exec<'_, '_>,
        index: &TableIndex,
        after: Option<&[Value]>,
        at_once: usize,
        descending: bool,
    ) -> (Vec<(Box<[Value]>, RowKey)>, Option<Box<[Value]>>) {
        let state = ex.shared.get();
        let Some(data) = state.indexes.get(&index.id) else { return (Vec::new(), None) };
        if self.is_empty() {
            return (Vec::new(), None);
        }
        let mut found = Vec::new();
        let mut last = None;
        let mut add = |entry: &[Value], rows: &SmallVec<[RowKey; 2]>| {
            found.extend(rows.iter().map(|row| (Box::from(entry), *row)));
            if found.len() >= at_once {
                last = Some(Box::from(entry));
            }
            last.is_some()
        };
        if descending {
            let start = self.start();
            let end = after.map_or(Bound::Unbounded, Bound::Excluded);
            let range = data.entries.range::<[Value]>((Bound::Included(&*start), end)).rev();
            for (entry, rows) in range {
                // Walking down from the end, entries beyond the stretch come first.
                if self.takes(entry) == Some(true) && add(entry, rows) {
                    break;
                }
            }
        } else {
            let first = self.start();
            let start = after.map_or(Bound::Included(&*first), Bound::Excluded);
            for (entry, rows) in data.entries.range::<[Value]>((start, Bound::Unbounded)) {
                match self.takes(entry) {
                    None => break,
                    Some(true) if add(entry, rows) => break,
                    Some(_) => {}
                }
            }
        }
        (found, last)
    }
}

fn join_rows(ex: &mut Exec<'_, '_>, source: &JoinSource, frame: Frame<'_>) -> Result<Vec<SourceRow>> {
    let frame = Frame { enough: None, needed: usize::MAX, most: None, ..frame };
    let left = rows(ex, &source.left, frame)?;
    let right = match join::partners(ex, source, &left, frame)? {
        Some(found) => found,
        None => rows(ex, &source.right, frame)?,
    };
    let keys = |ex: &mut Exec<'_, '_>, row: &SourceRow, of_left: bool| -> Result<Option<Vec<Value>>> {
        let mut key = Vec::with_capacity(source.equal.len());
        for (l, r) in &source.equal {
            let value = if of_left { l } else { r }.eval(ex, &frame.env(&row.values))?;
            if value.is_null() {
                return Ok(None);
            }
            key.push(value);
        }
        Ok(Some(key))
    };
    let mut by_key: BTreeMap<Vec<Value>, Vec<usize>> = BTreeMap::new();
    for (at, row) in right.iter().enumerate() {
        if let Some(key) = keys(ex, row, false)? {
            by_key.entry(key).or_default().push(at);
        }
    }
    let mut matched = vec![false; right.len()];
    let mut joined = Vec::new();
    for l in &left {
        let key = keys(ex, l, true)?;
        // Who the partner of a row is of which nothing is known is not known either; that it has one is assumed.
        let mut any = false;
        let has_unknown_partner = key.is_none() && join::is_unknown(ex, l);
        if let Some(key) = key {
            for &at in by_key.get(&key).map_or(&[][..], Vec::as_slice) {
                let row = merged(l, &right[at], source.right_slots);
                if holds(ex, &source.on, &frame.env(&row.values))? {
                    (any, matched[at]) = (true, true);
                    joined.push(row);
                }
            }
        }
        if !any && (has_unknown_partner || matches!(source.kind, JoinKind::Left | JoinKind::Full)) {
            joined.push(l.clone());
        }
    }
    if matches!(source.kind, JoinKind::Right | JoinKind::Full) {
        let unmatched = right.iter().zip(&matched).filter(|(_, m)| !**m);
        joined.extend(unmatched.map(|(r, _)| r.clone()));
    }
    Ok(joined)
}

fn merged(left: &SourceRow, right: &SourceRow, (from, to): (usize, usize)) -> SourceRow {
    let mut values = left.values.to_vec();
    values[from..to].clone_from_slice(&right.values[from..to]);
    let origins = left.origins.iter().chain(&right.origins).cloned().collect();
    SourceRow { values: values.into(), origins }
}

/// Whether a row with one of its tables' rows replaced still satisfies all that the source demands
/// (`EvalPlanQual`); outer joins' conditions are not looked at again.
pub(super) fn still_holds(ex: &mut Exec<'_, '_>, source: &Source, env: &Env<'_>) -> Result<bool> {
    match source {
        Source::Table(scan) => holds(ex, &scan.filter, env),
        Source::Sub { filter, .. }
        | Source::Stored { filter, .. }
        | Source::Series { filter, .. }
        | Source::Unnest { filter, .. }
        | Source::Value { filter, .. } => holds(ex, filter, env),
        Source::Nothing => Ok(true),
        Source::Join(join) => {
            if !matches!(join.kind, JoinKind::Inner | JoinKind::Cross) {
                return still_holds(ex, &join.left, env);
            }
            for (l, r) in &join.equal {
                if Comparison::Eq.apply(&l.eval(ex, env)?, &r.eval(ex, env)?) != Some(true) {
                    return Ok(false);
                }
            }
            Ok(holds(ex, &join.on, env)?
                && still_holds(ex, &join.left, env)?
                && still_holds(ex, &join.right, env)?)
        }
    }
}

pub(crate) fn series(args: &[Value]) -> Result<Vec<Value>> {
    const MOST: usize = 50_000_000;
    if args.iter().any(Value::is_null) {
        return Ok(Vec::new());
    }
    let step = match (args.get(2), &args[0]) {
        (Some(step), _) => step.clone(),
        (None, Value::Numeric(_)) => Value::Numeric(crate::value::Decimal::from(1)),
        (None, _) => Value::Int(1),
    };
    let up = match &step {
        Value::Interval(i) => i.span().signum() as i64,
        Value::Int(n) => n.signum(),
        Value::Numeric(n) => n.signum(),
        _ => 1,
    };
    if up == 0 {
        return Err(error("22023", "step size cannot equal zero"));
    }
    let ty = match &args[0] {
        Value::Int(_) => crate::value::Type::Int8,
        Value::Numeric(_) => crate::value::Type::Numeric(None),
        _ => crate::value::Type::Timestamp(None),
    };
    let mut values = Vec::new();
    let mut at = args[0].clone();
    let inside = |v: &Value| if up > 0 { *v <= args[1] } else { *v >= args[1] };
    while inside(&at) {
        values.push(at.clone());
        if values.len() > MOST {
            return Err(error("54000", "a series of more than 50 million values"));
        }
        match Arithmetic::Add.apply(at, step.clone(), &ty) {
            Ok(next) => at = next,
            Err(_) => break,
        }
    }
    Ok(values)
}
