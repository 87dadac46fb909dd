//! From one type to another: constants, casts, and assignment to columns.

use std::rc::Rc;

use super::datetime::{parse_date, parse_timestamp};
use super::{Decimal, Interval, MICROS_PER_DAY, MICROS_PER_SECOND, Type, Value};
use crate::error::{Result, SqlError, error, not_modelled};

/// A string constant read as a value of the type (the type's input function).
pub(crate) fn parse_literal(text: &str, ty: &Type) -> Result<Value> {
    let trimmed = text.trim();
    if *ty == Type::Oid && trimmed.parse::<u32>().is_err() {
        return Err(not_modelled("names as object ids"));
    }
    let invalid = || error("22P02", format!("invalid input syntax for type {}: \"{text}\"", base_name(ty)));
    Ok(match ty {
        Type::Unknown | Type::Text | Type::Opaque(_) => Value::text(text),
        Type::Varchar(size) | Type::Bpchar(size) => sized(text, *size, ty, false)?,
        Type::Bool => Value::Bool(parse_bool(trimmed).ok_or_else(invalid)?),
        Type::Int2 | Type::Int4 | Type::Int8 | Type::Oid => {
            let wide: i128 = trimmed.parse().map_err(|_| invalid())?;
            let out = || error("22003", format!("value \"{text}\" is out of range for type {ty}"));
            let n = i64::try_from(wide).map_err(|_| out())?;
            in_range(n, ty).then_some(Value::Int(n)).ok_or_else(out)?
        }
        Type::Float4 | Type::Float8 => Value::Float(parse_float(trimmed).ok_or_else(invalid)?),
        Type::Numeric(limits) => numeric(Decimal::parse(trimmed).ok_or_else(invalid)?, *limits)?,
        Type::Date => Value::Date(parse_date(trimmed).ok_or_else(|| bad_time(text, ty))?),
        Type::Timestamp(_) | Type::TimestampTz(_) => {
            let micros = parse_timestamp(trimmed).ok_or_else(|| bad_time(text, ty))?;
            Value::Timestamp(round_time(micros, ty))
        }
        Type::Interval => Value::Interval(Interval::parse(trimmed).ok_or_else(|| bad_time(text, ty))?),
        Type::Uuid => Value::Uuid(parse_uuid(trimmed).ok_or_else(invalid)?),
        Type::Enum(name, labels) => {
            if !labels.iter().any(|label| &**label == text) {
                let message = format!("invalid input value for enum {name}: \"{text}\"");
                return Err(error("22P02", message));
            }
            Value::text(text)
        }
        Type::Array(element) => parse_array(trimmed, element)?,
        Type::Record => return Err(not_modelled("row constants as text")),
        Type::Void => Value::Void,
    })
}

fn base_name(ty: &Type) -> String {
    match ty {
        Type::Numeric(_) => "numeric".to_owned(),
        other => other.to_string(),
    }
}

fn bad_time(text: &str, ty: &Type) -> SqlError {
    error("22007", format!("invalid input syntax for type {ty}: \"{text}\""))
}

fn parse_bool(text: &str) -> Option<bool> {
    let text = text.to_ascii_lowercase();
    let is = |word: &str| !text.is_empty() && word.starts_with(&text);
    match text.as_str() {
        "on" | "1" => Some(true),
        "of" | "off" | "0" => Some(false),
        _ if is("true") || is("yes") => Some(true),
        _ if is("false") || is("no") => Some(false),
        _ => None,
    }
}

fn parse_float(text: &str) -> Option<f64> {
    match text.to_ascii_lowercase().as_str() {
        "infinity" | "inf" | "+infinity" => Some(f64::INFINITY),
        "-infinity" | "-inf" => Some(f64::NEG_INFINITY),
        "nan" => Some(f64::NAN),
        other => other.bytes().all(|b| b"0123456789+-.e".contains(&b)).then(|| other.parse().ok())?,
    }
}

fn parse_uuid(text: &str) -> Option<u128> {
    let text = text.trim_start_matches('{').trim_end_matches('}');
    let hex: String = text.chars().filter(|c| *c != '-').collect();
    (hex.len() == 32).then(|| u128::from_str_radix(&hex, 16).ok())?
}

