//! Data types: the built-in ones as a table, the user's own by their oid.
//!
//! Source of the table: `src/include/catalog/pg_type.dat` and `pg_opclass.dat`. The spellings that SQL accepts for
//! a type (`int`, `character varying`) have been folded into these names by the parser.

use std::rc::Rc;

use super::{Name, Oid};

/// A type of PostgreSQL's own catalog.
#[derive(Debug)]
pub struct BuiltinType {
    /// The name in `pg_type`.
    pub name: &'static str,
    /// The name that `format_type` prints.
    pub display: &'static str,
    /// The default btree operator class, if there is one. Two types that share it can share an index's file.
    pub btree: Option<&'static str>,
    /// Whether values have a collation.
    pub collatable: bool,
    /// The bytes of a value; `None` when it varies.
    pub width: Option<u16>,
}

const fn builtin(name: &'static str, display: &'static str, btree: &'static str, width: u16) -> BuiltinType {
    BuiltinType {
        name,
        display,
        btree: if btree.is_empty() { None } else { Some(btree) },
        collatable: false,
        width: if width == 0 { None } else { Some(width) },
    }
}

const fn collatable(name: &'static str, display: &'static str, btree: &'static str) -> BuiltinType {
    BuiltinType { name, display, btree: Some(btree), collatable: true, width: None }
}

/// The built-in types. `cidr` and `inet` share `inet_ops`, `text` and `varchar` share `text_ops`: that is why a
/// change between them keeps the index's file.
pub static BUILTIN_TYPES: &[BuiltinType] = &[
    builtin("bool", "boolean", "bool_ops", 1),
    builtin("int2", "smallint", "int2_ops", 2),
    builtin("int4", "integer", "int4_ops", 4),
    builtin("int8", "bigint", "int8_ops", 8),
    builtin("float4", "real", "float4_ops", 4),
    builtin("float8", "double precision", "float8_ops", 8),
    builtin("numeric", "numeric", "numeric_ops", 0),
    builtin("money", "money", "money_ops", 8),
    collatable("text", "text", "text_ops"),
    collatable("varchar", "character varying", "text_ops"),
    collatable("bpchar", "character", "bpchar_ops"),
    collatable("name", "name", "name_ops"),
    builtin("char", "\"char\"", "char_ops", 1),
    builtin("bytea", "bytea", "bytea_ops", 0),
    builtin("date", "date", "date_ops", 4),
    builtin("time", "time without time zone", "time_ops", 8),
    builtin("timetz", "time with time zone", "timetz_ops", 12),
    builtin("timestamp", "timestamp without time zone", "timestamp_ops", 8),
    builtin("timestamptz", "timestamp with time zone", "timestamptz_ops", 8),
    builtin("interval", "interval", "interval_ops", 16),
    builtin("uuid", "uuid", "uuid_ops", 16),
    builtin("json", "json", "", 0),
    builtin("jsonb", "jsonb", "jsonb_ops", 0),
    builtin("jsonpath", "jsonpath", "", 0),
    builtin("xml", "xml", "", 0),
    builtin("inet", "inet", "inet_ops", 0),
    builtin("cidr", "cidr", "inet_ops", 0),
    builtin("macaddr", "macaddr", "macaddr_ops", 6),
    builtin("macaddr8", "macaddr8", "macaddr8_ops", 8),
    builtin("bit", "bit", "bit_ops", 0),
    builtin("varbit", "bit varying", "varbit_ops", 0),
    builtin("oid", "oid", "oid_ops", 4),
    builtin("regclass", "regclass", "oid_ops", 4),
    builtin("regproc", "regproc", "oid_ops", 4),
    builtin("regtype", "regtype", "oid_ops", 4),
    builtin("xid", "xid", "", 4),
    builtin("xid8", "xid8", "xid8_ops", 8),
    builtin("tid", "tid", "tid_ops", 6),
    builtin("pg_lsn", "pg_lsn", "pg_lsn_ops", 8),
    builtin("tsvector", "tsvector", "tsvector_ops", 0),
    builtin("tsquery", "tsquery", "tsquery_ops", 0),
    builtin("point", "point", "", 16),
    builtin("line", "line", "", 24),
    builtin("lseg", "lseg", "", 32),
    builtin("box", "box", "", 32),
    builtin("path", "path", "", 0),
    builtin("polygon", "polygon", "", 0),
    builtin("circle", "circle", "", 24),
    builtin("int4range", "int4range", "range_ops", 0),
    builtin("int8range", "int8range", "range_ops", 0),
    builtin("numrange", "numrange", "range_ops", 0),
    builtin("tsrange", "tsrange", "range_ops", 0),
    builtin("tstzrange", "tstzrange", "range_ops", 0),
    builtin("daterange", "daterange", "range_ops", 0),
    builtin("int4multirange", "int4multirange", "multirange_ops", 0),
    builtin("int8multirange", "int8multirange", "multirange_ops", 0),
    builtin("nummultirange", "nummultirange", "multirange_ops", 0),
    builtin("tsmultirange", "tsmultirange", "multirange_ops", 0),
    builtin("tstzmultirange", "tstzmultirange", "multirange_ops", 0),
    builtin("datemultirange", "datemultirange", "multirange_ops", 0),
    builtin("trigger", "trigger", "", 4),
    builtin("void", "void", "", 4),
    builtin("record", "record", "record_ops", 0),
];

