//! From the syntax tree to compiled expressions: names, types, overloads.

use std::rc::Rc;

use lock_table::RelationId;
use schema_rules::expression::same;
use sql_syntax::ast::{self, BinaryOp, ExprKind, Literal, UnaryOp};

use super::functions::{common_type, step_function};
use super::operators::{Arithmetic, Comparison};
use super::{Aggregate, Function, Node, Pattern, StepFunction, Typed, aggregate};
use crate::error::{Result, SqlError, error, not_modelled};
use crate::plan::Planner;
use crate::value::{Decimal, Type, Value, parse_literal};

/// A column that a query can name.
#[derive(Clone, Debug)]
pub(crate) struct ScopeColumn {
    pub(crate) name: Rc<str>,
    pub(crate) ty: Type,
    pub(crate) slot: usize,
    /// Merged into another one by USING: only its qualified name finds it.
    pub(crate) hidden: bool,
}

/// An entry of FROM as names see it.
#[derive(Clone, Debug)]
pub(crate) struct ScopeItem {
    pub(crate) alias: Rc<str>,
    pub(crate) relation: Option<RelationId>,
    pub(crate) columns: Vec<ScopeColumn>,
}

/// What names mean in a query, and in the queries around it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Scope<'a> {
    pub(crate) items: &'a [ScopeItem],
    pub(crate) parent: Option<&'a Scope<'a>>,
}

/// The aggregates of a query; each has a value behind those of the row.
#[derive(Debug, Default)]
pub(crate) struct Aggregates {
    pub(crate) calls: Vec<AggregateCall>,
    /// How many values the row has.
    pub(crate) base: usize,
    sources: Vec<ast::Expr>,
}

impl Aggregates {
    /// None yet, over rows of so many values.
    pub(crate) fn over(base: usize) -> Self {
        Self { base, ..Self::default() }
    }
}

/// One aggregate of a query.
#[derive(Clone, Debug)]
pub(crate) struct AggregateCall {
    pub(crate) function: Aggregate,
    pub(crate) argument: Option<Typed>,
    pub(crate) separator: Option<Typed>,
    pub(crate) distinct: bool,
    pub(crate) filter: Option<Typed>,
    pub(crate) order_by: Vec<(Typed, bool, bool)>,
    pub(crate) ty: Type,
}

/// A call of a step function in a target list.
#[derive(Clone, Debug)]
pub(crate) struct StepCall {
    pub(crate) function: StepFunction,
    pub(crate) args: Vec<Typed>,
}

/// Compiles expressions.
pub(crate) struct Binder<'b, 'p> {
    pub(crate) planner: &'b mut Planner<'p>,
    pub(crate) scope: Scope<'b>,
    /// Where aggregates are allowed, what they are collected in.
    pub(crate) aggregates: Option<&'b mut Aggregates>,
    /// Where step functions are allowed, what they are collected in.
    pub(crate) steps: Option<&'b mut Vec<StepCall>>,
    /// Where functions that return sets are allowed, what they are collected in.
    pub(crate) sets: Option<&'b mut Vec<Typed>>,
}

impl<'b, 'p> Binder<'b, 'p> {
    pub(crate) fn new(planner: &'b mut Planner<'p>, scope: Scope<'b>) -> Self {
        Self { planner, scope, aggregates: None, steps: None, sets: None }
    }

    /// A condition.
    pub(crate) fn condition(&mut self, e: &ast::Expr, clause: &str) -> Result<Typed> {
        let typed = self.compile(e)?;
        match typed.ty {
            Type::Bool => Ok(typed),
            Type::Unknown => coerce(typed, &Type::Bool),
            ty => Err(error("42804", format!("argument of {clause} must be type boolean, not type {ty}"))),
        }
    }

