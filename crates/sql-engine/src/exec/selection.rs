//! Which rows of a virtual table a condition selects.
//!
//! | what is said of the table | rows |
//! |---|---|
//! | the primary key: `=`, `IN`, `<`, `BETWEEN`, parameters, subqueries | those that there are |
//! | `=` on the columns of a unique index | one, always the same for the same value |
//! | `=` with a parameter | three, always the same for the same value |
//! | anything else | all, in the order of their keys, from the backfill's mark on |
//!
//! The last three are assumptions: what is in the rows is not known.

use std::rc::Rc;

use lock_table::{RelationId, RowKey};

use super::Exec;
use super::scan::Frame;
use crate::error::Result;
use crate::expr::{Comparison, Env, Node, Typed};
use crate::plan::{Bound, KeyPart, TableIndex, TableScan, any_of, bounds};
use crate::value::Value;
use crate::virtual_table::{Mark, VirtualTable};

/// How many rows a value that is not unique is taken to have.
pub(super) const FEW: u64 = 3;

/// How many rows of a virtual table are made up for a query that wants them all: the first and the last ones.
const SHOWN: u64 = 100;

/// Rows of a virtual table.
#[derive(Clone, Debug)]
pub(super) enum Selection {
    /// These, in this order.
    Keys(Vec<RowKey>),
    /// All between two keys; with the condition that selects them, if it is not one on the key.
    Span { first: RowKey, last: RowKey, condition: Option<Condition> },
}

/// A condition that says nothing about the key.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    number: u64,
    /// The table's columns that it reads.
    slots: Rc<[usize]>,
}

/// Where to select.
struct Place<'p> {
    relation: RelationId,
    table: &'p VirtualTable,
    indexes: &'p [TableIndex],
    width: usize,
    /// Where the table's columns are in the row that the conditions read; nothing for those that are not there.
    slots: &'p dyn Fn(usize) -> Option<usize>,
    /// No more rows than a limit says are wanted.
    is_limited: bool,
}

impl Selection {
    /// What the conditions of a scan, and those that are looked at afterwards, select of one of the scan's tables.
    pub(super) fn of_scan(
        ex: &mut Exec<'_, '_>,
        scan: &TableScan,
        relation: RelationId,
        table: &VirtualTable,
        frame: Frame<'_>,
    ) -> Result<Self> {
        let map = scan.parts.iter().find(|(part, _)| *part == relation).map(|(_, map)| map);
        let slots = |slot: usize| match map {
            Some(map) => map.iter().position(|at| *at == Some(slot)).map(|root| root + scan.offset),
            None => Some(slot + scan.offset),
        };
        let place = Place {
            relation,
            table,
            // Those of a part have slots of their own.
            indexes: if map.is_some() { &[] } else { &scan.indexes },
            width: scan.width,
            slots: &slots,
            is_limited: frame.most.is_some() || frame.enough.is_some(),
        };
        let mut conditions = Vec::new();
        scan.filter.iter().chain(frame.filter).for_each(|c| flatten(c, &mut conditions));
        Self::of(ex, &place, &conditions, &Env { row: &[], outer: frame.outer })
    }

    fn of(ex: &mut Exec<'_, '_>, at: &Place<'_>, conditions: &[&Typed], env: &Env<'_>) -> Result<Self> {
        let By { keys, low, high, rest } = by_key(ex, at, conditions, env)?;
        if let Some(keys) = keys {
            let keys = keys.into_iter().filter(|key| (low..=high).contains(key)).collect();
            return Ok(Self::Keys(existing(ex, at.relation, keys)));
        }
        let bounded = low > 0 || high < RowKey::MAX;
        let is_batch = at.is_limited && !rest.iter().any(|c| depends_on_caller(c));
        if !is_batch
            && !bounded
            && let Some(keys) = by_values(ex, at, &rest, env)?
        {
            return Ok(Self::Keys(existing(ex, at.relation, keys)));
        }
        let Some((least, greatest)) = ex.cx.key_bounds(at.relation) else {
            return Ok(Self::Keys(Vec::new()));
        };
        // Batches that go by the key know themselves how far they have come.
        let condition = (!rest.is_empty() && !bounded)
            .then(|| Condition { number: number_of(&rest), slots: read_by(at, &rest) });
        let mark =
            condition.as_ref().map_or(0, |c| ex.shared.get().mark_of(ex.session(), at.relation, c.number));
        let first = low.max(least).max(mark.saturating_add(1));
        let last = high.min(greatest);
        if first > last {
            return Ok(Self::Keys(Vec::new()));
        }
        Ok(Self::Span { first, last, condition })
    }

