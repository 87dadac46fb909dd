//! Values and their types: what columns hold and expressions compute.

mod cast;
mod datetime;
mod decimal;
mod types;

use std::cmp::Ordering;
use std::rc::Rc;

pub(crate) use cast::{assign, cast, in_range, parse_literal, seconds_to_micros};
pub use datetime::Interval;
pub(crate) use datetime::{
    MICROS_PER_DAY, MICROS_PER_SECOND, add_interval, date_parts, show_date, show_timestamp,
};
pub use decimal::Decimal;
pub use types::Type;

/// One value.
///
/// Integers of all widths are one variant, as are both kinds of timestamp: the width or kind is in the
/// expression's or column's [`Type`].
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// NULL.
    #[default]
    Null,
    /// `boolean`.
    Bool(bool),
    /// `smallint`, `integer`, `bigint`, `oid`.
    Int(i64),
    /// `real`, `double precision`.
    Float(f64),
    /// `numeric`.
    Numeric(Decimal),
    /// Every kind of string; also enum labels, JSON and types that are only stored.
    Text(Rc<str>),
    /// `date`: days since 2000-01-01.
    Date(i32),
    /// `timestamp` and (in UTC) `timestamptz`: microseconds since 2000-01-01.
    Timestamp(i64),
    /// `interval`.
    Interval(Interval),
    /// `uuid`.
    Uuid(u128),
    /// An array of one dimension.
    Array(Rc<[Value]>),
    /// A row: `ROW(1, 2)`.
    Record(Rc<[Value]>),
    /// What a function returns that returns nothing.
    Void,
}

impl Value {
    /// A string.
    pub fn text(text: impl Into<Rc<str>>) -> Self {
        Self::Text(text.into())
    }

    /// Whether it is NULL.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// A whole number, if it is one.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(n) => Some(*n),
            _ => None,
        }
    }

    /// A string, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The order of two values of one type; NULL comes last, as in an ascending index.
    ///
    /// Numbers of different types compare by value. Strings compare by bytes, the collation "C". Values
    /// that have no order at all (of different classes) are ordered by class, so that the order is total.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
            (Self::Date(a), Self::Date(b)) => a.cmp(b),
            (Self::Timestamp(a), Self::Timestamp(b)) => a.cmp(b),
            (Self::Date(a), Self::Timestamp(b)) => (i64::from(*a) * MICROS_PER_DAY).cmp(b),
            (Self::Timestamp(a), Self::Date(b)) => a.cmp(&(i64::from(*b) * MICROS_PER_DAY)),
            (Self::Interval(a), Self::Interval(b)) => a.span().cmp(&b.span()),
            (Self::Uuid(a), Self::Uuid(b)) => a.cmp(b),
            (Self::Array(a), Self::Array(b)) | (Self::Record(a), Self::Record(b)) => compare_all(a, b),
            (a, b) => match (a.as_number(), b.as_number()) {
                (Some(a), Some(b)) => a.compare(&b),
                _ => a.class().cmp(&b.class()),
            },
        }
    }

    fn as_number(&self) -> Option<Number> {
        match self {
            Self::Int(n) => Some(Number::Exact(Decimal::from(*n))),
            Self::Numeric(n) => Some(Number::Exact(*n)),
            Self::Float(n) => Some(Number::Float(*n)),
            _ => None,
        }
    }

    /// The value as a double, if it is a number.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Float(n) => Some(*n),
            Self::Int(n) => Some(*n as f64),
            Self::Numeric(n) => Some(n.to_f64()),
            _ => None,
        }
    }

    fn class(&self) -> u8 {
        match self {
            Self::Bool(_) => 0,
            Self::Int(_) | Self::Float(_) | Self::Numeric(_) => 1,
            Self::Text(_) => 2,
            Self::Date(_) | Self::Timestamp(_) => 3,
            Self::Interval(_) => 4,
            Self::Uuid(_) => 5,
            Self::Array(_) => 6,
            Self::Record(_) => 7,
            Self::Void => 8,
            Self::Null => 9,
        }
    }
}

enum Number {
    Exact(Decimal),
    Float(f64),
}

impl Number {
    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Exact(a), Self::Exact(b)) => a.compare(*b),
            (a, b) => compare_floats(a.to_f64(), b.to_f64()),
        }
    }

    fn to_f64(&self) -> f64 {
        match self {
            Self::Exact(n) => n.to_f64(),
            Self::Float(n) => *n,
        }
    }
}

/// NaN equals itself and is greater than everything else (manual, section 8.1.3); -0 equals 0.
fn compare_floats(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

fn compare_all(a: &[Value], b: &[Value]) -> Ordering {
    let first = a.iter().zip(b).map(|(a, b)| a.compare(b)).find(|order| order.is_ne());
    first.unwrap_or_else(|| a.len().cmp(&b.len()))
}

/// Equality as GROUP BY, DISTINCT and indexes have it: NULL equals NULL.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.compare(other).is_eq()
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        self.compare(other)
    }
}

impl From<i64> for Value {
    fn from(n: i64) -> Self {
        Self::Int(n)
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Self::Bool(b)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_sorts_last_and_numbers_compare_across_types() {
        assert!(Value::Null > Value::Int(i64::MAX));
        assert_eq!(Value::Int(2), Value::Numeric(Decimal::parse("2.00").expect("a number")));
        assert!(Value::Float(1.5) < Value::Int(2));
        assert!(Value::Float(f64::NAN) > Value::Float(f64::INFINITY));
    }

    #[test]
    fn dates_compare_with_timestamps() {
        assert_eq!(Value::Date(1), Value::Timestamp(MICROS_PER_DAY));
    }
}