    /// Any expression.
    pub(crate) fn compile(&mut self, e: &ast::Expr) -> Result<Typed> {
        let boolean = |node| Ok(Typed::new(node, Type::Bool));
        match &e.kind {
            ExprKind::Literal(literal) => constant(literal),
            ExprKind::Column { qualifier, name } => self.column(qualifier, name),
            ExprKind::Wildcard { .. } => Err(not_modelled("whole rows as values")),
            ExprKind::Param(n) => {
                let at = (*n as usize).saturating_sub(1);
                if let Some(argument) = self.planner.argument(at) {
                    return Ok(Typed::new(Node::Column(at), argument));
                }
                let ty = self.planner.param_type(at);
                Ok(Typed::new(Node::Param(at), ty))
            }
            ExprKind::Default => Err(error("42601", "DEFAULT is not allowed in this context")),
            ExprKind::Unary { op, operand } => self.unary(op, operand),
            ExprKind::Binary { left, op, right } => self.binary(left, op, right),
            ExprKind::IsNull { operand, negated } => {
                let operand = self.compile(operand)?;
                boolean(negate(Node::IsNull(Box::new(operand)), *negated))
            }
            ExprKind::IsBool { operand, value, negated } => {
                let operand = coerce(self.compile(operand)?, &Type::Bool)?;
                boolean(negate(Node::IsBool(Box::new(operand), *value), *negated))
            }
            ExprKind::IsDistinctFrom { left, right, negated } => {
                let sides = self.comparable("=", left, right)?;
                boolean(negate(Node::IsDistinct(Box::new(sides)), *negated))
            }
            ExprKind::Between { operand, low, high, negated, symmetric } => {
                if *symmetric {
                    return Err(not_modelled("BETWEEN SYMMETRIC"));
                }
                let low = self.comparison(operand, Comparison::Ge, low)?;
                let high = self.comparison(operand, Comparison::Le, high)?;
                boolean(negate(Node::And(vec![low, high]), *negated))
            }
            ExprKind::InList { operand, list, negated } => {
                let operand = self.compile(operand)?;
                let items = list.iter().map(|e| self.compile(e)).collect::<Result<Vec<_>>>()?;
                boolean(negate(in_list(operand, items)?, *negated))
            }
            ExprKind::InSubquery { operand, query, negated } => {
                let node = self.quantified_query(operand, Comparison::Eq, false, query)?;
                boolean(negate(node, *negated))
            }
            ExprKind::Like { operand, pattern, escape, kind, negated } => {
                let pattern_kind = match kind {
                    ast::LikeKind::SimilarTo => return Err(not_modelled("SIMILAR TO")),
                    kind => Pattern::Like {
                        fold: *kind == ast::LikeKind::Ilike,
                        escape: like_escape(escape.as_deref())?,
                    },
                };
                let node = self.pattern(operand, pattern, pattern_kind)?;
                boolean(negate(node, *negated))
            }
            ExprKind::Quantified { left, op, all, right } => self.quantified(left, op, *all, right),
            ExprKind::Case { operand, branches, otherwise } => {
                self.case(operand.as_deref(), branches, otherwise.as_deref())
            }
            ExprKind::Cast { operand, to } => {
                let to = self.planner.data_type(to)?;
                let operand = self.compile(operand)?;
                cast_to(operand, to)
            }
            ExprKind::Collate { operand, .. } => self.compile(operand),
            ExprKind::AtTimeZone { operand, zone } => self.at_time_zone(operand, zone),
            ExprKind::Function(call) => self.call(call, e),
            ExprKind::Array(items) => {
                let items = items.iter().map(|e| self.compile(e)).collect::<Result<Vec<_>>>()?;
                let (items, ty) = unify(items)?;
                Ok(Typed::new(Node::Array(items), Type::Array(Rc::new(ty))))
            }
            ExprKind::Row(items) => {
                let items = items.iter().map(|e| self.compile(e)).collect::<Result<Vec<_>>>()?;
                Ok(Typed::new(Node::Row(items), Type::Record))
            }
            ExprKind::Subquery(query) => {
                let plan = self.planner.subquery(query, &self.scope)?;
                let [column] = plan.columns.as_slice() else {
                    return Err(error("42601", "subquery must return only one column"));
                };
                let ty = column.ty.clone();
                Ok(Typed::new(Node::Scalar(plan), ty))
            }
            ExprKind::Exists(query) => {
                let plan = self.planner.subquery(query, &self.scope)?;
                boolean(Node::Exists(plan))
            }
            ExprKind::ArraySubquery(query) => {
                let plan = self.planner.subquery(query, &self.scope)?;
                let ty = plan.columns.first().map_or(Type::Text, |c| c.ty.clone());
                Ok(Typed::new(Node::ArrayOfQuery(plan), Type::Array(Rc::new(ty))))
            }
            ExprKind::Subscript { operand, index } => {
                let operand = self.compile(operand)?;
                let Type::Array(element) = operand.ty.clone() else {
                    return Err(error("42804", format!("cannot subscript type {}", operand.ty)));
                };
                let index = coerce(self.compile(index)?, &Type::Int4)?;
                Ok(Typed::new(Node::Subscript(Box::new([operand, index])), (*element).clone()))
            }
            ExprKind::Field { .. } => Err(not_modelled("fields of rows")),
            ExprKind::NotModelled(what) => Err(not_modelled(what)),
        }
    }

    fn column(&mut self, qualifier: &[ast::Ident], name: &ast::Ident) -> Result<Typed> {
        let mut scope = Some(&self.scope);
        let mut level = 0;
        while let Some(current) = scope {
            if let Some(column) = find(current.items, qualifier, name)? {
                if level == 0 {
                    return Ok(Typed::new(Node::Column(column.slot), column.ty.clone()));
                }
                let found = Typed::new(Node::Outer(level, column.slot), column.ty.clone());
                self.planner.note_outer(level);
                return Ok(found);
            }
            scope = current.parent;
            level += 1;
        }
        Err(self.no_such_column(qualifier, name))
    }

