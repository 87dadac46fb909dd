//! Which plans are compiled, and to what.

use std::rc::Rc;

use lock_table::{RelationId, SessionId};
use transactions::CommandTag;

use super::harmless::{Harmless, Row, can_evaluate};
use super::{Compiled, Deed, Find, Form, Given, Point};
use crate::exec::selection;
use crate::expr::{Node, Typed};
use crate::plan::{
    Bound, DeletePlan, InsertPlan, InsertSource, Plan, QueryPlan, SelectPlan, SortValue, Source,
    StatementPlan, Table, TableScan, UpdatePlan, WriteTarget, any_of, bounds, name_of,
};
use crate::state::State;
use crate::value::{Type, Value};
use crate::virtual_table::VirtualTable;

/// Compiles a plan, if it is one of a point statement on a virtual table or of a query that need not stop.
pub(super) fn compile(plan: &Plan, state: &State, session: SessionId) -> Option<Compiled> {
    let is_twice = |n: usize| plan.locks[..n].contains(&plan.locks[n]);
    if !plan.prerequisites.is_empty() || (0..plan.locks.len()).any(is_twice) {
        return None;
    }
    let (point, tag) = match &*plan.statement {
        StatementPlan::Query(QueryPlan::Select(query)) => (select(query, state), CommandTag::SELECT),
        StatementPlan::Query(_) => (None, CommandTag::SELECT),
        StatementPlan::Insert(plan) => (insert(plan, state, session), CommandTag::INSERT),
        StatementPlan::Update(plan) => (update(plan, state), CommandTag::UPDATE),
        StatementPlan::Delete(plan) => (delete(plan, state), CommandTag::DELETE),
    };
    let is_query = matches!(&*plan.statement, StatementPlan::Query(_));
    let returns_rows = !plan.columns.is_empty() || is_query;
    let (form, params) = match (point, &*plan.statement) {
        (Some((Found { table, known, width, find }, deed, params)), _) => {
            (Form::Point(Point { table, known, width, find, deed }), params)
        }
        (None, StatementPlan::Query(query)) if !query.locks_rows() && !plan.stops => (Form::Query, 0),
        (None, _) => return None,
    };
    Some(Compiled { form, tag, params, returns_rows })
}

/// Where a statement's rows are.
struct Found {
    table: RelationId,
    known: Rc<VirtualTable>,
    width: usize,
    find: Find,
}

impl Found {
    fn is_one_row(&self) -> bool {
        matches!(self.find, Find::Number(..) | Find::Key(_) | Find::Unique(_))
    }

    fn harmless(&self) -> Harmless {
        Harmless { row: Row::Virtual { number: self.known.integer_slot() }, params: 0 }
    }
}

type Parts = (Found, Deed, usize);

fn select(select: &SelectPlan, state: &State) -> Option<Parts> {
    let is_plain = select.grouping.is_none()
        && select.sets.is_empty()
        && select.steps.is_empty()
        && !select.is_distinct
        && select.distinct.is_none()
        && select.offset.is_none();
    if !is_plain {
        return None;
    }
    let most = match &select.limit {
        None => u64::MAX,
        Some(e) => u64::try_from(e.as_constant()?.as_int()?).ok().filter(|n| *n > 0)?,
    };
    // Who locks rows wants so many of them at most, whatever he says.
    let is_limited = select.limit.is_some() || !select.locking.is_empty();
    let found = find(&select.source, &select.filter, select.width, is_limited, state)?;
    let mut harmless = found.harmless();
    let mut shows = Vec::new();
    for key in &select.order_by {
        let key = match &key.value {
            SortValue::Target(at) => select.targets.get(*at)?,
            SortValue::Expression(e) => e,
        };
        note(&mut harmless, key, &mut shows)?;
    }
    let sorts_harmlessly = shows.is_empty();
    for target in &select.targets {
        note(&mut harmless, target, &mut shows)?;
    }
    let deed = match &select.locking[..] {
        [] if found.is_one_row() || shows.is_empty() => Deed::Read { most, shows },
        [only] if found.is_one_row() && sorts_harmlessly && only.item == 0 => {
            Deed::Lock { strength: only.strength, policy: only.policy, shows }
        }
        _ => return None,
    };
    Some((found, deed, harmless.params))
}

