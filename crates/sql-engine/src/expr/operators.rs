//! Operators over values.

use std::cmp::Ordering;

use super::functions::text_of;
use crate::error::{Result, SqlError, error};
use crate::value::{Decimal, Interval, MICROS_PER_DAY, Type, Value, add_interval};

/// The six comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl Comparison {
    /// True, false, or nothing if a side is NULL.
    pub(crate) fn apply(self, a: &Value, b: &Value) -> Option<bool> {
        match (a, b) {
            (Value::Null, _) | (_, Value::Null) => None,
            (Value::Record(a), Value::Record(b)) => self.apply_rows(a, b),
            _ => Some(self.accepts(a.compare(b))),
        }
    }

    /// Rows: equal if all fields are; otherwise the first unequal fields decide (manual, section 9.25.5).
    fn apply_rows(self, a: &[Value], b: &[Value]) -> Option<bool> {
        let mut unknown = false;
        for (a, b) in a.iter().zip(b) {
            match Self::Eq.apply(a, b) {
                Some(true) => {}
                Some(false) if matches!(self, Self::Eq | Self::Ne) => return Some(self == Self::Ne),
                Some(false) => return if unknown { None } else { self.apply(a, b) },
                None => unknown = true,
            }
        }
        if unknown { None } else { Some(self.accepts(Ordering::Equal)) }
    }

    const fn accepts(self, order: Ordering) -> bool {
        match self {
            Self::Eq => order.is_eq(),
            Self::Ne => order.is_ne(),
            Self::Lt => order.is_lt(),
            Self::Le => order.is_le(),
            Self::Gt => order.is_gt(),
            Self::Ge => order.is_ge(),
        }
    }

    /// The comparison with its sides exchanged.
    pub(crate) const fn flipped(self) -> Self {
        match self {
            Self::Lt => Self::Gt,
            Self::Le => Self::Ge,
            Self::Gt => Self::Lt,
            Self::Ge => Self::Le,
            same => same,
        }
    }
}

/// The arithmetic operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
}

impl Arithmetic {
    /// The result's type for operands of these types, and the types that the operands are brought to.
    pub(crate) fn types(self, a: &Type, b: &Type) -> Option<(Type, Type, Type)> {
        use Type as T;
        let same = |ty: T| Some((ty.clone(), ty.clone(), ty));
        match (self, a, b) {
            (Self::Pow, a, b) if a.is_number() && b.is_number() => {
                let exact = matches!(a, T::Numeric(_)) || matches!(b, T::Numeric(_));
                let float = matches!(a, T::Float4 | T::Float8) || matches!(b, T::Float4 | T::Float8);
                same(if exact && !float { T::Numeric(None) } else { T::Float8 })
            }
            (_, a, b) if a.is_number() && b.is_number() => same(wider(a, b)),
            (Self::Add, T::Date, b) if b.is_integer() => Some((T::Date, T::Int4, T::Date)),
            (Self::Sub, T::Date, b) if b.is_integer() => Some((T::Date, T::Int4, T::Date)),
            (Self::Add, a, T::Date) if a.is_integer() => Some((T::Int4, T::Date, T::Date)),
            (Self::Sub, T::Date, T::Date) => Some((T::Date, T::Date, T::Int4)),
            (Self::Add | Self::Sub, T::Date, T::Interval) => {
                Some((T::Timestamp(None), T::Interval, T::Timestamp(None)))
            }
            (Self::Add | Self::Sub, a, T::Interval) if a.is_time() => {
                Some((a.clone(), T::Interval, a.clone()))
            }
            (Self::Add, T::Interval, b) if b.is_time() => Some((T::Interval, b.clone(), b.clone())),
            (Self::Sub, a, b) if a.is_time() && b.is_time() => Some((a.clone(), b.clone(), T::Interval)),
            (Self::Add | Self::Sub, T::Interval, T::Interval) => same(T::Interval),
            (Self::Mul | Self::Div, T::Interval, b) if b.is_number() => {
                Some((T::Interval, T::Float8, T::Interval))
            }
            (Self::Mul, a, T::Interval) if a.is_number() => Some((T::Float8, T::Interval, T::Interval)),
            _ => None,
        }
    }