fn parse_array(text: &str, element: &Type) -> Result<Value> {
    let malformed = || error("22P02", format!("malformed array literal: \"{text}\""));
    let inner = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')).ok_or_else(malformed)?;
    if inner.contains(['{', '}']) {
        return Err(not_modelled("arrays of several dimensions"));
    }
    let mut items = Vec::new();
    let mut rest = inner.trim();
    while !rest.is_empty() {
        let (item, quoted, after) = array_item(rest).ok_or_else(malformed)?;
        let is_null = !quoted && item.eq_ignore_ascii_case("null");
        items.push(if is_null { Value::Null } else { parse_literal(&item, element)? });
        rest = match after.strip_prefix(',') {
            Some(next) if !next.trim().is_empty() => next.trim_start(),
            Some(_) => return Err(malformed()),
            None if after.is_empty() => "",
            None => return Err(malformed()),
        };
    }
    Ok(Value::Array(items.into()))
}

/// The next item, whether it was quoted, and what follows it.
fn array_item(text: &str) -> Option<(String, bool, &str)> {
    if !text.starts_with('"') {
        let end = text.find(',').unwrap_or(text.len());
        return Some((text[..end].trim().to_owned(), false, &text[end..]));
    }
    let mut item = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((item, true, text[at + 1..].trim_start())),
            '\\' => item.push(chars.next()?.1),
            _ => item.push(c),
        }
    }
    None
}

pub(crate) fn in_range(n: i64, ty: &Type) -> bool {
    match ty {
        Type::Int2 => i16::try_from(n).is_ok(),
        Type::Int4 => i32::try_from(n).is_ok(),
        Type::Oid => u32::try_from(n).is_ok(),
        _ => true,
    }
}

fn out_of_range(ty: &Type) -> SqlError {
    error("22003", format!("{ty} out of range"))
}

fn numeric(value: Decimal, limits: Option<(u32, u32)>) -> Result<Value> {
    let Some((precision, scale)) = limits else { return Ok(Value::Numeric(value)) };
    let rounded = value.round(scale).filter(|n| n.whole_digits() <= precision.saturating_sub(scale));
    rounded.map(Value::Numeric).ok_or_else(|| error("22003", "numeric field overflow"))
}

fn round_time(micros: i64, ty: &Type) -> i64 {
    let (Type::Timestamp(Some(digits)) | Type::TimestampTz(Some(digits))) = ty else { return micros };
    let unit = 10_i64.pow(6 - (*digits).min(6));
    (micros + unit / 2).div_euclid(unit) * unit
}

/// A string cut or refused by a column's length: a cast cuts, an assignment refuses all but blanks.
fn sized(text: &str, size: Option<u32>, ty: &Type, explicit: bool) -> Result<Value> {
    let text = if matches!(ty, Type::Bpchar(_)) { text.trim_end_matches(' ') } else { text };
    let Some(size) = size else { return Ok(Value::text(text)) };
    let mut indices = text.char_indices().skip(size as usize);
    let Some((cut, _)) = indices.next() else { return Ok(Value::text(text)) };
    if explicit || text[cut..].bytes().all(|b| b == b' ') {
        return Ok(Value::text(&text[..cut]));
    }
    Err(error("22001", format!("value too long for type {ty}")))
}

/// `CAST(value AS to)`.
pub(crate) fn cast(value: Value, from: &Type, to: &Type) -> Result<Value> {
    convert(value, from, to, true)
}

/// A value on its way into a column; only casts that PostgreSQL makes without being asked.
pub(crate) fn assign(value: Value, from: &Type, to: &Type) -> Result<Value> {
    convert(value, from, to, false)
}

