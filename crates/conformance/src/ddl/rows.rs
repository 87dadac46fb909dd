//! The rows of the fixture: what the rules ask about data is answered from them.
//!
//! Fixtures fill their tables by `INSERT … VALUES` and `INSERT … SELECT … FROM generate_series(…)` and change them by
//! plain UPDATEs and DELETEs. That much is evaluated; a value of any other expression is unknown, and a question
//! about an unknown value has no answer.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use schema_rules::catalog::{
    BoundValue, Catalog, ColumnNumber, ForeignKey, IndexKeyValue, PartitionBound, Relation,
};
use schema_rules::effects::{Affected, Condition, DataFacts, Written};
use schema_rules::{RelationId, Session};
use sql_syntax::ast::{Expr, ExprKind, FromItem, Insert, Query, QueryBody, Statement};

use super::values::{Value, converts, evaluate, known, order};

/// One version of a row. Dead ones stay where they are: nobody vacuums a fixture.
#[derive(Clone, Debug)]
struct Tuple {
    values: BTreeMap<ColumnNumber, Value>,
    alive: bool,
}

/// The rows of every table.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    tables: BTreeMap<RelationId, Rc<Vec<Tuple>>>,
}

impl Rows {
    /// Notes what a statement of the setup does to the rows.
    pub(super) fn run(&mut self, catalog: &Catalog, session: &Session, statement: &Statement) {
        match statement {
            Statement::Insert(insert) => self.insert(catalog, session, insert),
            Statement::Update(update) => {
                let Some(table) = catalog.find(session, &update.table.name).cloned() else { return };
                let new: Vec<(ColumnNumber, &Expr)> = update
                    .assignments
                    .iter()
                    .filter_map(|a| Some((table.column(a.columns.first()?)?.number, &a.value)))
                    .collect();
                self.replace(&table, update.filter.as_ref(), &new);
            }
            Statement::Delete(delete) => {
                let Some(table) = catalog.find(session, &delete.table.name).cloned() else { return };
                let tuples = Rc::make_mut(self.tables.entry(table.id).or_default());
                for tuple in tuples.iter_mut().filter(|t| t.alive) {
                    if qualifies(&table, tuple, delete.filter.as_ref()) != Some(false) {
                        tuple.alive = false;
                    }
                }
            }
            _ => {}
        }
    }

    fn insert(&mut self, catalog: &Catalog, session: &Session, insert: &Insert) {
        let Some(table) = catalog.find(session, &insert.table).cloned() else { return };
        let columns: Vec<ColumnNumber> = if insert.columns.is_empty() {
            table.live_columns().map(|c| c.number).collect()
        } else {
            insert.columns.iter().filter_map(|c| table.column(c)).map(|c| c.number).collect()
        };
        let Some(query) = insert.source.as_deref() else { return };
        for row in query_rows(query) {
            let values = columns.iter().copied().zip(row).collect();
            self.add(catalog, &table, values);
        }
    }

    /// Puts a row where it belongs: into a partition, if the table is partitioned.
    fn add(&mut self, catalog: &Catalog, table: &Relation, values: BTreeMap<ColumnNumber, Value>) {
        let Some(key) = table.partition_key() else {
            let tuple = Tuple { values, alive: true };
            Rc::make_mut(self.tables.entry(table.id).or_default()).push(tuple);
            return;
        };
        let Some(IndexKeyValue::Column(number)) = key.keys.first() else { return };
        let value = values.get(number).cloned().unwrap_or(Value::Null);
        let children: Vec<&Rc<Relation>> = catalog.children_of(table.id).collect();
        let taker = children
            .iter()
            .find(|c| c.partition_bound.as_deref().and_then(|b| within(b, &value)) == Some(true))
            .or_else(|| {
                children
                    .iter()
                    .find(|c| matches!(c.partition_bound.as_deref(), Some(PartitionBound::Default)))
            });
        if let Some(child) = taker {
            let renumbered = values
                .into_iter()
                .filter_map(|(n, v)| Some((child.column(&table.column_at(n)?.name)?.number, v)))
                .collect();
            self.add(catalog, child, renumbered);
        }
    }