fn update(update: &UpdatePlan, state: &State) -> Option<Parts> {
    let found = find(&update.source, &update.filter, update.width, false, state)?;
    if update.cursor.is_some() || !found.is_one_row() {
        return None;
    }
    let (table, params) = target(&update.target)?;
    let mut harmless = Harmless { params, ..found.harmless() };
    let mut set = Vec::new();
    let mut evaluated = Vec::new();
    for (slot, value) in &update.set {
        let value = match value {
            Some(value) => value.clone(),
            None => default_of(&table, *slot),
        };
        note(&mut harmless, &value, &mut evaluated)?;
        set.push((*slot, value));
    }
    let is_key = |slot: &usize| {
        table.key_slots.contains(slot)
            || table.outgoing.iter().any(|fk| fk.slots.contains(slot))
            || table.incoming.iter().any(|fk| fk.own_slots.contains(slot))
    };
    let sets_keys = set.iter().any(|(slot, _)| is_key(slot));
    Some((found, Deed::Update { table, set, evaluated, sets_keys }, harmless.params))
}

fn delete(delete: &DeletePlan, state: &State) -> Option<Parts> {
    let found = find(&delete.source, &delete.filter, delete.width, false, state)?;
    if delete.cursor.is_some() || !found.is_one_row() {
        return None;
    }
    let (table, params) = target(&delete.target)?;
    Some((found, Deed::Delete { table }, params))
}

fn insert(insert: &InsertPlan, state: &State, session: SessionId) -> Option<Parts> {
    let InsertSource::Values(rows) = &insert.source else { return None };
    let ([row], None) = (&rows[..], &insert.conflict) else { return None };
    let id = insert.target.table.id;
    let known = Rc::clone(state.virtual_tables.get(&id)?);
    let width = insert.target.table.columns.len();
    let found = Found { table: id, known, width, find: Find::New };
    let (table, params) = target(&insert.target)?;
    let mut values = Vec::new();
    for (slot, value) in insert.slots.iter().zip(row) {
        if let Some(value) = value {
            values.push((*slot, value.clone()));
        }
    }
    let given: Vec<usize> = values.iter().map(|(slot, _)| *slot).collect();
    for (slot, column) in table.columns.iter().enumerate() {
        if let (Some(default), false) = (&column.default, given.contains(&slot)) {
            values.push((slot, default.clone()));
        }
    }
    let checks = table.checks.iter().map(|(_, check)| check);
    let can = values.iter().map(|(_, value)| value).chain(checks).all(can_evaluate);
    if !can {
        return None;
    }
    let known = |value| next_of(&value, state, session).unwrap_or(Given::Value(value));
    let values = values.into_iter().map(|(slot, value)| (slot, known(value))).collect();
    Some((found, Deed::Insert { table, values }, params))
}

/// The next value of a sequence, if that is what the expression is.
fn next_of(e: &Typed, state: &State, session: SessionId) -> Option<Given> {
    let Node::Call(function, args) = &e.node else { return None };
    let name = args.first()?.as_constant()?.as_text().filter(|_| function.name() == "nextval")?;
    let relation = state.catalog.find(&state.session(session).lookup, &name_of(name))?;
    Some(Given::Next(relation.id, Box::new(relation.as_sequence()?.clone())))
}

/// A table that is changed, if nothing happens to its rows but what the statement says; and how many parameters
/// are needed for what it returns.
fn target(target: &WriteTarget) -> Option<(Rc<Table>, usize)> {
    let table = &target.table;
    let mut harmless = Harmless { row: Row::New, params: 0 };
    let is_plain = target.parts.is_empty()
        && target.within.is_empty()
        && table.routing.is_none()
        && table.triggers.is_empty()
        && table.columns.iter().all(|column| column.generated.is_none());
    let is_harmless = is_plain && harmless.are_harmless(&target.returning);
    is_harmless.then(|| (Rc::clone(table), harmless.params))
}