fn convert(value: Value, from: &Type, to: &Type, explicit: bool) -> Result<Value> {
    let impossible = || error("42846", format!("cannot cast type {from} to {to}"));
    Ok(match (value, to) {
        (Value::Null, _) => Value::Null,
        (Value::Text(text), Type::Varchar(size) | Type::Bpchar(size)) => sized(&text, *size, to, explicit)?,
        (Value::Text(text), _) if !to.is_string() => parse_literal(&text, to)?,
        (Value::Text(text), Type::Text) => Value::Text(text),
        (value, Type::Text) => Value::text(shown(from, &value)),
        (value, Type::Varchar(size) | Type::Bpchar(size)) => {
            sized(&shown(from, &value), *size, to, explicit)?
        }
        (Value::Int(n), Type::Int2 | Type::Int4 | Type::Int8 | Type::Oid) => {
            in_range(n, to).then_some(Value::Int(n)).ok_or_else(|| out_of_range(to))?
        }
        (Value::Int(n), Type::Bool) => Value::Bool(n != 0),
        (Value::Bool(b), Type::Int4) => Value::Int(b.into()),
        (Value::Int(n), Type::Float4 | Type::Float8) => Value::Float(n as f64),
        (Value::Int(n), Type::Numeric(limits)) => numeric(Decimal::from(n), *limits)?,
        (Value::Numeric(n), Type::Numeric(limits)) => numeric(n, *limits)?,
        (Value::Numeric(n), Type::Float4 | Type::Float8) => Value::Float(n.to_f64()),
        (Value::Numeric(n), Type::Int2 | Type::Int4 | Type::Int8) => {
            let n = n.to_i64().filter(|n| in_range(*n, to)).ok_or_else(|| out_of_range(to))?;
            Value::Int(n)
        }
        (Value::Float(n), Type::Float4) => Value::Float(f64::from(n as f32)),
        (Value::Float(n), Type::Float8) => Value::Float(n),
        (Value::Float(n), Type::Numeric(limits)) => {
            numeric(Decimal::from_f64(n).ok_or_else(|| out_of_range(to))?, *limits)?
        }
        (Value::Float(n), Type::Int2 | Type::Int4 | Type::Int8) => {
            // Halves go to the even neighbour, as rint() does.
            let whole = n.round_ties_even();
            let fits = whole.abs() < 9.2e18 && in_range(whole as i64, to);
            fits.then_some(Value::Int(whole as i64)).ok_or_else(|| out_of_range(to))?
        }
        (Value::Date(days), Type::Timestamp(_) | Type::TimestampTz(_)) => {
            Value::Timestamp(i64::from(days) * MICROS_PER_DAY)
        }
        (Value::Timestamp(micros), Type::Date) => {
            Value::Date(i32::try_from(micros.div_euclid(MICROS_PER_DAY)).map_err(|_| out_of_range(to))?)
        }
        (Value::Timestamp(micros), Type::Timestamp(_) | Type::TimestampTz(_)) => {
            Value::Timestamp(round_time(micros, to))
        }
        (Value::Array(items), Type::Array(element)) => {
            let source =
                if let Type::Array(source) = from { Rc::clone(source) } else { Rc::new(Type::Unknown) };
            let items = items.iter().map(|v| convert(v.clone(), &source, element, explicit));
            Value::Array(items.collect::<Result<Vec<_>>>()?.into())
        }
        (value, to) => {
            let same = std::mem::discriminant(from) == std::mem::discriminant(to);
            if same || matches!(from, Type::Unknown) { value } else { return Err(impossible()) }
        }
    })
}

fn shown(from: &Type, value: &Value) -> String {
    match value {
        // The cast to text says true and false, the output function t and f.
        Value::Bool(b) => b.to_string(),
        // `char(n)` loses its padding.
        Value::Text(text) => text.to_string(),
        value => from.show(value).unwrap_or_default(),
    }
}

/// Seconds as microseconds.
#[must_use]
pub(crate) fn seconds_to_micros(seconds: f64) -> i64 {
    (seconds * MICROS_PER_SECOND as f64).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_checked_against_their_type() {
        assert_eq!(parse_literal(" 12 ", &Type::Int4).expect("a number"), Value::Int(12));
        let message = |text, ty| parse_literal(text, &ty).map_err(|e| e.message.to_string());
        assert_eq!(message("x", Type::Int4), Err("invalid input syntax for type integer: \"x\"".to_owned()));
        assert_eq!(
            message("3000000000", Type::Int4),
            Err("value \"3000000000\" is out of range for type integer".to_owned())
        );
        assert_eq!(
            message("toolong", Type::Varchar(Some(3))),
            Err("value too long for type character varying(3)".to_owned())
        );
        assert_eq!(message("a  ", Type::Varchar(Some(1))), Ok(Value::from("a")));
    }

    #[test]
    fn casts_round_as_postgresql_rounds() {
        let to_int = |value, from| cast(value, &from, &Type::Int4).expect("a number");
        assert_eq!(to_int(Value::Float(2.5), Type::Float8), Value::Int(2));
        let half = Decimal::parse("2.5").expect("a number");
        assert_eq!(to_int(Value::Numeric(half), Type::Numeric(None)), Value::Int(3));
        let text = |value, from| cast(value, &from, &Type::Text).expect("a text");
        assert_eq!(text(Value::Bool(true), Type::Bool), Value::from("true"));
        assert_eq!(text(Value::Int(5), Type::Int4), Value::from("5"));
    }

    #[test]
    fn arrays_are_read() {
        let ty = Type::Array(Rc::new(Type::Int4));
        let value = parse_literal("{1, NULL,\"3\"}", &ty).expect("an array");
        assert_eq!(ty.show(&value).as_deref(), Some("{1,NULL,3}"));
        assert!(parse_literal("{1", &ty).is_err());
    }
}
