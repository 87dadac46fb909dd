//! Expressions, compiled against the columns that they can see, and their evaluation.

mod bind;
mod functions;
mod md5;
mod operators;
mod pattern;

use std::rc::Rc;

pub(crate) use bind::{
    AggregateCall, Aggregates, Binder, Scope, ScopeColumn, ScopeItem, StepCall, coerce, conjuncts,
    series_args,
};
pub(crate) use functions::{Aggregate, Function, StepFunction, aggregate, common_type, finish};
pub(crate) use operators::{Arithmetic, Comparison};
pub(crate) use pattern::Pattern;

use crate::error::{Result, error};
use crate::exec::Exec;
use crate::plan::SubPlan;
use crate::value::{Type, Value, cast};

/// A compiled expression and its type.
#[derive(Clone, Debug)]
pub(crate) struct Typed {
    pub(crate) node: Node,
    pub(crate) ty: Type,
}

/// A compiled expression.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Const(Value),
    /// A value of the row.
    Column(usize),
    /// A value of the row of an enclosing query, so many levels up.
    Outer(usize, usize),
    /// A parameter, counted from 0.
    Param(usize),
    /// What a step function of the target list returned.
    StepResult(usize),
    /// The values of `generate_series`, as an array.
    Series(Vec<Typed>),
    /// A step function anywhere else.
    Step(StepFunction, Vec<Typed>),
    Not(Box<Typed>),
    Negate(Box<Typed>),
    And(Vec<Typed>),
    Or(Vec<Typed>),
    Compare(Comparison, Box<[Typed; 2]>),
    Arithmetic(Arithmetic, Box<[Typed; 2]>),
    Concat(Box<[Typed; 2]>),
    IsNull(Box<Typed>),
    IsBool(Box<Typed>, Option<bool>),
    IsDistinct(Box<[Typed; 2]>),
    InList(Box<Typed>, Vec<Typed>),
    Matches(Box<[Typed; 2]>, Pattern),
    Case(Vec<(Typed, Typed)>, Option<Box<Typed>>),
    Coalesce(Vec<Typed>),
    NullIf(Box<[Typed; 2]>),
    Cast(Box<Typed>),
    Call(Function, Vec<Typed>),
    /// A function in SQL: its arguments, and its body over them as over a row.
    Inlined(Vec<Typed>, Rc<Typed>),
    Array(Vec<Typed>),
    Row(Vec<Typed>),
    Subscript(Box<[Typed; 2]>),
    /// `op ANY (array)`, or ALL.
    AnyOfArray(Comparison, bool, Box<[Typed; 2]>),
    Scalar(Rc<SubPlan>),
    Exists(Rc<SubPlan>),
    /// `op ANY (query)`, or ALL; IN is `= ANY`.
    AnyOfQuery(Comparison, bool, Box<Typed>, Rc<SubPlan>),
    ArrayOfQuery(Rc<SubPlan>),
}

/// The rows that an expression can see: its own query's, and those of the queries around it.
#[derive(Clone, Copy)]
pub(crate) struct Env<'a> {
    pub(crate) row: &'a [Value],
    pub(crate) outer: Option<&'a Env<'a>>,
}

impl<'a> Env<'a> {
    pub(crate) const fn row(row: &'a [Value]) -> Self {
        Self { row, outer: None }
    }

    fn up(&self, levels: usize, slot: usize) -> Value {
        let mut env = self;
        for _ in 0..levels {
            match env.outer {
                Some(outer) => env = outer,
                None => return Value::Null,
            }
        }
        env.row.get(slot).cloned().unwrap_or_default()
    }
}

impl Typed {
    pub(crate) const fn new(node: Node, ty: Type) -> Self {
        Self { node, ty }
    }

    pub(crate) const fn constant(value: Value, ty: Type) -> Self {
        Self { node: Node::Const(value), ty }
    }

    /// Whether the condition holds: true, not false and not NULL.
    pub(crate) fn holds(&self, ex: &mut Exec<'_, '_>, env: &Env<'_>) -> Result<bool> {
        Ok(matches!(self.eval(ex, env)?, Value::Bool(true)))
    }

    fn truth(&self, ex: &mut Exec<'_, '_>, env: &Env<'_>) -> Result<Option<bool>> {
        match self.eval(ex, env)? {
            Value::Bool(b) => Ok(Some(b)),
            Value::Null => Ok(None),
            _ => Err(error("42804", "argument of a condition must be type boolean")),
        }
    }