    /// How many rows those are.
    pub(super) fn count(&self, ex: &Exec<'_, '_>, relation: RelationId) -> u64 {
        match self {
            Self::Keys(keys) => keys.len() as u64,
            Self::Span { first, last, .. } => ex.cx.count_within(relation, *first, *last),
        }
    }

    /// Those of them that are among these.
    pub(super) fn narrowed(self, mut keys: Vec<RowKey>) -> Self {
        match self {
            Self::Keys(own) => keys.retain(|key| own.binary_search(key).is_ok()),
            Self::Span { first, last, .. } => keys.retain(|key| (first..=last).contains(key)),
        }
        keys.sort_unstable();
        keys.dedup();
        Self::Keys(keys)
    }

    /// The mark that their change would leave at this key.
    pub(super) fn mark(&self, relation: RelationId, last: RowKey) -> Option<Mark> {
        match self {
            Self::Span { condition: Some(Condition { number, slots }), .. } => {
                Some(Mark { relation, condition: *number, slots: Rc::clone(slots), last })
            }
            _ => None,
        }
    }

    /// The rows that a query gets to see: as many as it wants, or some if it wants them all.
    pub(super) fn shown(&self, ex: &mut Exec<'_, '_>, relation: RelationId, frame: Frame<'_>) -> Vec<RowKey> {
        let count = self.count(ex, relation);
        let (wanted, descending) = match (frame.enough, frame.most) {
            (Some((n, descending)), _) => (n as u64, descending),
            (None, Some(n)) => (n as u64, false),
            (None, None) if count > SHOWN && matches!(self, Self::Span { .. }) => {
                ex.unseen += count - SHOWN;
                ex.rows_read += count;
                let mut found = self.some(ex, relation, SHOWN / 2, false, frame);
                let mut last = self.some(ex, relation, SHOWN / 2, true, frame);
                last.reverse();
                found.append(&mut last);
                return found;
            }
            (None, None) => (count, false),
        };
        let found = self.some(ex, relation, wanted, descending, frame);
        ex.rows_read += found.len() as u64;
        if !descending && let Some(last) = found.last() {
            let mark = self.mark(relation, *last);
            ex.marks.extend(mark);
        }
        found
    }

    /// The first of them, or the last ones.
    pub(super) fn some(
        &self,
        ex: &Exec<'_, '_>,
        relation: RelationId,
        enough: u64,
        descending: bool,
        frame: Frame<'_>,
    ) -> Vec<RowKey> {
        let enough = usize::try_from(enough).unwrap_or(usize::MAX);
        let free =
            |key: &RowKey| frame.passes.is_none_or(|strength| !ex.cx.is_row_busy(relation, *key, strength));
        match self {
            Self::Keys(keys) if descending => keys.iter().rev().copied().filter(free).take(enough).collect(),
            Self::Keys(keys) => keys.iter().copied().filter(free).take(enough).collect(),
            Self::Span { first, last, .. } => {
                let there = |key: &RowKey| ex.cx.has_row(relation, *key) && free(key);
                if descending {
                    return (*first..=*last).rev().filter(there).take(enough).collect();
                }
                let mut found = Vec::new();
                let mut from = *first;
                while let Some((a, b)) = ex.cx.next_span(relation, from, *last) {
                    found.extend((a..=b).filter(there).take(enough - found.len()));
                    match b.checked_add(1) {
                        Some(next) if found.len() < enough => from = next,
                        _ => break,
                    }
                }
                found
            }
        }
    }
}

