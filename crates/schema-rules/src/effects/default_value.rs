//! What may stand as a column's default.
//!
//! Source: `cookDefault` in `src/backend/catalog/heap.c`, the input functions of the types in `utils/adt`. A string
//! constant is made a value of the column's type when the default is stored, so a wrong one fails then and there.

use sql_syntax::ast::{Expr, ExprKind, Literal};

use super::run::{Outcome, Run};
use crate::catalog::{ColumnType, TypeId, TypeKind};
use crate::error::{SqlError, sqlstate};
use crate::expression::walk;

impl Run<'_> {
    /// Fails on a default that refers to columns, or that is no value of the column's type.
    pub(super) fn default_fits(&self, data_type: &ColumnType, value: &Expr) -> Outcome {
        let (mut column, mut subquery) = (false, false);
        walk(value, &mut |part| match &part.kind {
            ExprKind::Column { .. } => column = true,
            ExprKind::Subquery(_) | ExprKind::Exists(_) | ExprKind::InSubquery { .. } => subquery = true,
            _ => {}
        });
        let refused = match (subquery, column) {
            (true, _) => Some("cannot use subquery in DEFAULT expression"),
            (_, true) => Some("cannot use column reference in DEFAULT expression"),
            _ => None,
        };
        if let Some(message) = refused {
            return Err(SqlError::new(sqlstate::FEATURE_NOT_SUPPORTED, message));
        }
        match &value.kind {
            ExprKind::Literal(Literal::String(text)) => self.text_is_value(data_type, text),
            _ => Ok(()),
        }
    }

    /// Whether the text is a value of the type, where that is easily told: integers, booleans, enums.
    fn text_is_value(&self, data_type: &ColumnType, text: &str) -> Outcome {
        if data_type.array {
            return Ok(());
        }
        if let TypeId::User(oid) = data_type.id
            && let Some(def) = self.catalog.type_def(oid)
            && let TypeKind::Enum(labels) = &def.kind
        {
            if labels.iter().any(|label| **label == *text) {
                return Ok(());
            }
            return Err(SqlError::new(
                sqlstate::INVALID_TEXT_REPRESENTATION,
                format!("invalid input value for enum {}: \"{text}\"", def.name),
            ));
        }
        let (name, parsed) = match data_type.builtin_name() {
            Some("int2") => ("smallint", is_integer(text)),
            Some("int4") => ("integer", is_integer(text)),
            Some("int8") => ("bigint", is_integer(text)),
            Some("bool") => ("boolean", is_boolean(text)),
            _ => return Ok(()),
        };
        if parsed {
            return Ok(());
        }
        Err(SqlError::new(
            sqlstate::INVALID_TEXT_REPRESENTATION,
            format!("invalid input syntax for type {name}: \"{text}\""),
        ))
    }
}

/// Digits with a sign and spaces around; from PostgreSQL 16 on with underscores and other bases too.
fn is_integer(text: &str) -> bool {
    let digits = text.trim().trim_start_matches(['+', '-']);
    let prefixed = ["0x", "0X", "0o", "0O", "0b", "0B"].iter().any(|p| digits.starts_with(p));
    prefixed || !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'_')
}

/// A beginning of true, false, yes, no, on, off that is unambiguous, or 1 or 0 (`parse_bool_with_len`).
pub(super) fn is_boolean(text: &str) -> bool {
    let text = text.trim().to_ascii_lowercase();
    let begins =
        ["true", "false", "yes", "no"].iter().any(|word| !text.is_empty() && word.starts_with(&text));
    begins || matches!(&*text, "on" | "off" | "of" | "1" | "0")
}