    fn no_such_column(&self, qualifier: &[ast::Ident], name: &ast::Ident) -> SqlError {
        if matches!(&*name.text, "tableoid" | "ctid" | "xmin" | "xmax" | "cmin" | "cmax") {
            return not_modelled(format!("the system column {}", name.text));
        }
        let Some(table) = qualifier.last() else {
            return error("42703", format!("column \"{}\" does not exist", name.text));
        };
        let mut scope = Some(&self.scope);
        while let Some(current) = scope {
            if current.items.iter().any(|i| *i.alias == *table.text) {
                return error("42703", format!("column {}.{} does not exist", table.text, name.text));
            }
            scope = current.parent;
        }
        error("42P01", format!("missing FROM-clause entry for table \"{}\"", table.text))
    }

    fn unary(&mut self, op: &UnaryOp, operand: &ast::Expr) -> Result<Typed> {
        // The least integer of each width is a constant, not a negated one.
        if let (UnaryOp::Minus, ExprKind::Literal(Literal::Integer(n))) = (op, &operand.kind)
            && let Some(n) = n.checked_neg()
        {
            return constant(&Literal::Integer(n));
        }
        let operand = self.compile(operand)?;
        match op {
            UnaryOp::Not => {
                let operand = coerce(operand, &Type::Bool)?;
                Ok(Typed::new(Node::Not(Box::new(operand)), Type::Bool))
            }
            UnaryOp::Plus => Ok(operand),
            UnaryOp::Minus => {
                let operand =
                    if operand.ty == Type::Unknown { coerce(operand, &Type::Float8)? } else { operand };
                let ty = operand.ty.clone();
                if !ty.is_number() && ty != Type::Interval {
                    return Err(error("42883", format!("operator does not exist: - {ty}")));
                }
                Ok(Typed::new(Node::Negate(Box::new(operand)), ty))
            }
            UnaryOp::Custom(op) => Err(not_modelled(format!("the operator {op}"))),
        }
    }

    fn binary(&mut self, left: &ast::Expr, op: &BinaryOp, right: &ast::Expr) -> Result<Typed> {
        let arithmetic = match op {
            BinaryOp::And | BinaryOp::Or => return self.junction(left, op, right),
            BinaryOp::Add => Arithmetic::Add,
            BinaryOp::Sub => Arithmetic::Sub,
            BinaryOp::Mul => Arithmetic::Mul,
            BinaryOp::Div => Arithmetic::Div,
            BinaryOp::Mod => Arithmetic::Mod,
            BinaryOp::Pow => Arithmetic::Pow,
            BinaryOp::Concat => return self.concat(left, right),
            BinaryOp::Custom(symbol) => return self.custom(left, symbol, right),
            BinaryOp::Overlaps => return Err(not_modelled("OVERLAPS")),
            comparison => {
                let op = comparison_of(comparison).ok_or_else(|| not_modelled(comparison.as_str()))?;
                return self.comparison(left, op, right);
            }
        };
        let (left, right) = (self.compile(left)?, self.compile(right)?);
        arithmetic_of(arithmetic, left, right)
    }

    /// Chains of AND or OR become one list, without recursion along the chain.
    fn junction(&mut self, left: &ast::Expr, op: &BinaryOp, right: &ast::Expr) -> Result<Typed> {
        let mut operands = vec![right];
        let mut rest = left;
        while let ExprKind::Binary { left, op: inner, right } = &rest.kind
            && inner == op
        {
            operands.push(right);
            rest = left;
        }
        operands.push(rest);
        let clause = op.as_str().to_owned();
        let list: Result<Vec<Typed>> = operands.iter().rev().map(|e| self.condition(e, &clause)).collect();
        let node = if *op == BinaryOp::And { Node::And(list?) } else { Node::Or(list?) };
        Ok(Typed::new(node, Type::Bool))
    }

    fn concat(&mut self, left: &ast::Expr, right: &ast::Expr) -> Result<Typed> {
        let (left, right) = (self.compile(left)?, self.compile(right)?);
        let ty = match (&left.ty, &right.ty) {
            (array @ Type::Array(_), _) | (_, array @ Type::Array(_)) => array.clone(),
            (a, b) if a.is_string() || b.is_string() || (*a == Type::Unknown && *b == Type::Unknown) => {
                Type::Text
            }
            (Type::Unknown, _) | (_, Type::Unknown) => Type::Text,
            (a, b) => return Err(error("42883", format!("operator does not exist: {a} || {b}"))),
        };
        let bring = |e: Typed| match (&ty, &e.ty) {
            (Type::Text, from) if *from != Type::Text => coerce_to_text(e),
            (Type::Array(element), from) if !matches!(from, Type::Array(_)) => coerce(e, &element.clone()),
            _ => Ok(e),
        };
        let (left, right) = (bring(left)?, bring(right)?);
        Ok(Typed::new(Node::Concat(Box::new([left, right])), ty))
    }