/// The row that has these values in a unique index, or some of those that have them in another one.
pub(super) fn keys_of_values(
    ex: &Exec<'_, '_>,
    relation: RelationId,
    table: &VirtualTable,
    slots: &[usize],
    values: &[Value],
    rows: u64,
) -> Vec<RowKey> {
    if values.iter().any(Value::is_null) {
        return Vec::new();
    }
    let keys = match slots {
        [slot] if Some(*slot) == table.integer_slot() => vec![table.row_of(values)],
        _ => (0..rows).map(|nth| table.hashed(values, nth)).collect(),
    };
    existing(ex, relation, keys)
}

pub(super) fn flatten<'e>(condition: &'e Typed, found: &mut Vec<&'e Typed>) {
    match &condition.node {
        Node::And(list) => list.iter().for_each(|c| flatten(c, found)),
        _ => found.push(condition),
    }
}

fn existing(ex: &Exec<'_, '_>, relation: RelationId, mut keys: Vec<RowKey>) -> Vec<RowKey> {
    keys.sort_unstable();
    keys.dedup();
    keys.retain(|key| ex.cx.has_row(relation, *key));
    keys
}

/// What conditions say about the primary key: keys, bounds; and those that say nothing about it.
struct By<'e> {
    keys: Option<Vec<RowKey>>,
    low: RowKey,
    high: RowKey,
    rest: Vec<&'e Typed>,
}

fn by_key<'e>(
    ex: &mut Exec<'_, '_>,
    at: &Place<'_>,
    conditions: &[&'e Typed],
    env: &Env<'_>,
) -> Result<By<'e>> {
    let mut by = By { keys: None, low: 0, high: RowKey::MAX, rest: Vec::new() };
    let key: Option<Vec<usize>> = at.table.key.iter().map(|slot| (at.slots)(*slot)).collect();
    let Some(key) = key.filter(|key| !key.is_empty()) else {
        return Ok(By { rest: conditions.to_vec(), ..by });
    };
    let mut equal: Vec<Option<Value>> = vec![None; key.len()];
    for &condition in conditions {
        let mut says = false;
        for (nth, &slot) in key.iter().enumerate() {
            for bound in bounds(condition, slot) {
                match bound {
                    Bound::Equal(e) => equal[nth] = Some(e.eval(ex, env)?),
                    Bound::Low(e, included) if at.table.is_integer => {
                        by.low = by.low.max(least(&e.eval(ex, env)?, included));
                    }
                    Bound::High(e, included) if at.table.is_integer => {
                        by.high = by.high.min(greatest(&e.eval(ex, env)?, included));
                    }
                    Bound::Low(..) | Bound::High(..) => continue,
                }
                says = true;
            }
            if key.len() == 1
                && let Some(values) = any_of(condition, slot)
            {
                let seen = ex.unseen;
                let values = values.eval(ex, env)?;
                // Only some of the rows that are meant were made up: then it says nothing.
                if std::mem::replace(&mut ex.unseen, seen) == seen {
                    says = true;
                    by.narrow(at.table, &values);
                }
            }
        }
        if !says {
            by.rest.push(condition);
        }
    }
    if let Some(values) = equal.into_iter().collect::<Option<Vec<Value>>>() {
        let is_null = values.iter().any(Value::is_null);
        by.keep(if is_null { Vec::new() } else { vec![at.table.row_of(&values)] });
    }
    Ok(by)
}

impl By<'_> {
    fn narrow(&mut self, table: &VirtualTable, values: &Value) {
        let values = match values {
            Value::Array(values) => &values[..],
            _ => &[],
        };
        let known = values.iter().filter(|v| !v.is_null());
        self.keep(known.map(|v| table.row_of(std::slice::from_ref(v))).collect());
    }

    fn keep(&mut self, mut found: Vec<RowKey>) {
        found.sort_unstable();
        match &mut self.keys {
            Some(keys) => keys.retain(|key| found.binary_search(key).is_ok()),
            None => self.keys = Some(found),
        }
    }
}

