//! The safe way to write a statement, as SQL to paste.

use sql_syntax::TextRange;
use sql_syntax::ast::{Ident, ObjectName, quote_identifier};

use crate::PgVersion;

/// The statement's text with a word put in after another: `CREATE INDEX` becomes `CREATE INDEX CONCURRENTLY`.
pub(super) fn insert_after(text: &str, word: &str, new: &str) -> Option<String> {
    let upper = text.to_ascii_uppercase();
    let at = upper.find(word)? + word.len();
    Some(format!("{} {new}{};", &text[..at], &text[at..]))
}

/// Waits for no lock longer than that.
pub(super) const LOCK_TIMEOUT: &str = "SET lock_timeout = '2s';";

pub(super) fn set_not_null(table: &ObjectName, column: &Ident, version: PgVersion) -> String {
    let name = quote_identifier(&format!("{}_{}_not_null", table.name.text, column.text));
    if version >= PgVersion::V18 {
        return format!(
            "ALTER TABLE {table} ADD CONSTRAINT {name} NOT NULL {column} NOT VALID;\n\
             ALTER TABLE {table} VALIDATE CONSTRAINT {name};"
        );
    }
    format!(
        "ALTER TABLE {table} ADD CONSTRAINT {name} CHECK ({column} IS NOT NULL) NOT VALID;\n\
         -- in a transaction of its own:\n\
         ALTER TABLE {table} VALIDATE CONSTRAINT {name};\n\
         -- reads nothing, as the valid CHECK proves it:\n\
         ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL;\n\
         ALTER TABLE {table} DROP CONSTRAINT {name};"
    )
}

pub(super) fn not_valid(table: &ObjectName, action: &str, name: &str) -> String {
    let name = quote_identifier(name);
    format!(
        "ALTER TABLE {table} {action} NOT VALID;\n\
         -- in a transaction of its own, reads and writes go on:\n\
         ALTER TABLE {table} VALIDATE CONSTRAINT {name};"
    )
}

pub(super) fn key_by_index(table: &ObjectName, name: &str, columns: &str, kind: &str) -> String {
    let name = quote_identifier(name);
    format!(
        "CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table} ({columns});\n\
         ALTER TABLE {table} ADD CONSTRAINT {name} {kind} USING INDEX {name};"
    )
}

pub(super) fn column_then_default(
    table: &ObjectName,
    column: &Ident,
    data_type: &str,
    default: &str,
) -> String {
    format!(
        "ALTER TABLE {table} ADD COLUMN {column} {data_type};\n\
         ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT {default};\n\
         -- then in batches, each in a transaction of its own:\n\
         UPDATE {table} SET {column} = {default} WHERE {column} IS NULL AND id BETWEEN :first AND :last;"
    )
}

pub(super) fn new_column_for_type(table: &ObjectName, column: &Ident, data_type: &str) -> String {
    let new = quote_identifier(&format!("{}_new", column.text));
    format!(
        "ALTER TABLE {table} ADD COLUMN {new} {data_type};\n\
         -- a trigger keeps {new} equal to {column} from now on; then in batches:\n\
         UPDATE {table} SET {new} = {column} WHERE {new} IS NULL AND id BETWEEN :first AND :last;\n\
         -- once clients use the new column:\n\
         ALTER TABLE {table} DROP COLUMN {column};"
    )
}

pub(super) fn in_batches(statement: &str) -> String {
    format!(
        "-- repeat, each time in a transaction of its own, until no row is changed:\n{statement}\n  \
         AND id BETWEEN :first AND :last;"
    )
}

/// The text of a range without its surroundings.
pub(super) fn slice(text: &str, range: TextRange) -> &str {
    range.of(text).trim()
}