/// The built-in type of this `pg_type` name.
pub fn builtin_type(name: &str) -> Option<&'static BuiltinType> {
    BUILTIN_TYPES.iter().find(|t| t.name == name)
}

/// Which type, whatever its modifiers.
#[derive(Clone, Copy, Debug)]
pub enum TypeId {
    /// One of [`BUILTIN_TYPES`].
    Builtin(&'static BuiltinType),
    /// A type of the user's: its definition is in the catalog.
    User(Oid),
    /// A name that the catalog does not know (an extension's type): compared by nothing, assumed to vary in width.
    Unknown,
}

impl PartialEq for TypeId {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Builtin(a), Self::Builtin(b)) => a.name == b.name,
            (Self::User(a), Self::User(b)) => a == b,
            _ => false,
        }
    }
}

/// The type of a column or of an expression.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnType {
    /// Which type.
    pub id: TypeId,
    /// What stands in parentheses: a length, a precision, precision and scale. Empty when nothing does.
    pub modifiers: Rc<[i32]>,
    /// For an interval, the finest field that it keeps (`day to second` → `second`).
    pub interval_field: Option<Name>,
    /// Whether it is an array of the type.
    pub array: bool,
    /// The name as written, for messages and for types that the catalog does not know.
    pub written: Name,
}

impl ColumnType {
    /// A built-in type without modifiers.
    ///
    /// # Panics
    /// When there is no built-in type of this name: a mistake in our own tables.
    pub fn builtin(name: &str) -> Self {
        let builtin = builtin_type(name).expect("a name from the table of built-in types");
        Self {
            id: TypeId::Builtin(builtin),
            modifiers: Rc::from([]),
            interval_field: None,
            array: false,
            written: builtin.display.into(),
        }
    }

    /// The `pg_type` name if it is a built-in scalar type.
    pub fn builtin_name(&self) -> Option<&'static str> {
        match self.id {
            TypeId::Builtin(builtin) if !self.array => Some(builtin.name),
            _ => None,
        }
    }

    /// The bytes of a value; `None` when it varies.
    pub fn width(&self) -> Option<u16> {
        match self.id {
            TypeId::Builtin(builtin) if !self.array => builtin.width,
            TypeId::User(_) if !self.array => Some(4),
            _ => None,
        }
    }
}

/// A type that a migration has created.
#[derive(Clone, Debug)]
pub struct TypeDef {
    /// Its oid.
    pub oid: Oid,
    /// The schema that it is in.
    pub schema: Name,
    /// Its name.
    pub name: Name,
    /// What kind of type it is.
    pub kind: TypeKind,
}

/// The kinds of types that can be created.
#[derive(Clone, Debug)]
pub enum TypeKind {
    /// `CREATE TYPE … AS ENUM`: the labels in sort order.
    Enum(Vec<Name>),
    /// `CREATE DOMAIN`.
    Domain(Domain),
    /// `CREATE TYPE … AS (…)`: names and types of the attributes.
    Composite(Vec<(Name, ColumnType)>),
    /// `CREATE TYPE … AS RANGE`.
    Range,
    /// `CREATE TYPE` with input and output functions, or no definition at all (a shell type).
    Base,
}

/// A domain over another type.
#[derive(Clone, Debug)]
pub struct Domain {
    /// The type below it, which may be a domain itself.
    pub base: ColumnType,
    /// Whether NULL is refused.
    pub not_null: bool,
    /// Its default.
    pub default: Option<Rc<sql_syntax::ast::Expr>>,
    /// Its CHECK constraints.
    pub checks: Vec<DomainCheck>,
}

/// A CHECK constraint of a domain.
#[derive(Clone, Debug)]
pub struct DomainCheck {
    /// Its oid.
    pub oid: Oid,
    /// Its name.
    pub name: Name,
    /// The condition, over `VALUE`.
    pub condition: Rc<sql_syntax::ast::Expr>,
    /// Whether the values that exist are known to satisfy it.
    pub validated: bool,
}