    /// The value for a row.
    pub(crate) fn eval(&self, ex: &mut Exec<'_, '_>, env: &Env<'_>) -> Result<Value> {
        Ok(match &self.node {
            Node::Const(value) => value.clone(),
            Node::Column(slot) => env.row.get(*slot).cloned().unwrap_or_default(),
            Node::Outer(levels, slot) => env.up(*levels, *slot),
            Node::Param(n) => ex.param(*n)?,
            Node::StepResult(n) => ex.step_results.get(*n).cloned().unwrap_or_default(),
            Node::Series(args) => {
                let args = all(args, ex, env)?;
                Value::Array(crate::exec::series(&args)?.into())
            }
            Node::Step(function, args) => {
                let args = all(args, ex, env)?;
                ex.stop_for(*function, args)?
            }
            Node::Not(a) => a.truth(ex, env)?.map_or(Value::Null, |b| Value::Bool(!b)),
            Node::Negate(a) => operators::negate(a.eval(ex, env)?, &self.ty)?,
            Node::And(list) => junction(list, false, ex, env)?,
            Node::Or(list) => junction(list, true, ex, env)?,
            Node::Compare(op, sides) => {
                let (a, b) = (sides[0].eval(ex, env)?, sides[1].eval(ex, env)?);
                truth_value(op.apply(&a, &b))
            }
            Node::Arithmetic(op, sides) => {
                let (a, b) = (sides[0].eval(ex, env)?, sides[1].eval(ex, env)?);
                op.apply(a, b, &self.ty)?
            }
            Node::Concat(sides) => {
                let (a, b) = (sides[0].eval(ex, env)?, sides[1].eval(ex, env)?);
                operators::concat(a, b)
            }
            Node::IsNull(a) => Value::Bool(a.eval(ex, env)?.is_null()),
            Node::IsBool(a, wanted) => Value::Bool(a.truth(ex, env)? == *wanted),
            Node::IsDistinct(sides) => Value::Bool(sides[0].eval(ex, env)? != sides[1].eval(ex, env)?),
            Node::InList(a, list) => in_list(a, list, ex, env)?,
            Node::Matches(sides, pattern) => {
                let (text, by) = (sides[0].eval(ex, env)?, sides[1].eval(ex, env)?);
                match (text.as_text(), by.as_text()) {
                    (Some(text), Some(by)) => Value::Bool(pattern.matches(text, by)?),
                    _ => Value::Null,
                }
            }
            Node::Case(branches, otherwise) => {
                for (condition, value) in branches {
                    if condition.holds(ex, env)? {
                        return value.eval(ex, env);
                    }
                }
                otherwise.as_ref().map_or(Ok(Value::Null), |e| e.eval(ex, env))?
            }
            Node::Coalesce(list) => {
                for e in list {
                    let value = e.eval(ex, env)?;
                    if !value.is_null() {
                        return Ok(value);
                    }
                }
                Value::Null
            }
            Node::NullIf(sides) => {
                let a = sides[0].eval(ex, env)?;
                let b = sides[1].eval(ex, env)?;
                if !a.is_null() && a == b { Value::Null } else { a }
            }
            Node::Cast(a) => cast(a.eval(ex, env)?, &a.ty, &self.ty)?,
            Node::Call(function, args) => {
                let values = args.iter().map(|a| a.eval(ex, env)).collect::<Result<Vec<_>>>()?;
                function.call(ex, args, values)?
            }
            Node::Array(list) => Value::Array(all(list, ex, env)?.into()),
            Node::Row(list) => Value::Record(all(list, ex, env)?.into()),
            Node::Subscript(sides) => match (sides[0].eval(ex, env)?, sides[1].eval(ex, env)?) {
                (Value::Array(items), Value::Int(n)) => {
                    let at = usize::try_from(n).ok().and_then(|n| n.checked_sub(1));
                    at.and_then(|at| items.get(at)).cloned().unwrap_or_default()
                }
                _ => Value::Null,
            },
            Node::AnyOfArray(op, all, sides) => {
                let a = sides[0].eval(ex, env)?;
                match sides[1].eval(ex, env)? {
                    Value::Array(items) => quantified(*op, *all, &a, items.iter()),
                    _ => Value::Null,
                }
            }
            Node::Scalar(plan) => {
                let rows = ex.subquery(plan, env)?;
                if rows.len() > 1 {
                    let message = "more than one row returned by a subquery used as an expression";
                    return Err(error("21000", message));
                }
                rows.first().and_then(|row| row.first().cloned()).unwrap_or_default()
            }
            Node::Exists(plan) => Value::Bool(!ex.subquery(plan, env)?.is_empty()),
            Node::AnyOfQuery(op, all, a, plan) => {
                let a = a.eval(ex, env)?;
                let rows = ex.subquery(plan, env)?;
                match &a {
                    Value::Record(_) => {
                        let rows: Vec<Value> = rows.iter().map(|r| Value::Record(r.clone())).collect();
                        quantified(*op, *all, &a, rows.iter())
                    }
                    _ => quantified(*op, *all, &a, rows.iter().filter_map(|row| row.first())),
                }
            }
            Node::Inlined(args, body) => {
                let args = all(args, ex, env)?;
                body.eval(ex, &Env::row(&args))?
            }
            Node::ArrayOfQuery(plan) => {
                let rows = ex.subquery(plan, env)?;
                Value::Array(rows.iter().map(|row| row.first().cloned().unwrap_or_default()).collect())
            }
        })
    }

    /// The value, if it does not depend on any row and has no effects.
    pub(crate) fn as_constant(&self) -> Option<&Value> {
        match &self.node {
            Node::Const(value) => Some(value),
            _ => None,
        }
    }