    fn custom(&mut self, left: &ast::Expr, symbol: &str, right: &ast::Expr) -> Result<Typed> {
        let (fold, negated) = match symbol {
            "~" => (false, false),
            "~*" => (true, false),
            "!~" => (false, true),
            "!~*" => (true, true),
            "~~" | "!~~" | "~~*" | "!~~*" => {
                let kind = Pattern::Like { fold: symbol.ends_with('*'), escape: Some('\\') };
                let node = self.pattern(left, right, kind)?;
                return Ok(Typed::new(negate(node, symbol.starts_with('!')), Type::Bool));
            }
            other => return Err(not_modelled(format!("the operator {other}"))),
        };
        let node = self.pattern(left, right, Pattern::Regex { fold })?;
        Ok(Typed::new(negate(node, negated), Type::Bool))
    }

    fn pattern(&mut self, text: &ast::Expr, pattern: &ast::Expr, kind: Pattern) -> Result<Node> {
        let text = self.string(text)?;
        let pattern = self.string(pattern)?;
        Ok(Node::Matches(Box::new([text, pattern]), kind))
    }

    fn string(&mut self, e: &ast::Expr) -> Result<Typed> {
        let e = self.compile(e)?;
        match &e.ty {
            ty if ty.is_string() => Ok(e),
            Type::Unknown => coerce(e, &Type::Text),
            ty => Err(error("42883", format!("operator does not exist: {ty} ~~ unknown"))),
        }
    }

    fn comparison(&mut self, left: &ast::Expr, op: Comparison, right: &ast::Expr) -> Result<Typed> {
        let sides = self.comparable(symbol(op), left, right)?;
        Ok(Typed::new(Node::Compare(op, Box::new(sides)), Type::Bool))
    }

    fn comparable(&mut self, symbol: &str, left: &ast::Expr, right: &ast::Expr) -> Result<[Typed; 2]> {
        let (left, right) = (self.compile(left)?, self.compile(right)?);
        comparable(symbol, left, right)
    }

    fn quantified(&mut self, left: &ast::Expr, op: &BinaryOp, all: bool, right: &ast::Expr) -> Result<Typed> {
        let op = comparison_of(op).ok_or_else(|| not_modelled(format!("{} ANY", op.as_str())))?;
        if let ExprKind::Subquery(query) = &right.kind {
            let node = self.quantified_query(left, op, all, query)?;
            return Ok(Typed::new(node, Type::Bool));
        }
        let left = self.compile(left)?;
        let right = self.compile(right)?;
        let (left, right) = match (left.ty.clone(), right.ty.clone()) {
            (ty, Type::Unknown) => (left, coerce(right, &Type::Array(Rc::new(ty)))?),
            (Type::Unknown, Type::Array(element)) => (coerce(left, &element)?, right),
            (_, Type::Array(_)) => (left, right),
            _ => return Err(error("42809", "op ANY/ALL (array) requires array on right side")),
        };
        Ok(Typed::new(Node::AnyOfArray(op, all, Box::new([left, right])), Type::Bool))
    }

    fn quantified_query(
        &mut self,
        left: &ast::Expr,
        op: Comparison,
        all: bool,
        query: &ast::Query,
    ) -> Result<Node> {
        let left = self.compile(left)?;
        let plan = self.planner.subquery(query, &self.scope)?;
        let width = if let Node::Row(items) = &left.node { items.len() } else { 1 };
        if plan.columns.len() != width {
            let few = if plan.columns.len() > width { "many" } else { "few" };
            return Err(error("42601", format!("subquery has too {few} columns")));
        }
        let left = match plan.columns.first() {
            Some(column) if left.ty == Type::Unknown => coerce(left, &column.ty)?,
            _ => left,
        };
        Ok(Node::AnyOfQuery(op, all, Box::new(left), plan))
    }

    fn case(
        &mut self,
        operand: Option<&ast::Expr>,
        branches: &[(ast::Expr, ast::Expr)],
        otherwise: Option<&ast::Expr>,
    ) -> Result<Typed> {
        let mut conditions = Vec::new();
        let mut values = Vec::new();
        for (condition, value) in branches {
            conditions.push(match operand {
                Some(operand) => self.comparison(operand, Comparison::Eq, condition)?,
                None => self.condition(condition, "CASE/WHEN")?,
            });
            values.push(self.compile(value)?);
        }
        if let Some(e) = otherwise {
            values.push(self.compile(e)?);
        }
        let (mut values, ty) = unify(values)?;
        let otherwise = otherwise.and_then(|_| values.pop()).map(Box::new);
        let branches = conditions.into_iter().zip(values).collect();
        Ok(Typed::new(Node::Case(branches, otherwise), ty))
    }

