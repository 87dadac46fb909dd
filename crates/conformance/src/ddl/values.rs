//! Values of the fixture's rows, and computing with them.

use schema_rules::catalog::ColumnType;
use sql_syntax::ast::{BinaryOp, Expr, ExprKind, Literal, UnaryOp};

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

pub(super) fn known(value: Value) -> Option<Value> {
    (value != Value::Unknown).then_some(value)
}

/// Computes a value; what it does not know is [`Value::Unknown`].
pub(super) fn evaluate(expr: &Expr, lookup: &dyn Fn(&str) -> Value) -> Value {
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

/// Whether a value can become one of a type: by an explicit cast strings are cut to length.
pub(super) fn converts(value: &Value, to: &ColumnType, explicit: bool) -> Option<bool> {
    let limit = to.modifiers.first().copied();
    let fits = |n: f64, most: f64| -most - 1.0 <= n && n <= most;
    match (value, to.builtin_name()?) {
        (Value::Null, _) => Some(true),
        (Value::Text(text), "varchar" | "bpchar") => {
            let limit = usize::try_from(limit?).ok()?;
            Some(explicit || text.trim_end_matches(' ').chars().count() <= limit)
        }
        (Value::Int(n), "int2") => Some(i16::try_from(*n).is_ok()),
        (Value::Int(n), "int4") => Some(i32::try_from(*n).is_ok()),
        (Value::Int(_), "int8") => Some(true),
        (Value::Int(_) | Value::Number(_), "numeric") => {
            let (precision, scale) = (limit?, to.modifiers.get(1).copied().unwrap_or(0));
            let number = if let Value::Int(n) = value { *n as f64 } else { as_number(value)? };
            Some(number.abs() < 10_f64.powi(precision - scale))
        }
        (Value::Number(n), "int4") => Some(fits(*n, f64::from(i32::MAX))),
        _ => None,
    }
}

fn as_number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(n) => Some(*n),
        _ => None,
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

pub(super) fn order(left: &Value, right: &Value) -> Option<std::cmp::Ordering> {
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

pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Int(n) => Some(n.to_string()),
        _ => None,
    }
}
