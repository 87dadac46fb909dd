//! The rows of the fixture: what the rules ask about data is answered from them.
//!
//! Fixtures fill their tables by `INSERT … VALUES` and `INSERT … SELECT … FROM generate_series(…)` and change them by
//! plain UPDATEs and DELETEs. That much is evaluated; a value of any other expression is unknown, and a question
//! about an unknown value has no answer.

use std::collections::BTreeMap;
use std::rc::Rc;

use schema_rules::catalog::{
    BoundValue, Catalog, ColumnNumber, ForeignKey, IndexKeyValue, PartitionBound, Relation,
};
use schema_rules::effects::{Condition, DataFacts};
use schema_rules::{RelationId, Session};
use sql_syntax::ast::{
    BinaryOp, Expr, ExprKind, FromItem, Insert, Literal, Query, QueryBody, Statement, UnaryOp,
};

/// A value, as far as fixtures go.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Number(f64),
    Text(String),
    /// Days since an epoch.
    Date(i64),
    /// Start and end of a range of integers.
    Range(i64, i64),
    /// A value whose computation is not known here.
    Unknown,
}

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
        let there: std::collections::BTreeSet<String> = catalog
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
            Condition::Converts { .. } | Condition::Unreferenced { .. } => None,
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

    fn any_row(&self, catalog: &Catalog, relation: RelationId, filter: Option<&Expr>) -> Option<bool> {
        let table = catalog.relation(relation)?;
        let mut found = false;
        for id in catalog.with_descendants(relation) {
            for tuple in self.alive(id) {
                found |= qualifies(table, tuple, filter)?;
            }
        }
        Some(found)
    }

    fn changes(
        &self,
        catalog: &Catalog,
        relation: RelationId,
        number: ColumnNumber,
        value: &Expr,
        filter: Option<&Expr>,
    ) -> Option<bool> {
        let table = catalog.relation(relation)?;
        let name = &table.column_at(number)?.name;
        let mut changes = false;
        for tuple in self.alive(relation) {
            if qualifies(table, tuple, filter)? {
                let new = known(evaluate(value, &|name| column(table, tuple, name)))?;
                changes |= known(column(table, tuple, name))? != new;
            }
        }
        Some(changes)
    }

    fn still_referenced(
        &self,
        catalog: &Catalog,
        relation: RelationId,
        key: &ForeignKey,
        owner: RelationId,
        filter: Option<&Expr>,
    ) -> Option<bool> {
        let table = catalog.relation(relation)?;
        let referencing = catalog.relation(owner)?;
        let mut found = false;
        for tuple in self.alive(relation) {
            if qualifies(table, tuple, filter)? {
                let gone = numbers(table, tuple, &key.referenced_columns);
                let refers = |t: &Tuple| numbers(referencing, t, &key.columns) == gone;
                found |= catalog.with_descendants(owner).into_iter().any(|id| self.alive(id).any(refers));
            }
        }
        Some(found)
    }
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