    /// Calls `visit` for this expression and all in it, those of subqueries and of functions' bodies excepted.
    pub(crate) fn walk(&self, visit: &mut dyn FnMut(&Self)) {
        visit(self);
        let mut pair = |sides: &[Self; 2]| sides.iter().for_each(|s| s.walk(visit));
        match &self.node {
            Node::Const(_)
            | Node::Column(_)
            | Node::Outer(..)
            | Node::Param(_)
            | Node::StepResult(_)
            | Node::Scalar(_)
            | Node::Exists(_)
            | Node::ArrayOfQuery(_) => {}
            Node::Compare(_, s)
            | Node::Arithmetic(_, s)
            | Node::Concat(s)
            | Node::IsDistinct(s)
            | Node::Matches(s, _)
            | Node::NullIf(s)
            | Node::Subscript(s)
            | Node::AnyOfArray(_, _, s) => pair(s),
            Node::Not(a)
            | Node::Negate(a)
            | Node::IsNull(a)
            | Node::IsBool(a, _)
            | Node::Cast(a)
            | Node::AnyOfQuery(_, _, a, _) => a.walk(visit),
            Node::And(list)
            | Node::Or(list)
            | Node::Coalesce(list)
            | Node::Call(_, list)
            | Node::Step(_, list)
            | Node::Series(list)
            | Node::Inlined(list, _)
            | Node::Array(list)
            | Node::Row(list) => list.iter().for_each(|e| e.walk(visit)),
            Node::InList(a, list) => {
                a.walk(visit);
                list.iter().for_each(|e| e.walk(visit));
            }
            Node::Case(branches, otherwise) => {
                for (condition, value) in branches {
                    condition.walk(visit);
                    value.walk(visit);
                }
                if let Some(e) = otherwise {
                    e.walk(visit);
                }
            }
        }
    }

    /// The row's values that it reads, subqueries' references included; nothing if that is not known.
    pub(crate) fn columns(&self) -> Option<Vec<usize>> {
        let mut found = Vec::new();
        let mut known = true;
        self.walk(&mut |e| match &e.node {
            Node::Column(slot) => found.push(*slot),
            Node::Scalar(p) | Node::Exists(p) | Node::AnyOfQuery(_, _, _, p) | Node::ArrayOfQuery(p) => {
                known &= !p.correlated;
            }
            _ => {}
        });
        known.then_some(found)
    }

    /// Whether the value is the same for every row of the query: no column of it is read, nothing volatile.
    pub(crate) fn is_row_independent(&self) -> bool {
        let mut independent = true;
        self.walk(&mut |e| match &e.node {
            Node::Column(_) | Node::StepResult(_) | Node::Step(..) => independent = false,
            Node::Call(function, _) => independent &= !function.is_volatile(),
            Node::Inlined(_, body) => independent &= !body.calls_volatile(),
            Node::Scalar(p) | Node::Exists(p) | Node::AnyOfQuery(_, _, _, p) | Node::ArrayOfQuery(p) => {
                independent &= !p.correlated;
            }
            _ => {}
        });
        independent
    }

    /// Whether a function in it may return something else each time.
    fn calls_volatile(&self) -> bool {
        let mut volatile = false;
        self.walk(&mut |e| match &e.node {
            Node::Call(function, _) => volatile |= function.is_volatile(),
            Node::Step(..) => volatile = true,
            Node::Inlined(_, body) => volatile |= body.calls_volatile(),
            _ => {}
        });
        volatile
    }
}

fn all(list: &[Typed], ex: &mut Exec<'_, '_>, env: &Env<'_>) -> Result<Vec<Value>> {
    list.iter().map(|e| e.eval(ex, env)).collect()
}

const fn truth_value(truth: Option<bool>) -> Value {
    match truth {
        Some(b) => Value::Bool(b),
        None => Value::Null,
    }
}

/// AND and OR: `decisive` is the value that settles the matter, whatever the rest is.
fn junction(list: &[Typed], decisive: bool, ex: &mut Exec<'_, '_>, env: &Env<'_>) -> Result<Value> {
    let mut unknown = false;
    for e in list {
        match e.truth(ex, env)? {
            Some(b) if b == decisive => return Ok(Value::Bool(decisive)),
            Some(_) => {}
            None => unknown = true,
        }
    }
    Ok(if unknown { Value::Null } else { Value::Bool(!decisive) })
}

fn in_list(a: &Typed, list: &[Typed], ex: &mut Exec<'_, '_>, env: &Env<'_>) -> Result<Value> {
    let a = a.eval(ex, env)?;
    let mut unknown = false;
    for e in list {
        match Comparison::Eq.apply(&a, &e.eval(ex, env)?) {
            Some(true) => return Ok(Value::Bool(true)),
            Some(false) => {}
            None => unknown = true,
        }
    }
    Ok(if unknown { Value::Null } else { Value::Bool(false) })
}

fn quantified<'v>(op: Comparison, all: bool, a: &Value, items: impl Iterator<Item = &'v Value>) -> Value {
    let mut unknown = false;
    for item in items {
        match op.apply(a, item) {
            Some(b) if b != all => return Value::Bool(b),
            Some(_) => {}
            None => unknown = true,
        }
    }
    if unknown { Value::Null } else { Value::Bool(all) }
}