    /// The server's time zone is UTC, and so must the one asked for be.
    fn at_time_zone(&mut self, operand: &ast::Expr, zone: &ast::Expr) -> Result<Typed> {
        let is_utc =
            matches!(&zone.kind, ExprKind::Literal(Literal::String(z)) if z.eq_ignore_ascii_case("utc"));
        if !is_utc {
            return Err(not_modelled("time zones other than UTC"));
        }
        let operand = self.compile(operand)?;
        let ty = if matches!(operand.ty, Type::TimestampTz(_)) {
            Type::Timestamp(None)
        } else {
            Type::TimestampTz(None)
        };
        cast_to(operand, ty)
    }

    fn call(&mut self, call: &ast::FunctionCall, e: &ast::Expr) -> Result<Typed> {
        let name = call.name.name.as_str();
        if call.over.is_some() {
            return Err(not_modelled("window functions"));
        }
        if call.args.iter().any(|a| a.name.is_some() || a.variadic) {
            return Err(not_modelled("named and variadic arguments"));
        }
        if let Some(function) = aggregate(name, call.star) {
            return self.aggregate(function, call, e);
        }
        match name {
            "coalesce" => {
                let args = self.args(call)?;
                let (args, ty) = unify(args)?;
                return Ok(Typed::new(Node::Coalesce(args), ty));
            }
            "nullif" if call.args.len() == 2 => {
                let sides = self.comparable("=", &call.args[0].value, &call.args[1].value)?;
                let ty = sides[0].ty.clone();
                return Ok(Typed::new(Node::NullIf(Box::new(sides)), ty));
            }
            _ => {}
        }
        if let Some((function, ty)) = step_function(name) {
            return self.step_call(function, ty, call);
        }
        let mut args = self.args(call)?;
        let types: Vec<Type> = args.iter().map(|a| a.ty.clone()).collect();
        if matches!((name, args.len()), ("generate_series", 2..=3) | ("unnest", 1)) {
            return self.set_call(name, args);
        }
        let Some(function) = Function::find(name, args.len()) else {
            return self.planner.call_in_sql(&call.name, args);
        };
        for (n, arg) in args.iter_mut().enumerate() {
            if let Some(wanted) = function.argument(n, &types) {
                let given = std::mem::replace(arg, Typed::constant(Value::Null, Type::Unknown));
                *arg = coerce(given, &wanted)?;
            }
        }
        if function.name() == "nextval"
            && let Some(Value::Text(sequence)) = args.first().and_then(Typed::as_constant)
        {
            self.planner.note_sequence(sequence);
        }
        let types: Vec<Type> = args.iter().map(|a| a.ty.clone()).collect();
        let ty = match (function.name(), types.last()) {
            ("date_trunc", Some(time @ Type::TimestampTz(_))) => time.clone(),
            ("round" | "trunc" | "floor" | "ceil" | "ceiling", Some(_)) if types[0].is_integer() => {
                args[0] = coerce(args[0].clone(), &Type::Numeric(None))?;
                Type::Numeric(None)
            }
            _ => function.result(&types),
        };
        Ok(Typed::new(Node::Call(function, args), ty))
    }

    /// A function that returns a set: in a target list, where it stands for one of its values at a time.
    fn set_call(&mut self, name: &str, args: Vec<Typed>) -> Result<Typed> {
        let (set, ty) = if name == "unnest" {
            let array = args.into_iter().next().ok_or_else(|| not_modelled("unnest"))?;
            let Type::Array(element) = array.ty.clone() else {
                return Err(error("42883", format!("function unnest({}) does not exist", array.ty)));
            };
            (array, (*element).clone())
        } else {
            let (args, ty) = series_args(args)?;
            (Typed::new(Node::Series(args), Type::Array(Rc::new(ty.clone()))), ty)
        };
        let Some(sets) = self.sets.as_deref_mut() else {
            return Err(not_modelled(format!("{name} in this place")));
        };
        sets.push(set);
        Ok(Typed::new(Node::StepResult(sets.len() - 1), ty))
    }

