//! The types of columns and expressions, as far as values depend on them.

use std::fmt;
use std::rc::Rc;

use schema_rules::Catalog;
use schema_rules::catalog::{ColumnType, TypeId, TypeKind};

use super::{Value, show_date, show_timestamp};

/// A type.
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// A string constant of which nothing is known yet; NULL.
    Unknown,
    /// `boolean`.
    Bool,
    /// `smallint`.
    Int2,
    /// `integer`.
    Int4,
    /// `bigint`.
    Int8,
    /// `oid` and its aliases (`regclass` is shown by number).
    Oid,
    /// `real`.
    Float4,
    /// `double precision`.
    Float8,
    /// `numeric` with precision and scale.
    Numeric(Option<(u32, u32)>),
    /// `text`.
    Text,
    /// `character varying`.
    Varchar(Option<u32>),
    /// `character`.
    Bpchar(Option<u32>),
    /// `date`.
    Date,
    /// `timestamp`, with the digits of its seconds' fraction.
    Timestamp(Option<u32>),
    /// `timestamp with time zone`, likewise.
    TimestampTz(Option<u32>),
    /// `interval`.
    Interval,
    /// `uuid`.
    Uuid,
    /// An enum with its name and labels.
    Enum(Rc<str>, Rc<[Rc<str>]>),
    /// An array of a type.
    Array(Rc<Type>),
    /// A row.
    Record,
    /// Nothing.
    Void,
    /// A type whose values are stored and shown but not looked into (`json`, `inet`, an extension's).
    Opaque(Rc<str>),
}

impl Type {
    /// The type of a column; a domain is what it stands on.
    pub(crate) fn of(catalog: &Catalog, data_type: &ColumnType) -> Self {
        let base = catalog.base_type(data_type);
        let element = match base.id {
            TypeId::Builtin(builtin) => builtin_type(builtin.name, &base.modifiers),
            TypeId::User(oid) => match catalog.type_def(oid).map(|def| (&def.name, &def.kind)) {
                Some((name, TypeKind::Enum(labels))) => {
                    Self::Enum(name.clone(), labels.iter().cloned().collect())
                }
                Some((name, _)) => Self::Opaque(name.clone()),
                None => Self::Opaque(base.written.clone()),
            },
            TypeId::Unknown => Self::Opaque(base.written.clone()),
        };
        if base.array { Self::Array(Rc::new(element)) } else { element }
    }

    /// Whether psql shows it to the right.
    #[must_use]
    pub const fn is_right_aligned(&self) -> bool {
        matches!(
            self,
            Self::Int2 | Self::Int4 | Self::Int8 | Self::Oid | Self::Float4 | Self::Float8 | Self::Numeric(_)
        )
    }

    pub(crate) const fn is_integer(&self) -> bool {
        matches!(self, Self::Int2 | Self::Int4 | Self::Int8 | Self::Oid)
    }

    pub(crate) const fn is_number(&self) -> bool {
        self.is_integer() || matches!(self, Self::Float4 | Self::Float8 | Self::Numeric(_))
    }

    pub(crate) const fn is_string(&self) -> bool {
        matches!(self, Self::Text | Self::Varchar(_) | Self::Bpchar(_))
    }

    pub(crate) const fn is_time(&self) -> bool {
        matches!(self, Self::Date | Self::Timestamp(_) | Self::TimestampTz(_))
    }

    /// A value as the server's output function writes it; nothing for NULL.
    #[must_use]
    pub fn show(&self, value: &Value) -> Option<String> {
        Some(match value {
            Value::Null => return None,
            Value::Bool(true) => "t".to_owned(),
            Value::Bool(false) => "f".to_owned(),
            Value::Int(n) => n.to_string(),
            Value::Float(n) => show_float(*n, matches!(self, Self::Float4)),
            Value::Numeric(n) => n.to_string(),
            Value::Text(text) => match self {
                Self::Bpchar(Some(width)) => {
                    let width = *width as usize;
                    format!("{text:<width$}")
                }
                _ => text.to_string(),
            },
            Value::Date(days) => show_date(*days),
            Value::Timestamp(micros) if matches!(self, Self::TimestampTz(_)) => {
                format!("{}+00", show_timestamp(*micros))
            }
            Value::Timestamp(micros) => show_timestamp(*micros),
            Value::Interval(interval) => interval.to_string(),
            Value::Uuid(n) => show_uuid(*n),
            Value::Array(items) => {
                let element = if let Self::Array(element) = self { element } else { &Self::Text };
                let items: Vec<String> = items.iter().map(|v| show_element(element, v)).collect();
                format!("{{{}}}", items.join(","))
            }
            Value::Record(items) => {
                let items: Vec<String> =
                    items.iter().map(|v| Self::Unknown.show(v).unwrap_or_default()).collect();
                format!("({})", items.join(","))
            }
            Value::Void => String::new(),
        })
    }
}

