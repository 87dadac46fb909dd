//! Operator classes: whether an access method can index a type.
//!
//! Source: `src/include/catalog/pg_opclass.dat`. For btree the default class of each type stands in the table of types.

use super::run::{Outcome, Run, plain};
use crate::catalog::{BuiltinType, ColumnType, TypeId, TypeKind};
use crate::error::{SqlError, sqlstate};
use sql_syntax::ast::ObjectName;

/// The types that have a default operator class of an access method, beside those that any array, range or enum has.
static DEFAULTS: &[(&str, &[&str])] = &[
    ("gin", &["jsonb", "tsvector"]),
    ("gist", &["box", "circle", "point", "polygon", "tsquery", "tsvector"]),
    ("spgist", &["box", "cidr", "inet", "point", "polygon", "text", "varchar"]),
];

/// Types without a default class of brin, besides those without one of btree.
const NOT_BRIN: [&str; 6] = ["bool", "jsonb", "money", "tsvector", "tsquery", "record"];

/// Operator classes that are no type's default: access method, name, the types that they take.
static NAMED: &[(&str, &str, &[&str])] = &[
    ("btree", "text_pattern_ops", &["text", "varchar"]),
    ("btree", "varchar_pattern_ops", &["text", "varchar"]),
    ("btree", "bpchar_pattern_ops", &["bpchar"]),
    ("btree", "varchar_ops", &["text", "varchar"]),
    ("btree", "cidr_ops", &["inet", "cidr"]),
    ("hash", "text_pattern_ops", &["text", "varchar"]),
    ("hash", "varchar_pattern_ops", &["text", "varchar"]),
    ("hash", "bpchar_pattern_ops", &["bpchar"]),
    ("hash", "varchar_ops", &["text", "varchar"]),
    ("gist", "inet_ops", &["inet", "cidr"]),
    ("gist", "point_ops", &["point"]),
    ("gin", "jsonb_path_ops", &["jsonb"]),
    ("gin", "jsonb_ops", &["jsonb"]),
    ("gin", "tsvector_ops", &["tsvector"]),
    ("spgist", "kd_point_ops", &["point"]),
    ("spgist", "quad_point_ops", &["point"]),
];

impl Run<'_> {
    /// Fails if the access method has no default operator class for the type.
    pub(super) fn has_default_class(&self, method: &str, data_type: &ColumnType) -> Outcome {
        if self.has_extensions() && method != "btree" || self.default_class(method, data_type) {
            return Ok(());
        }
        Err(SqlError::new(
            sqlstate::UNDEFINED_OBJECT,
            format!(
                "data type {} has no default operator class for access method \"{method}\"",
                display(data_type)
            ),
        )
        .hint(
            "You must specify an operator class for the index or define a default operator class for the data type.",
        ))
    }

    fn default_class(&self, method: &str, data_type: &ColumnType) -> bool {
        let base = self.catalog.base_type(data_type);
        if base.array {
            return matches!(method, "btree" | "hash" | "gin") || !is_known(method);
        }
        let builtin = match base.id {
            TypeId::Builtin(builtin) => builtin,
            TypeId::Unknown => return true,
            TypeId::User(oid) => {
                return match self.catalog.type_def(oid).map(|t| &t.kind) {
                    Some(TypeKind::Enum(_)) => !matches!(method, "gin" | "gist" | "spgist" | "brin"),
                    Some(TypeKind::Range) => method != "gin",
                    _ => true,
                };
            }
        };
        if is_range(builtin) {
            let multirange = builtin.name.contains("multi");
            return matches!(method, "btree" | "hash" | "gist")
                || !multirange && matches!(method, "spgist" | "brin")
                || !is_known(method);
        }
        match method {
            "btree" => builtin.btree.is_some(),
            "hash" => {
                builtin.btree.is_some()
                    && !matches!(builtin.name, "money" | "tsvector" | "tsquery" | "bit" | "varbit")
            }
            "brin" => builtin.btree.is_some() && !NOT_BRIN.contains(&builtin.name) || builtin.name == "box",
            _ => match DEFAULTS.iter().find(|(m, _)| *m == method) {
                Some((_, types)) => types.contains(&builtin.name),
                None => true,
            },
        }
    }

    /// Fails if the named operator class does not take the type, as far as the class is known.
    pub(super) fn class_takes(&self, method: &str, class: &ObjectName, data_type: &ColumnType) -> Outcome {
        let base = self.catalog.base_type(data_type);
        let (name, TypeId::Builtin(builtin)) = (class.name.as_str(), base.id) else { return Ok(()) };
        let takes = match NAMED.iter().find(|(m, n, _)| *m == method && *n == name) {
            Some((_, _, types)) => !base.array && types.contains(&builtin.name),
            None if crate::catalog::BUILTIN_TYPES.iter().any(|t| t.btree == Some(name)) => {
                base.array && name == "array_ops" || builtin.btree == Some(name) || method != "btree"
            }
            None if name == "array_ops" || name.ends_with("_ops") && method != "btree" => true,
            None if self.has_extensions() => true,
            None => {
                return Err(SqlError::new(
                    sqlstate::UNDEFINED_OBJECT,
                    format!(
                        "operator class \"{}\" does not exist for access method \"{method}\"",
                        plain(class)
                    ),
                ));
            }
        };
        if takes {
            return Ok(());
        }
        Err(SqlError::new(
            sqlstate::DATATYPE_MISMATCH,
            format!("operator class \"{}\" does not accept data type {}", plain(class), display(data_type)),
        ))
    }
}

fn is_known(method: &str) -> bool {
    matches!(method, "btree" | "hash" | "gin" | "gist" | "spgist" | "brin")
}

fn is_range(builtin: &BuiltinType) -> bool {
    matches!(builtin.btree, Some("range_ops" | "multirange_ops"))
}

fn display(data_type: &ColumnType) -> String {
    match data_type.id {
        TypeId::Builtin(builtin) if data_type.array => format!("{}[]", builtin.display),
        TypeId::Builtin(builtin) => builtin.display.to_owned(),
        _ => data_type.written.to_string(),
    }
}