    fn replace(&mut self, table: &Relation, filter: Option<&Expr>, new: &[(ColumnNumber, &Expr)]) {
        let tuples = Rc::make_mut(self.tables.entry(table.id).or_default());
        let mut added = Vec::new();
        for tuple in tuples.iter_mut().filter(|t| t.alive) {
            if qualifies(table, tuple, filter) == Some(false) {
                continue;
            }
            let mut values = tuple.values.clone();
            for (number, expr) in new {
                values.insert(*number, evaluate(expr, &|name| column(table, tuple, name)));
            }
            tuple.alive = false;
            added.push(Tuple { values, alive: true });
        }
        tuples.extend(added);
    }

    fn alive(&self, relation: RelationId) -> impl Iterator<Item = &Tuple> {
        self.tables.get(&relation).into_iter().flat_map(|t| t.iter()).filter(|t| t.alive)
    }

    /// Rows that are alive, and row versions that nobody needs.
    pub(super) fn counts(&self, relation: RelationId) -> (u64, u64) {
        let all = self.tables.get(&relation).map_or(0, |t| t.len()) as u64;
        let alive = self.alive(relation).count() as u64;
        (alive, all - alive)
    }

    fn key_of(&self, relation: &Relation, tuple: &Tuple, keys: &[IndexKeyValue]) -> Option<Vec<Value>> {
        keys.iter()
            .map(|key| match key {
                IndexKeyValue::Column(number) => {
                    known(relation.column_at(*number).map(|c| column(relation, tuple, &c.name))?)
                }
                IndexKeyValue::Expression(expr) => {
                    known(evaluate(expr, &|name| column(relation, tuple, name)))
                }
            })
            .collect()
    }

    fn unique(&self, catalog: &Catalog, relation: RelationId, index: RelationId) -> Option<bool> {
        let table = catalog.relation(relation)?;
        let definition = catalog.relation(index)?.as_index()?.clone();
        let keys: Vec<IndexKeyValue> = definition.keys.iter().map(|k| k.value.clone()).collect();
        let mut seen = Vec::new();
        for tuple in self.alive(relation) {
            if let Some(predicate) = &definition.predicate
                && qualifies(table, tuple, Some(predicate)) != Some(true)
            {
                continue;
            }
            let key = self.key_of(table, tuple, &keys)?;
            if key.contains(&Value::Null) && !definition.nulls_not_distinct {
                continue;
            }
            seen.push(format!("{key:?}"));
        }
        let all = seen.len();
        seen.sort_unstable();
        seen.dedup();
        Some(seen.len() == all)
    }

    fn foreign_key_holds(&self, catalog: &Catalog, relation: RelationId, key: &ForeignKey) -> Option<bool> {
        let table = catalog.relation(relation)?;
        let referenced = catalog.relation(key.referenced)?;
        let there: BTreeSet<String> = catalog
            .with_descendants(key.referenced)
            .into_iter()
            .flat_map(|id| self.alive(id))
            .map(|t| format!("{:?}", numbers(referenced, t, &key.referenced_columns)))
            .collect();
        for tuple in self.alive(relation) {
            let own = numbers(table, tuple, &key.columns);
            if own.contains(&Value::Null) {
                continue;
            }
            if own.contains(&Value::Unknown) {
                return None;
            }
            if !there.contains(&format!("{own:?}")) {
                return Some(false);
            }
        }
        Some(true)
    }

    fn exclusion_holds(&self, catalog: &Catalog, relation: RelationId, index: RelationId) -> Option<bool> {
        let table = catalog.relation(relation)?;
        let definition = catalog.relation(index)?.as_index()?.clone();
        let [key] = definition.keys.as_slice() else { return None };
        let mut ranges = Vec::new();
        for tuple in self.alive(relation) {
            match self.key_of(table, tuple, std::slice::from_ref(&key.value))?.pop()? {
                Value::Null => {}
                Value::Range(from, to) => ranges.push((from, to)),
                Value::Int(n) => ranges.push((n, n + 1)),
                _ => return None,
            }
        }
        ranges.sort_unstable();
        Some(ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0))
    }

    /// Whether every row passes the test; nothing as soon as one row's answer is not known.
    fn all(&self, relation: RelationId, test: impl Fn(&Tuple) -> Option<bool>) -> Option<bool> {
        for tuple in self.alive(relation) {
            if !test(tuple)? {
                return Some(false);
            }
        }
        Some(true)
    }
}