fn least(value: &Value, included: bool) -> RowKey {
    match value.as_f64() {
        Some(n) if included => n.max(0.0).ceil() as RowKey,
        Some(n) => (n + 1.0).max(0.0).floor() as RowKey,
        // Nothing is greater than NULL.
        None => RowKey::MAX,
    }
}

fn greatest(value: &Value, included: bool) -> RowKey {
    match value.as_f64() {
        Some(n) if included => n.max(0.0).floor() as RowKey,
        Some(n) => (n - 1.0).max(0.0).ceil() as RowKey,
        None => 0,
    }
}

/// Rows by the values of other columns.
fn by_values(
    ex: &mut Exec<'_, '_>,
    at: &Place<'_>,
    rest: &[&Typed],
    env: &Env<'_>,
) -> Result<Option<Vec<RowKey>>> {
    let equal = |slot: usize| equal_to(rest, (at.slots)(slot)?);
    let (values, rows) = match of_unique_index(at.indexes, &equal) {
        Some(values) => (values, 1),
        None => match of_parameter(rest) {
            Some(value) => (vec![value], FEW),
            None => return Ok(None),
        },
    };
    let values = values.iter().map(|e| e.eval(ex, env)).collect::<Result<Vec<_>>>()?;
    if values.iter().any(Value::is_null) {
        return Ok(Some(Vec::new()));
    }
    Ok(Some((0..rows).map(|nth| at.table.hashed(&values, nth)).collect()))
}

/// The value that the conditions give a column.
pub(super) fn equal_to(conditions: &[&Typed], slot: usize) -> Option<Typed> {
    conditions.iter().find_map(|c| {
        bounds(c, slot).into_iter().find_map(|bound| match bound {
            Bound::Equal(e) => Some(e),
            _ => None,
        })
    })
}

/// The values of all columns of a unique index, if each is given one.
pub(super) fn of_unique_index(
    indexes: &[TableIndex],
    equal: &dyn Fn(usize) -> Option<Typed>,
) -> Option<Vec<Typed>> {
    let value = |part: &KeyPart| match part {
        KeyPart::Slot(slot) => equal(*slot),
        KeyPart::Expression(_) => None,
    };
    let of_index = |index: &TableIndex| index.parts.iter().map(value).collect();
    indexes.iter().filter(|i| i.valid && i.unique).find_map(of_index)
}

/// The first value that is given to a column and is another one each time.
pub(super) fn of_parameter(conditions: &[&Typed]) -> Option<Typed> {
    conditions.iter().find_map(|c| match &c.node {
        Node::Compare(Comparison::Eq, sides) => match &**sides {
            [a, b] if matches!(a.node, Node::Column(_)) && depends_on_caller(b) => Some(b.clone()),
            [a, b] if matches!(b.node, Node::Column(_)) && depends_on_caller(a) => Some(a.clone()),
            _ => None,
        },
        _ => None,
    })
}

/// Whether it is another value each time: a parameter, a value of the query around.
pub(super) fn depends_on_caller(e: &Typed) -> bool {
    let mut found = false;
    e.walk(&mut |e| found |= matches!(e.node, Node::Param(_) | Node::Outer(..)));
    found
}

/// The table's columns that conditions read.
fn read_by(at: &Place<'_>, conditions: &[&Typed]) -> Rc<[usize]> {
    let mut found = Vec::new();
    for condition in conditions {
        condition.walk(&mut |e| {
            if let Node::Column(slot) = e.node {
                found.push(slot);
            }
        });
    }
    (0..at.width).filter(|slot| (at.slots)(*slot).is_some_and(|at| found.contains(&at))).collect()
}

/// A number for conditions, the same for the same text.
fn number_of(conditions: &[&Typed]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for condition in conditions {
        for byte in format!("{:?}", condition.node).bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    hash
}