fn known(value: Value) -> Option<Value> {
    (value != Value::Unknown).then_some(value)
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

/// Computes a value; what it does not know is [`Value::Unknown`].
fn evaluate(expr: &Expr, lookup: &dyn Fn(&str) -> Value) -> Value {
    let eval = |e: &Expr| evaluate(e, lookup);
    match &expr.kind {
        ExprKind::Literal(literal) => match literal {
            Literal::Null => Value::Null,
            Literal::Bool(b) => Value::Bool(*b),
            Literal::Integer(n) => Value::Int(*n),
            Literal::Numeric(n) => n.parse().map_or(Value::Unknown, Value::Number),
            Literal::String(s) => Value::Text(s.clone()),
            Literal::Bits(_) => Value::Unknown,
        },
        ExprKind::Column { name, .. } => lookup(&name.text),
        ExprKind::Unary { op, operand } => match (op, eval(operand)) {
            (UnaryOp::Minus, Value::Int(n)) => Value::Int(-n),
            (UnaryOp::Not, Value::Bool(b)) => Value::Bool(!b),
            (_, Value::Null) => Value::Null,
            _ => Value::Unknown,
        },
        ExprKind::Binary { left, op, right } => binary(op, eval(left), eval(right)),
        ExprKind::IsNull { operand, negated } => match eval(operand) {
            Value::Unknown => Value::Unknown,
            value => Value::Bool((value == Value::Null) != *negated),
        },
        ExprKind::Between { operand, low, high, negated: false, .. } => {
            let value = eval(operand);
            let above = binary(&BinaryOp::Ge, value.clone(), eval(low));
            binary(&BinaryOp::And, above, binary(&BinaryOp::Le, value, eval(high)))
        }
        ExprKind::InList { operand, list, negated: false } => {
            let value = eval(operand);
            list.iter().fold(Value::Bool(false), |found, e| {
                binary(&BinaryOp::Or, found, binary(&BinaryOp::Eq, value.clone(), eval(e)))
            })
        }
        ExprKind::Case { operand: None, branches, otherwise } => {
            for (when, then) in branches {
                match eval(when) {
                    Value::Bool(true) => return eval(then),
                    Value::Unknown => return Value::Unknown,
                    _ => {}
                }
            }
            otherwise.as_deref().map_or(Value::Null, eval)
        }
        ExprKind::Cast { operand, to } => cast(eval(operand), &to.name),
        ExprKind::Function(call) if call.name.name.as_str() == "int4range" => {
            let args: Vec<Value> = call.args.iter().map(|a| eval(&a.value)).collect();
            match args.as_slice() {
                [Value::Int(from), Value::Int(to)] => Value::Range(*from, *to),
                _ => Value::Unknown,
            }
        }
        _ => Value::Unknown,
    }
}

fn cast(value: Value, to: &str) -> Value {
    match (value, to) {
        (Value::Text(text), "date") => date(&text).map_or(Value::Unknown, Value::Date),
        (Value::Text(text), "int4" | "int8" | "int2") => text.parse().map_or(Value::Unknown, Value::Int),
        (value @ (Value::Int(_) | Value::Number(_)), "int4" | "int8" | "int2" | "numeric" | "float8") => {
            value
        }
        (value @ Value::Text(_), "text" | "varchar") => value,
        (Value::Null, _) => Value::Null,
        _ => Value::Unknown,
    }
}

/// Days since the first of March of year 0, for `YYYY-MM-DD`.
fn date(text: &str) -> Option<i64> {
    let mut parts = text.split('-').map(|p| p.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    Some(365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1)
}

fn binary(op: &BinaryOp, left: Value, right: Value) -> Value {
    use Value as V;
    match op {
        BinaryOp::And => return logic(left, right, false),
        BinaryOp::Or => return logic(left, right, true),
        _ => {}
    }
    if left == V::Unknown || right == V::Unknown {
        return V::Unknown;
    }
    if left == V::Null || right == V::Null {
        return V::Null;
    }
    let is =
        |test: fn(std::cmp::Ordering) -> bool| order(&left, &right).map_or(V::Unknown, |o| V::Bool(test(o)));
    match op {
        BinaryOp::Eq => is(std::cmp::Ordering::is_eq),
        BinaryOp::Ne => is(std::cmp::Ordering::is_ne),
        BinaryOp::Lt => is(std::cmp::Ordering::is_lt),
        BinaryOp::Le => is(std::cmp::Ordering::is_le),
        BinaryOp::Gt => is(std::cmp::Ordering::is_gt),
        BinaryOp::Ge => is(std::cmp::Ordering::is_ge),
        BinaryOp::Concat => match (text(&left), text(&right)) {
            (Some(a), Some(b)) => V::Text(a + &b),
            _ => V::Unknown,
        },
        _ => arithmetic(op, left, right),
    }
}

fn arithmetic(op: &BinaryOp, left: Value, right: Value) -> Value {
    match (op, left, right) {
        (BinaryOp::Add, Value::Date(d), Value::Int(n)) => Value::Date(d + n),
        (BinaryOp::Sub, Value::Date(d), Value::Int(n)) => Value::Date(d - n),
        (BinaryOp::Add, Value::Int(a), Value::Int(b)) => Value::Int(a + b),
        (BinaryOp::Sub, Value::Int(a), Value::Int(b)) => Value::Int(a - b),
        (BinaryOp::Mul, Value::Int(a), Value::Int(b)) => Value::Int(a * b),
        (BinaryOp::Div, Value::Int(a), Value::Int(b)) if b != 0 => Value::Int(a / b),
        (BinaryOp::Mod, Value::Int(a), Value::Int(b)) if b != 0 => Value::Int(a % b),
        _ => Value::Unknown,
    }
}

/// AND (`decisive` false) and OR (`decisive` true) over three values and the unknown.
fn logic(left: Value, right: Value, decisive: bool) -> Value {
    let decides = Value::Bool(decisive);
    if left == decides || right == decides {
        return decides;
    }
    if left == Value::Unknown || right == Value::Unknown {
        return Value::Unknown;
    }
    if left == Value::Null || right == Value::Null {
        return Value::Null;
    }
    Value::Bool(!decisive)
}

fn order(left: &Value, right: &Value) -> Option<std::cmp::Ordering> {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) | (Value::Date(a), Value::Date(b)) => Some(a.cmp(b)),
        (Value::Number(a), Value::Number(b)) => a.partial_cmp(b),
        (Value::Int(a), Value::Number(b)) => (*a as f64).partial_cmp(b),
        (Value::Number(a), Value::Int(b)) => a.partial_cmp(&(*b as f64)),
        (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
        (Value::Date(a), Value::Text(b)) => Some(a.cmp(&date(b)?)),
        (Value::Text(a), Value::Date(b)) => Some(date(a)?.cmp(b)),
        (Value::Int(a), Value::Text(b)) => Some(a.cmp(&b.parse().ok()?)),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Int(n) => Some(n.to_string()),
        _ => None,
    }
}
