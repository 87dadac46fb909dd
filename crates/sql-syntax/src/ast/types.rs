//! Data types as written in statements.

use std::fmt;

use super::{Ident, name::quote_identifier};
use crate::TextRange;

/// A data type.
#[derive(Clone, Debug, PartialEq)]
pub struct DataType {
    /// The schema, if the name was qualified.
    pub schema: Option<Ident>,
    /// The name as the catalog has it: `int` and `integer` are `int4`, `decimal` is `numeric`,
    /// `timestamp with time zone` is `timestamptz`, `char(3)` is `bpchar`; `serial` stays `serial`.
    pub name: String,
    /// `(10, 2)` of `numeric(10, 2)`, as written.
    pub modifiers: Vec<String>,
    /// The fields of an interval: `day to second`.
    pub interval_fields: Option<String>,
    /// How many dimensions of an array: 0 for none.
    pub array_dimensions: u8,
    /// SETOF.
    pub setof: bool,
    /// Where it stands.
    pub range: TextRange,
}

impl DataType {
    /// The type of this catalog name, without modifiers.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            schema: None,
            name: name.into(),
            modifiers: Vec::new(),
            interval_fields: None,
            array_dimensions: 0,
            setof: false,
            range: TextRange::default(),
        }
    }

    /// Same type and modifiers, wherever they were written.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        self.name == other.name
            && self.schema == other.schema
            && self.modifiers == other.modifiers
            && self.interval_fields == other.interval_fields
            && self.array_dimensions == other.array_dimensions
    }

    /// The integer type behind `serial` and its relatives.
    #[must_use]
    pub fn serial_base(&self) -> Option<&'static str> {
        match self.name.as_str() {
            "serial" | "serial4" => Some("int4"),
            "bigserial" | "serial8" => Some("int8"),
            "smallserial" | "serial2" => Some("int2"),
            _ => None,
        }
    }
}

/// As PostgreSQL's `format_type` writes it: `character varying(10)`, `integer[]`.
impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema
            && schema != "pg_catalog"
        {
            write!(f, "{schema}.")?;
        }
        let modifiers =
            if self.modifiers.is_empty() { String::new() } else { format!("({})", self.modifiers.join(",")) };
        match self.name.as_str() {
            "timestamptz" => write!(f, "timestamp{modifiers} with time zone")?,
            "timestamp" => write!(f, "timestamp{modifiers} without time zone")?,
            "timetz" => write!(f, "time{modifiers} with time zone")?,
            "time" => write!(f, "time{modifiers} without time zone")?,
            "interval" => match &self.interval_fields {
                Some(fields) => write!(f, "interval {fields}{modifiers}")?,
                None => write!(f, "interval{modifiers}")?,
            },
            name => {
                let sql_name = SQL_NAMES.iter().find(|(catalog, _)| *catalog == name).map(|(_, sql)| *sql);
                match sql_name {
                    Some(sql) => write!(f, "{sql}{modifiers}")?,
                    None => write!(f, "{}{modifiers}", quote_identifier(name))?,
                }
            }
        }
        if self.array_dimensions > 0 { f.write_str("[]") } else { Ok(()) }
    }
}

/// The catalog's names and SQL's names where they differ (`format_type` in utils/adt/format_type.c).
const SQL_NAMES: [(&str, &str); 10] = [
    ("int2", "smallint"),
    ("int4", "integer"),
    ("int8", "bigint"),
    ("float4", "real"),
    ("float8", "double precision"),
    ("bool", "boolean"),
    ("varchar", "character varying"),
    ("bpchar", "character"),
    ("varbit", "bit varying"),
    ("char", "\"char\""),
];