impl DataFacts for Rows {
    fn holds(&self, catalog: &Catalog, condition: &Condition) -> Option<bool> {
        match condition {
            Condition::NoNulls { relation, column: number } => {
                let table = catalog.relation(*relation)?;
                let name = &table.column_at(*number)?.name;
                self.all(*relation, |t| Some(known(column(table, t, name))? != Value::Null))
            }
            Condition::Empty { relation } => Some(self.alive(*relation).next().is_none()),
            Condition::Check { relation, expression } => {
                let table = catalog.relation(*relation)?;
                self.all(*relation, |t| match evaluate(expression, &|name| column(table, t, name)) {
                    Value::Bool(false) => Some(false),
                    Value::Unknown => None,
                    _ => Some(true),
                })
            }
            Condition::DomainCheck { relation, column: number, expression } => {
                let table = catalog.relation(*relation)?;
                let name = &table.column_at(*number)?.name;
                self.all(*relation, |t| {
                    let value = column(table, t, name);
                    match evaluate(expression, &|_| value.clone()) {
                        Value::Bool(false) => Some(false),
                        Value::Unknown => None,
                        _ => Some(true),
                    }
                })
            }
            Condition::Unique { relation, index } => self.unique(catalog, *relation, *index),
            Condition::Exclusion { relation, index } => self.exclusion_holds(catalog, *relation, *index),
            Condition::ForeignKey { relation, key } => self.foreign_key_holds(catalog, *relation, key),
            Condition::WithinBound { relation, parent, bound } => {
                let (table, name) = key_column(catalog, *relation, *parent)?;
                self.all(*relation, |t| within(bound, &known(column(&table, t, &name))?))
            }
            Condition::OutsideBound { relation, parent, bound } => {
                let (table, name) = key_column(catalog, *relation, *parent)?;
                self.all(*relation, |t| {
                    within(bound, &known(column(&table, t, &name))?).map(|inside| !inside)
                })
            }
            Condition::Unreferenced { .. } => None,
            Condition::Converts { relation, column: name, using, to } => {
                let table = catalog.relation(*relation)?;
                self.all(*relation, |t| match using {
                    Some(expression) => {
                        let mut fails = false;
                        let value = converting(expression, &|name| column(table, t, name), &mut fails);
                        if fails { Some(false) } else { converts(&value, to, true) }
                    }
                    None => converts(&column(table, t, name), to, false),
                })
            }
        }
    }

    fn has_empty_tail(&self, _catalog: &Catalog, relation: RelationId) -> bool {
        // `should_attempt_truncation`: a sixteenth of the table, or a thousand pages.
        let Some(tuples) = self.tables.get(&relation) else { return false };
        let tail = tuples.iter().rev().take_while(|t| !t.alive).count();
        tail > 0 && tail * 16 >= tuples.len()
    }

    fn all_null(&self, catalog: &Catalog, relation: RelationId, number: ColumnNumber) -> Option<bool> {
        let table = catalog.relation(relation)?;
        let name = &table.column_at(number)?.name;
        self.all(relation, |t| Some(known(column(table, t, name))? == Value::Null))
    }

    fn any_row(&self, catalog: &Catalog, relation: RelationId, affected: Affected<'_>) -> Option<bool> {
        Some(!self.affected(catalog, relation, affected)?.is_empty())
    }

    fn changes(
        &self,
        catalog: &Catalog,
        relation: RelationId,
        number: ColumnNumber,
        value: &Expr,
        affected: Affected<'_>,
    ) -> Option<bool> {
        let table = catalog.relation(relation)?;
        let name = &table.column_at(number)?.name;
        let mut changes = false;
        for tuple in self.affected(catalog, relation, affected)? {
            let new = known(evaluate(value, &|name| column(table, &tuple, name)))?;
            changes |= known(column(table, &tuple, name))? != new;
        }
        Some(changes)
    }