fn builtin_type(name: &str, modifiers: &[i32]) -> Type {
    let modifier = |n: usize| modifiers.get(n).and_then(|m| u32::try_from(*m).ok());
    match name {
        "bool" => Type::Bool,
        "int2" => Type::Int2,
        "int4" => Type::Int4,
        "int8" => Type::Int8,
        "oid" | "xid" | "regclass" => Type::Oid,
        "float4" => Type::Float4,
        "float8" => Type::Float8,
        "numeric" => Type::Numeric(modifier(0).map(|precision| (precision, modifier(1).unwrap_or(0)))),
        "text" | "name" => Type::Text,
        "varchar" => Type::Varchar(modifier(0)),
        "bpchar" => Type::Bpchar(modifier(0)),
        "date" => Type::Date,
        "timestamp" => Type::Timestamp(modifier(0)),
        "timestamptz" => Type::TimestampTz(modifier(0)),
        "interval" => Type::Interval,
        "uuid" => Type::Uuid,
        "void" => Type::Void,
        "record" => Type::Record,
        other => Type::Opaque(other.into()),
    }
}

/// The shortest text that reads back as the same number, in PostgreSQL's notation.
fn show_float(n: f64, single: bool) -> String {
    if n.is_nan() {
        return "NaN".to_owned();
    }
    if n.is_infinite() {
        return if n > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let exponent = if n == 0.0 { 0 } else { n.abs().log10().floor() as i32 };
    let digits = if single { 6 } else { 15 };
    let plain = if single { (n as f32).to_string() } else { n.to_string() };
    if (-4..digits).contains(&exponent) {
        return plain;
    }
    let text = if single { format!("{:e}", n as f32) } else { format!("{n:e}") };
    match text.split_once('e') {
        Some((mantissa, exponent)) => {
            let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |e| ('-', e));
            format!("{mantissa}e{sign}{exponent:0>2}")
        }
        None => text,
    }
}

fn show_uuid(n: u128) -> String {
    let hex = format!("{n:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// An element inside braces: quoted where the array's syntax needs it.
fn show_element(element: &Type, value: &Value) -> String {
    let Some(text) = element.show(value) else { return "NULL".to_owned() };
    let plain = !text.is_empty()
        && !text.eq_ignore_ascii_case("null")
        && !text.contains(|c: char| c.is_whitespace() || matches!(c, '{' | '}' | ',' | '"' | '\\'));
    if plain { text } else { format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")) }
}

/// As messages name it: `integer`, `character varying(10)`.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sized = |f: &mut fmt::Formatter<'_>, name: &str, size: Option<u32>| match size {
            Some(size) => write!(f, "{name}({size})"),
            None => f.write_str(name),
        };
        match self {
            Self::Unknown => f.write_str("unknown"),
            Self::Bool => f.write_str("boolean"),
            Self::Int2 => f.write_str("smallint"),
            Self::Int4 => f.write_str("integer"),
            Self::Int8 => f.write_str("bigint"),
            Self::Oid => f.write_str("oid"),
            Self::Float4 => f.write_str("real"),
            Self::Float8 => f.write_str("double precision"),
            Self::Numeric(None) => f.write_str("numeric"),
            Self::Numeric(Some((precision, scale))) => write!(f, "numeric({precision},{scale})"),
            Self::Text => f.write_str("text"),
            Self::Varchar(size) => sized(f, "character varying", *size),
            Self::Bpchar(size) => sized(f, "character", *size),
            Self::Date => f.write_str("date"),
            Self::Timestamp(_) => f.write_str("timestamp without time zone"),
            Self::TimestampTz(_) => f.write_str("timestamp with time zone"),
            Self::Interval => f.write_str("interval"),
            Self::Uuid => f.write_str("uuid"),
            Self::Enum(name, _) | Self::Opaque(name) => f.write_str(name),
            Self::Array(element) => write!(f, "{element}[]"),
            Self::Record => f.write_str("record"),
            Self::Void => f.write_str("void"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_as_the_server_shows_them() {
        for (ty, value, shown) in [
            (Type::Bool, Value::Bool(true), "t"),
            (Type::Float8, Value::Float(0.1), "0.1"),
            (Type::Float8, Value::Float(1e20), "1e+20"),
            (Type::Float8, Value::Float(1e-7), "1e-07"),
            (Type::Float8, Value::Float(150_000.0), "150000"),
            (Type::Bpchar(Some(3)), Value::from("a"), "a  "),
            (Type::TimestampTz(None), Value::Timestamp(0), "2000-01-01 00:00:00+00"),
            (Type::Uuid, Value::Uuid(1), "00000000-0000-0000-0000-000000000001"),
        ] {
            assert_eq!(ty.show(&value).as_deref(), Some(shown));
        }
        let array = Type::Array(Rc::new(Type::Text));
        let items = Value::Array([Value::from("a b"), Value::Null, Value::from("c")].into());
        assert_eq!(array.show(&items).as_deref(), Some("{\"a b\",NULL,c}"));
        assert_eq!(Type::Text.show(&Value::Null), None);
    }
}