    pub(crate) const fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
        }
    }

    pub(crate) fn apply(self, a: Value, b: Value, ty: &Type) -> Result<Value> {
        let overflow = || error("22003", format!("{ty} out of range"));
        Ok(match (a, b) {
            (Value::Null, _) | (_, Value::Null) => Value::Null,
            (Value::Int(a), Value::Int(b)) if ty.is_integer() => {
                let n = self.integers(a, b)?.filter(|n| crate::value::in_range(*n, ty));
                Value::Int(n.ok_or_else(overflow)?)
            }
            (Value::Numeric(a), Value::Numeric(b)) => {
                Value::Numeric(self.decimals(a, b)?.ok_or_else(overflow)?)
            }
            (Value::Float(a), Value::Float(b)) => Value::Float(self.floats(a, b)?),
            (a, b) => self.times(a, b).ok_or_else(overflow)?,
        })
    }

    fn integers(self, a: i64, b: i64) -> Result<Option<i64>> {
        Ok(match self {
            Self::Add => a.checked_add(b),
            Self::Sub => a.checked_sub(b),
            Self::Mul => a.checked_mul(b),
            Self::Div if b == 0 => return Err(division_by_zero()),
            Self::Mod if b == 0 => return Err(division_by_zero()),
            Self::Div => a.checked_div(b),
            // The least integer modulo -1 is 0, as in int.c.
            Self::Mod => Some(a.wrapping_rem(b)),
            Self::Pow => None,
        })
    }

    fn decimals(self, a: Decimal, b: Decimal) -> Result<Option<Decimal>> {
        Ok(match self {
            Self::Add => a.checked_add(b),
            Self::Sub => a.checked_sub(b),
            Self::Mul => a.checked_mul(b),
            Self::Div | Self::Mod if b.is_zero() => return Err(division_by_zero()),
            Self::Div => a.checked_div(b),
            Self::Mod => a.checked_rem(b),
            Self::Pow => Decimal::from_f64(libm::pow(a.to_f64(), b.to_f64())),
        })
    }

    fn floats(self, a: f64, b: f64) -> Result<f64> {
        Ok(match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div | Self::Mod if b == 0.0 => return Err(division_by_zero()),
            Self::Div => a / b,
            Self::Mod => a % b,
            Self::Pow => libm::pow(a, b),
        })
    }

    /// Dates, timestamps and intervals.
    fn times(self, a: Value, b: Value) -> Option<Value> {
        let sign = if self == Self::Sub { -1 } else { 1 };
        Some(match (a, b) {
            (Value::Date(d), Value::Int(n)) => Value::Date(i32::try_from(i64::from(d) + sign * n).ok()?),
            (Value::Int(n), Value::Date(d)) => Value::Date(i32::try_from(i64::from(d) + n).ok()?),
            (Value::Date(a), Value::Date(b)) => Value::Int(i64::from(a) - i64::from(b)),
            (Value::Timestamp(t), Value::Interval(i)) => Value::Timestamp(add_interval(t, i, sign)?),
            (Value::Interval(i), Value::Timestamp(t)) => Value::Timestamp(add_interval(t, i, 1)?),
            (Value::Timestamp(a), Value::Timestamp(b)) => {
                let span = a.checked_sub(b)?;
                let days = i32::try_from(span / MICROS_PER_DAY).ok()?;
                Value::Interval(Interval { months: 0, days, micros: span % MICROS_PER_DAY })
            }
            (Value::Date(d), other @ Value::Timestamp(_)) => {
                return self.times(Value::Timestamp(i64::from(d) * MICROS_PER_DAY), other);
            }
            (other @ Value::Timestamp(_), Value::Date(d)) => {
                return self.times(other, Value::Timestamp(i64::from(d) * MICROS_PER_DAY));
            }
            (Value::Interval(a), Value::Interval(b)) => {
                let sign32 = sign as i32;
                Value::Interval(Interval {
                    months: a.months.checked_add(sign32.checked_mul(b.months)?)?,
                    days: a.days.checked_add(sign32.checked_mul(b.days)?)?,
                    micros: a.micros.checked_add(sign.checked_mul(b.micros)?)?,
                })
            }
            (Value::Interval(i), Value::Float(by)) => scale(i, if self == Self::Div { 1.0 / by } else { by }),
            (Value::Float(by), Value::Interval(i)) => scale(i, by),
            _ => return None,
        })
    }
}

fn scale(interval: Interval, by: f64) -> Value {
    let months = f64::from(interval.months) * by;
    let days = f64::from(interval.days) * by + months.fract() * 30.0;
    let micros = interval.micros as f64 * by + days.fract() * MICROS_PER_DAY as f64;
    Value::Interval(Interval {
        months: months.trunc() as i32,
        days: days.trunc() as i32,
        micros: micros.round() as i64,
    })
}

fn division_by_zero() -> SqlError {
    error("22012", "division by zero")
}

/// The type that two numbers are brought to (the operators of pg_operator that take both sides alike).
pub(crate) fn wider(a: &Type, b: &Type) -> Type {
    let rank = |ty: &Type| match ty {
        Type::Int2 => 0,
        Type::Int4 => 1,
        Type::Int8 | Type::Oid => 2,
        Type::Numeric(_) => 3,
        Type::Float4 => 4,
        _ => 5,
    };
    match rank(a).max(rank(b)) {
        0 => Type::Int2,
        1 => Type::Int4,
        2 => Type::Int8,
        3 => Type::Numeric(None),
        // real beside an exact number becomes double precision.
        4 if rank(a) == rank(b) => Type::Float4,
        _ => Type::Float8,
    }
}

pub(crate) fn negate(value: Value, ty: &Type) -> Result<Value> {
    Ok(match value {
        Value::Int(n) => {
            let n = n.checked_neg().filter(|n| crate::value::in_range(*n, ty));
            Value::Int(n.ok_or_else(|| error("22003", format!("{ty} out of range")))?)
        }
        Value::Numeric(n) => Value::Numeric(n.negated()),
        Value::Float(n) => Value::Float(-n),
        Value::Interval(i) => {
            Value::Interval(Interval { months: -i.months, days: -i.days, micros: -i.micros })
        }
        other => other,
    })
}

/// `||`, of strings and of arrays.
pub(crate) fn concat(a: Value, b: Value) -> Value {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => Value::Array(a.iter().chain(b.iter()).cloned().collect()),
        (Value::Array(a), b) => Value::Array(a.iter().cloned().chain([b]).collect()),
        (a, Value::Array(b)) => Value::Array([a].into_iter().chain(b.iter().cloned()).collect()),
        (Value::Null, _) | (_, Value::Null) => Value::Null,
        (a, b) => Value::text(text_of(&a) + &text_of(&b)),
    }
}