    fn args<'a>(&mut self, call: &'a ast::FunctionCall) -> Result<Vec<Typed>> {
        // What names a sequence is written as pg_dump does, 'public.s'::regclass: the name is all that is wanted of it.
        let of_sequence = matches!(call.name.name.text.as_str(), "nextval" | "currval" | "setval");
        let written = |(n, value): (usize, &'a ast::Expr)| match &value.kind {
            ExprKind::Cast { operand, to } if of_sequence && n == 0 && to.name == "regclass" => operand,
            _ => value,
        };
        call.args.iter().map(|a| &a.value).enumerate().map(written).map(|value| self.compile(value)).collect()
    }

    fn step_call(&mut self, function: StepFunction, ty: Type, call: &ast::FunctionCall) -> Result<Typed> {
        let mut args = self.args(call)?;
        let wanted = if function == StepFunction::Sleep { Type::Float8 } else { Type::Int8 };
        for arg in &mut args {
            let given = std::mem::replace(arg, Typed::constant(Value::Null, Type::Unknown));
            *arg = coerce(given, &wanted)?;
        }
        self.planner.note_stop();
        let Some(steps) = self.steps.as_deref_mut() else {
            return Ok(Typed::new(Node::Step(function, args), ty));
        };
        steps.push(StepCall { function, args });
        Ok(Typed::new(Node::StepResult(steps.len() - 1), ty))
    }

    fn aggregate(&mut self, function: Aggregate, call: &ast::FunctionCall, e: &ast::Expr) -> Result<Typed> {
        let Some(aggregates) = self.aggregates.take() else {
            return Err(error("42803", "aggregate functions are not allowed in this context"));
        };
        let result = self.aggregate_in(aggregates, function, call, e);
        self.aggregates = Some(aggregates);
        result
    }

    fn aggregate_in(
        &mut self,
        aggregates: &mut Aggregates,
        function: Aggregate,
        call: &ast::FunctionCall,
        e: &ast::Expr,
    ) -> Result<Typed> {
        if let Some(at) = aggregates.sources.iter().position(|known| same(known, e)) {
            let ty = aggregates.calls[at].ty.clone();
            return Ok(Typed::new(Node::Column(aggregates.base + at), ty));
        }
        let mut args = self.args(call)?;
        let separator = if function == Aggregate::StringAgg && args.len() == 2 { args.pop() } else { None };
        if args.len() > 1 {
            return Err(not_modelled("aggregates of several arguments"));
        }
        let argument = match args.pop() {
            Some(e) if e.ty == Type::Unknown => Some(coerce(e, &Type::Text)?),
            other => other,
        };
        let filter = call.filter.as_ref().map(|f| self.condition(f, "FILTER")).transpose()?;
        let order_by = call
            .order_by
            .iter()
            .map(|o| {
                let e = self.compile(&o.value)?;
                Ok((e, o.descending, o.nulls_first.unwrap_or(o.descending)))
            })
            .collect::<Result<_>>()?;
        let ty = function.result(argument.as_ref().map(|e| &e.ty))?;
        aggregates.sources.push(e.clone());
        let slot = aggregates.base + aggregates.calls.len();
        let distinct = call.distinct;
        let call =
            AggregateCall { function, argument, separator, distinct, filter, order_by, ty: ty.clone() };
        aggregates.calls.push(call);
        Ok(Typed::new(Node::Column(slot), ty))
    }
}

/// The column of this name; an unqualified one that two items have is an error.
fn find<'i>(
    items: &'i [ScopeItem],
    qualifier: &[ast::Ident],
    name: &ast::Ident,
) -> Result<Option<&'i ScopeColumn>> {
    let table = qualifier.last();
    let mut found: Option<&ScopeColumn> = None;
    for item in items {
        if table.is_some_and(|t| *item.alias != *t.text) {
            continue;
        }
        let visible = |c: &&ScopeColumn| *c.name == *name.text && (table.is_some() || !c.hidden);
        if let Some(column) = item.columns.iter().find(visible) {
            if found.is_some_and(|f| f.slot != column.slot) {
                return Err(error("42702", format!("column reference \"{}\" is ambiguous", name.text)));
            }
            found = Some(column);
        }
    }
    Ok(found)
}

fn negate(node: Node, negated: bool) -> Node {
    if negated { Node::Not(Box::new(Typed::new(node, Type::Bool))) } else { node }
}

/// A constant; a string has no type of its own yet.
pub(crate) fn constant(literal: &Literal) -> Result<Typed> {
    Ok(match literal {
        Literal::Null => Typed::constant(Value::Null, Type::Unknown),
        Literal::Bool(b) => Typed::constant(Value::Bool(*b), Type::Bool),
        Literal::Integer(n) => {
            let ty = if i32::try_from(*n).is_ok() { Type::Int4 } else { Type::Int8 };
            Typed::constant(Value::Int(*n), ty)
        }
        Literal::Numeric(text) => {
            let n = Decimal::parse(text).ok_or_else(|| not_modelled("numbers of more than 38 digits"))?;
            Typed::constant(Value::Numeric(n), Type::Numeric(None))
        }
        Literal::String(text) => Typed::constant(Value::text(text.as_str()), Type::Unknown),
        Literal::Bits(_) => return Err(not_modelled("bit strings")),
    })
}

fn like_escape(escape: Option<&ast::Expr>) -> Result<Option<char>> {
    match escape.map(|e| &e.kind) {
        None => Ok(Some('\\')),
        Some(ExprKind::Literal(Literal::String(text))) if text.chars().count() <= 1 => {
            Ok(text.chars().next())
        }
        Some(_) => Err(error("22025", "invalid escape string")),
    }
}

