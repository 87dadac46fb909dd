//! What the server says, and what the engine does not know.

use std::borrow::Cow;

pub use transactions::{SqlError, SqlState};

pub(crate) type Result<T> = std::result::Result<T, SqlError>;

/// An ERROR with its SQLSTATE.
pub(crate) fn error(sqlstate: &str, message: impl Into<Cow<'static, str>>) -> SqlError {
    SqlError::new(SqlState::new(sqlstate), message)
}

/// The prefix of every refusal, by which it can be told from what a server says.
pub const NOT_MODELLED: &str = "not modelled: ";

/// Something that a server can do and this engine cannot: named, never guessed.
pub(crate) fn not_modelled(what: impl std::fmt::Display) -> SqlError {
    error("0A000", format!("{NOT_MODELLED}{what}"))
}

/// Whether the error is a refusal of the engine's rather than an answer of the server's.
#[must_use]
pub fn is_not_modelled(error: &SqlError) -> bool {
    error.message.starts_with(NOT_MODELLED)
}

/// What the rules say, as this layer says it.
pub(crate) fn from_rules(error: &schema_rules::error::SqlError) -> SqlError {
    SqlError::new(SqlState::new(error.sqlstate), error.message.clone())
}