    fn still_referenced(
        &self,
        catalog: &Catalog,
        relation: RelationId,
        path: &[(RelationId, ForeignKey)],
        affected: Affected<'_>,
    ) -> Option<bool> {
        let mut table = relation;
        let mut gone: Vec<Cow<'_, Tuple>> = self.affected(catalog, relation, affected)?;
        for (owner, key) in path {
            let (referenced, referring) = (catalog.relation(table)?, catalog.relation(*owner)?);
            let keys: BTreeSet<String> = gone
                .iter()
                .map(|t| format!("{:?}", numbers(referenced, t, &key.referenced_columns)))
                .collect();
            gone = self
                .rows_of(catalog, *owner)
                .into_iter()
                .map(|(_, t)| t)
                .filter(|t| keys.contains(&format!("{:?}", numbers(referring, t, &key.columns))))
                .collect();
            table = *owner;
        }
        Some(!gone.is_empty())
    }

    fn written_satisfy(
        &self,
        catalog: &Catalog,
        relation: RelationId,
        written: &Written<'_>,
        condition: &Condition,
    ) -> Option<bool> {
        let (mut rows, kept) = self.written(catalog, relation, written)?;
        let among_all = match condition {
            Condition::Unique { .. } | Condition::Exclusion { .. } => true,
            Condition::ForeignKey { key, .. } => key.referenced == relation,
            _ => false,
        };
        if among_all {
            rows.extend(kept);
        }
        let mut after = self.clone();
        after.tables.insert(relation, Rc::new(rows));
        after.holds(catalog, condition)
    }
}

impl Rows {
    /// The rows of a table and of those below it, as rows of the table: whose they are, and what they hold.
    fn rows_of(&self, catalog: &Catalog, relation: RelationId) -> Vec<(RelationId, Cow<'_, Tuple>)> {
        let Some(table) = catalog.relation(relation) else { return Vec::new() };
        let mut found = Vec::new();
        for id in catalog.with_descendants(relation) {
            let Some(part) = catalog.relation(id) else { continue };
            let own = |t: &Tuple| {
                let value = |c: &schema_rules::catalog::Column| (c.number, column(part, t, &c.name));
                Tuple { values: table.live_columns().map(value).collect(), alive: true }
            };
            let as_parents = |t| if id == relation { Cow::Borrowed(t) } else { Cow::Owned(own(t)) };
            found.extend(self.alive(id).map(|t| (id, as_parents(t))));
        }
        found
    }

    /// The rows that a statement changes; nothing as soon as one row's answer is not known.
    fn affected(
        &self,
        catalog: &Catalog,
        relation: RelationId,
        affected: Affected<'_>,
    ) -> Option<Vec<Cow<'_, Tuple>>> {
        let table = catalog.relation(relation)?;
        let filter = match affected {
            Affected::All => None,
            Affected::Where(filter) => Some(filter),
            Affected::Some => return None,
        };
        let mut found = Vec::new();
        for (_, tuple) in self.rows_of(catalog, relation) {
            if qualifies(table, &tuple, filter)? {
                found.push(tuple);
            }
        }
        Some(found)
    }

    /// The rows that a statement writes, and those of the table that it leaves as they are.
    fn written(
        &self,
        catalog: &Catalog,
        relation: RelationId,
        written: &Written<'_>,
    ) -> Option<(Vec<Tuple>, Vec<Tuple>)> {
        let table = catalog.relation(relation)?;
        match written {
            Written::Rows(rows) => {
                let value =
                    |(number, value): &(ColumnNumber, &Expr)| (*number, evaluate(value, &|_| Value::Unknown));
                let new = rows.iter().map(|r| Tuple { values: r.iter().map(value).collect(), alive: true });
                Some((new.collect(), self.alive(relation).cloned().collect()))
            }
            Written::Changed { assignments, affected } => {
                let filter = match affected {
                    Affected::All => None,
                    Affected::Where(filter) => Some(*filter),
                    Affected::Some => return None,
                };
                let (mut new, mut kept) = (Vec::new(), Vec::new());
                for (owner, tuple) in self.rows_of(catalog, relation) {
                    if qualifies(table, &tuple, filter)? {
                        let mut values = tuple.values.clone();
                        for (number, value) in assignments {
                            values.insert(*number, evaluate(value, &|name| column(table, &tuple, name)));
                        }
                        new.push(Tuple { values, alive: true });
                    } else if owner == relation {
                        kept.push(tuple.into_owned());
                    }
                }
                Some((new, kept))
            }
        }
    }
}