fn comparison_of(op: &BinaryOp) -> Option<Comparison> {
    Some(match op {
        BinaryOp::Eq => Comparison::Eq,
        BinaryOp::Ne => Comparison::Ne,
        BinaryOp::Lt => Comparison::Lt,
        BinaryOp::Le => Comparison::Le,
        BinaryOp::Gt => Comparison::Gt,
        BinaryOp::Ge => Comparison::Ge,
        _ => return None,
    })
}

const fn symbol(op: Comparison) -> &'static str {
    match op {
        Comparison::Eq => "=",
        Comparison::Ne => "<>",
        Comparison::Lt => "<",
        Comparison::Le => "<=",
        Comparison::Gt => ">",
        Comparison::Ge => ">=",
    }
}

fn arithmetic_of(op: Arithmetic, left: Typed, right: Typed) -> Result<Typed> {
    // A constant of unknown type takes the other side's.
    let (left, right) = match (left.ty.clone(), right.ty.clone()) {
        (Type::Unknown, Type::Unknown) => {
            return Err(error("42725", "operator is not unique: unknown + unknown"));
        }
        (Type::Unknown, ty) if ty.is_time() => (coerce(left, &Type::Interval)?, right),
        (ty, Type::Unknown) if ty.is_time() => (left, coerce(right, &Type::Interval)?),
        (Type::Unknown, ty) => (coerce(left, &ty)?, right),
        (ty, Type::Unknown) => (left, coerce(right, &ty)?),
        _ => (left, right),
    };
    let Some((a, b, ty)) = op.types(&left.ty, &right.ty) else {
        let message = format!("operator does not exist: {} {} {}", left.ty, op.symbol(), right.ty);
        return Err(error("42883", message));
    };
    let sides = [widen(left, a), widen(right, b)];
    Ok(Typed::new(Node::Arithmetic(op, Box::new(sides)), ty))
}

/// A cast that needs no check: between numbers, or from a date to a timestamp.
fn widen(e: Typed, to: Type) -> Typed {
    let same = std::mem::discriminant(&e.ty) == std::mem::discriminant(&to);
    if same || (e.ty.is_integer() && to.is_integer()) {
        return Typed::new(e.node, to);
    }
    match fold(&e, &to) {
        Some(folded) => folded,
        None => Typed::new(Node::Cast(Box::new(e)), to),
    }
}

/// A constant cast now rather than for each row.
fn fold(e: &Typed, to: &Type) -> Option<Typed> {
    let value = e.as_constant()?;
    let cast = crate::value::cast(value.clone(), &e.ty, to).ok()?;
    Some(Typed::constant(cast, to.clone()))
}

fn comparable(symbol: &str, left: Typed, right: Typed) -> Result<[Typed; 2]> {
    let no_operator =
        |a: &Type, b: &Type| Err(error("42883", format!("operator does not exist: {a} {symbol} {b}")));
    Ok(match (left.ty.clone(), right.ty.clone()) {
        (Type::Unknown, Type::Unknown) => [coerce(left, &Type::Text)?, coerce(right, &Type::Text)?],
        (Type::Unknown, ty) => [coerce(left, &bare(&ty))?, right],
        (ty, Type::Unknown) => [left, coerce(right, &bare(&ty))?],
        (a, b) if a.is_number() && b.is_number() => [left, right],
        (a, b) if a.is_string() && b.is_string() => [left, right],
        (a, b) if a.is_time() && b.is_time() => [left, right],
        (Type::Enum(a, _), Type::Enum(b, _)) if a == b => {
            if !matches!(symbol, "=" | "<>") {
                return Err(not_modelled("the order of enum labels"));
            }
            [left, right]
        }
        (Type::Opaque(name), Type::Opaque(_)) if &*name == "json" => {
            return no_operator(&left.ty, &right.ty);
        }
        (Type::Opaque(name), Type::Opaque(_)) => {
            return Err(not_modelled(format!("comparison of {name}")));
        }
        (Type::Record, Type::Record) => return row_comparison(symbol, left, right),
        (a, b) if std::mem::discriminant(&a) == std::mem::discriminant(&b) => [left, right],
        (a, b) => return no_operator(&a, &b),
    })
}

/// Rows compare field by field: each pair is brought to one type.
fn row_comparison(symbol: &str, left: Typed, right: Typed) -> Result<[Typed; 2]> {
    match (left, right) {
        (Typed { node: Node::Row(a), .. }, Typed { node: Node::Row(b), .. }) => {
            if a.len() != b.len() {
                return Err(error("42601", "unequal number of entries in row expressions"));
            }
            let mut sides = [Vec::new(), Vec::new()];
            for (a, b) in a.into_iter().zip(b) {
                let [a, b] = comparable(symbol, a, b)?;
                sides[0].push(a);
                sides[1].push(b);
            }
            Ok(sides.map(|items| Typed::new(Node::Row(items), Type::Record)))
        }
        (left, right) => Ok([left, right]),
    }
}