/// Notes an expression whose value nobody looks at: if it is harmless it is left out.
fn note(harmless: &mut Harmless, e: &Typed, evaluated: &mut Vec<Typed>) -> Option<()> {
    if !harmless.is_harmless(e) {
        can_evaluate(e).then(|| evaluated.push(e.clone()))?;
    }
    Some(())
}

/// The rows that the conditions select, if the source is one virtual table: see [`selection`].
fn find(source: &Source, filter: &[Typed], width: usize, is_limited: bool, state: &State) -> Option<Found> {
    let Source::Table(scan) = source else { return None };
    let is_plain =
        scan.has_heap && scan.parts.is_empty() && (scan.item, scan.offset) == (0, 0) && scan.width == width;
    if !is_plain {
        return None;
    }
    let known = Rc::clone(state.virtual_tables.get(&scan.relation)?);
    let mut conditions = Vec::new();
    scan.filter.iter().chain(filter).for_each(|c| selection::flatten(c, &mut conditions));
    let find = match by_key(&known, &conditions)? {
        Some(values) => match number(&known, &values) {
            Some((parameter, ty)) => Find::Number(parameter, ty),
            None => Find::Key(values),
        },
        None => by_values(scan, &conditions, is_limited)?,
    };
    let can = match &find {
        Find::Key(values) => values.iter().all(|(_, value)| can_evaluate(value)),
        Find::Unique(values) => values.iter().all(can_evaluate),
        Find::Few(value) => can_evaluate(value),
        Find::Number(..) | Find::New => true,
    };
    can.then_some(Found { table: scan.relation, known, width, find })
}

/// The values that conditions give the primary key; nothing within if they say nothing about it, nothing at all if
/// they say something else.
fn by_key(known: &VirtualTable, conditions: &[&Typed]) -> Option<Option<Vec<(usize, Typed)>>> {
    let mut values: Vec<(usize, Typed)> = Vec::new();
    for condition in conditions {
        for (nth, slot) in known.key.iter().enumerate() {
            for bound in bounds(condition, *slot) {
                match bound {
                    Bound::Equal(value) => values.push((nth, value)),
                    Bound::Low(..) | Bound::High(..) => return None,
                }
            }
            if any_of(condition, *slot).is_some() {
                return None;
            }
        }
    }
    let mut places: Vec<usize> = values.iter().map(|(nth, _)| *nth).collect();
    places.sort_unstable();
    if !known.key.is_empty() && places.iter().copied().eq(0..known.key.len()) {
        return Some(Some(values));
    }
    places.is_empty().then_some(None)
}

/// The parameter that is the row's number, and the type that it is brought to.
fn number(known: &VirtualTable, values: &[(usize, Typed)]) -> Option<(usize, Type)> {
    let ([(_, value)], Some(_)) = (values, known.integer_slot()) else { return None };
    match &value.node {
        Node::Param(n) => Some((*n, Type::Int8)),
        Node::Cast(inner) if value.ty.is_integer() => match inner.node {
            Node::Param(n) => Some((n, value.ty.clone())),
            _ => None,
        },
        _ => None,
    }
}

fn by_values(scan: &TableScan, conditions: &[&Typed], is_limited: bool) -> Option<Find> {
    if is_limited && !conditions.iter().any(|c| selection::depends_on_caller(c)) {
        return None;
    }
    let equal = |slot: usize| selection::equal_to(conditions, slot);
    match selection::of_unique_index(&scan.indexes, &equal) {
        Some(values) => Some(Find::Unique(values)),
        None => selection::of_parameter(conditions).map(Find::Few),
    }
}

/// The default of a column.
fn default_of(table: &Table, slot: usize) -> Typed {
    let column = &table.columns[slot];
    column.default.clone().unwrap_or_else(|| Typed::constant(Value::Null, column.ty.clone()))
}