/// A value that an expression with casts arrives at; a cast that cannot be done is noted.
fn converting(expression: &Expr, lookup: &dyn Fn(&str) -> Value, fails: &mut bool) -> Value {
    if let ExprKind::Cast { operand, to } = &expression.kind {
        let value = converting(operand, lookup, fails);
        let cast = evaluate(expression, lookup);
        let number = matches!(to.name.as_str(), "int2" | "int4" | "int8" | "numeric");
        *fails |= number && matches!(value, Value::Text(_)) && cast == Value::Unknown;
        return cast;
    }
    evaluate(expression, lookup)
}

fn key_column(
    catalog: &Catalog,
    relation: RelationId,
    parent: RelationId,
) -> Option<(Rc<Relation>, Rc<str>)> {
    let parent = catalog.relation(parent)?;
    let IndexKeyValue::Column(number) = parent.partition_key()?.keys.first()? else { return None };
    Some((catalog.relation(relation)?.clone(), parent.column_at(*number)?.name.clone()))
}

/// A row's value of a column; a column that is younger than the row has its default.
fn column(table: &Relation, tuple: &Tuple, name: &str) -> Value {
    let Some(column) = table.column(name) else { return Value::Unknown };
    match (tuple.values.get(&column.number), &column.default) {
        (Some(value), _) => value.clone(),
        _ if column.identity.is_some() || column.generated.is_some() => Value::Unknown,
        (None, Some(default)) => evaluate(default, &|_| Value::Unknown),
        (None, None) => Value::Null,
    }
}

fn numbers(table: &Relation, tuple: &Tuple, columns: &[ColumnNumber]) -> Vec<Value> {
    columns
        .iter()
        .map(|n| table.column_at(*n).map_or(Value::Unknown, |c| column(table, tuple, &c.name)))
        .collect()
}

fn qualifies(table: &Relation, tuple: &Tuple, filter: Option<&Expr>) -> Option<bool> {
    let Some(filter) = filter else { return Some(true) };
    match evaluate(filter, &|name| column(table, tuple, name)) {
        Value::Bool(value) => Some(value),
        Value::Null => Some(false),
        _ => None,
    }
}

fn query_rows(query: &Query) -> Vec<Vec<Value>> {
    let none = |_: &str| Value::Unknown;
    match &query.body {
        QueryBody::Values(rows) => {
            rows.iter().map(|row| row.iter().map(|e| evaluate(e, &none)).collect()).collect()
        }
        QueryBody::Select(select) => {
            let series = select.from.first().and_then(series);
            let Some((name, from, to)) = series else {
                return vec![select.targets.iter().map(|t| evaluate(&t.value, &none)).collect()];
            };
            let row = |i: i64| {
                let lookup = |column: &str| if column == name { Value::Int(i) } else { Value::Unknown };
                select.targets.iter().map(|t| evaluate(&t.value, &lookup)).collect()
            };
            (from..=to).map(row).collect()
        }
        _ => Vec::new(),
    }
}

/// `generate_series(a, b) i`
fn series(item: &FromItem) -> Option<(&str, i64, i64)> {
    let FromItem::Function { call, alias, .. } = item else { return None };
    let ExprKind::Function(call) = &call.kind else { return None };
    let alias = alias.as_ref()?;
    let name = alias.columns.first().unwrap_or(&alias.name);
    let bound = |at: usize| match evaluate(&call.args.get(at)?.value, &|_| Value::Unknown) {
        Value::Int(n) => Some(n),
        _ => None,
    };
    Some((name.text.as_str(), bound(0)?, bound(1)?))
}

fn within(bound: &PartitionBound, value: &Value) -> Option<bool> {
    let compare = |e: &Expr| order(value, &evaluate(e, &|_| Value::Unknown));
    match bound {
        PartitionBound::Range { from, to } => {
            let low = match from.first()? {
                BoundValue::Min => true,
                BoundValue::Max => false,
                BoundValue::Value(e) => compare(e)?.is_ge(),
            };
            let high = match to.first()? {
                BoundValue::Min => false,
                BoundValue::Max => true,
                BoundValue::Value(e) => compare(e)?.is_lt(),
            };
            Some(low && high)
        }
        PartitionBound::List(values) => Some(values.iter().any(|e| compare(e).is_some_and(|o| o.is_eq()))),
        PartitionBound::Hash { .. } | PartitionBound::Default => None,
    }
}