/// The type without its modifiers: a constant compared with a `varchar(3)` may be longer.
fn bare(ty: &Type) -> Type {
    match ty {
        Type::Varchar(_) => Type::Text,
        Type::Bpchar(_) => Type::Bpchar(None),
        Type::Numeric(_) => Type::Numeric(None),
        Type::Timestamp(_) => Type::Timestamp(None),
        Type::TimestampTz(_) => Type::TimestampTz(None),
        other => other.clone(),
    }
}

fn in_list(operand: Typed, items: Vec<Typed>) -> Result<Node> {
    let mut operand = operand;
    let mut list = Vec::with_capacity(items.len());
    if operand.ty == Type::Unknown {
        let ty = common_type(&items.iter().map(|e| e.ty.clone()).collect::<Vec<_>>());
        operand = coerce(operand, &ty)?;
    }
    for item in items {
        let [a, b] = comparable("=", operand, item)?;
        operand = a;
        list.push(b);
    }
    Ok(Node::InList(Box::new(operand), list))
}

/// All brought to one type (manual, section 10.5).
pub(crate) fn unify(list: Vec<Typed>) -> Result<(Vec<Typed>, Type)> {
    let types: Vec<Type> = list.iter().map(|e| e.ty.clone()).collect();
    let ty = common_type(&types);
    let list = list.into_iter().map(|e| coerce(e, &ty)).collect::<Result<Vec<_>>>()?;
    Ok((list, ty))
}

fn coerce_to_text(e: Typed) -> Result<Typed> {
    match fold(&e, &Type::Text) {
        Some(folded) => Ok(folded),
        None => Ok(Typed::new(Node::Cast(Box::new(e)), Type::Text)),
    }
}

/// An explicit cast.
fn cast_to(e: Typed, to: Type) -> Result<Typed> {
    if let Some(value) = e.as_constant() {
        return Ok(Typed::constant(crate::value::cast(value.clone(), &e.ty, &to)?, to));
    }
    Ok(Typed::new(Node::Cast(Box::new(e)), to))
}

/// An implicit cast: constants of unknown type to anything, the others where PostgreSQL does it by itself.
pub(crate) fn coerce(e: Typed, to: &Type) -> Result<Typed> {
    if e.ty == *to {
        return Ok(e);
    }
    if e.ty == Type::Unknown {
        return match &e.node {
            Node::Const(Value::Text(text)) => Ok(Typed::constant(parse_literal(text, to)?, to.clone())),
            Node::Const(value) => Ok(Typed::constant(value.clone(), to.clone())),
            _ => Ok(Typed::new(Node::Cast(Box::new(e)), to.clone())),
        };
    }
    let allowed = (e.ty.is_number() && to.is_number())
        || (e.ty.is_string() && to.is_string())
        || (e.ty.is_time() && to.is_time())
        || std::mem::discriminant(&e.ty) == std::mem::discriminant(to);
    if allowed {
        return Ok(widen(e, to.clone()));
    }
    Err(error("42804", format!("cannot use type {} where {to} is wanted", e.ty)))
}

/// The parts of a condition that are joined by AND.
pub(crate) fn conjuncts(condition: Typed) -> Vec<Typed> {
    match condition.node {
        Node::And(list) => list.into_iter().flat_map(conjuncts).collect(),
        node => vec![Typed::new(node, condition.ty)],
    }
}

/// The arguments of `generate_series`, brought to one type, and that type.
pub(crate) fn series_args(args: Vec<Typed>) -> Result<(Vec<Typed>, Type)> {
    let ty = series_type(&args)?;
    let args = args.into_iter().enumerate().map(|(n, a)| {
        let wanted = if n == 2 && ty.is_time() { Type::Interval } else { ty.clone() };
        coerce(a, &wanted)
    });
    Ok((args.collect::<Result<_>>()?, ty))
}

/// The type of a series: whole numbers, numerics or timestamps.
fn series_type(args: &[Typed]) -> Result<Type> {
    let ends: Vec<Type> = args.iter().take(2).map(|a| a.ty.clone()).collect();
    match common_type(&ends) {
        Type::Int2 => Ok(Type::Int4),
        ty @ (Type::Int4 | Type::Int8 | Type::Numeric(_) | Type::Timestamp(_) | Type::TimestampTz(_)) => {
            let step = args.get(2).map(|a| a.ty.clone());
            Ok(if ty == Type::Int4 && step == Some(Type::Int8) { Type::Int8 } else { ty })
        }
        Type::Date => Ok(Type::Timestamp(None)),
        ty => Err(error("42883", format!("function generate_series({ty}, {ty}) does not exist"))),
    }
}
