//! The coordinator's logic: versions, phases, batches, attempts, rolling deployments.
//!
//! It knows a database and a fleet through [`database`]'s narrow traits only, and nothing of
//! simulations; [`coroutine`] turns it into a synchronous state machine.
//!
//! ```text
//!   migrations · changes · batches · rollout · release · validation        (stories: async fn over the traits)
//!                 │ Database, Fleet
//!             Port ─► Ask ──► bare loop, actor, or a real connection ──► Answer ─► resume
//! ```

pub mod attempt;
pub mod batches;
pub mod changes;
pub mod coroutine;
pub mod database;
pub mod migrations;
pub mod release;
pub mod rollout;
pub mod validation;

use database::DatabaseError;

/// What kind of failure ends a story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// A statement failed; `database` says how.
    Database,
    /// What must hold before the step does not hold.
    Precondition,
}

/// Why a story ended without its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its kind.
    pub kind: FailureKind,
    /// One sentence for people.
    pub text: String,
    /// The database's own words, when a statement failed.
    pub database: Option<DatabaseError>,
    /// The instances that stood in the way.
    pub instances: Vec<String>,
    /// Whether what the failed step had done is undone.
    pub rolled_back: bool,
}

impl Failure {
    pub(crate) fn new(kind: FailureKind, text: String) -> Self {
        Self { kind, text, database: None, instances: Vec::new(), rolled_back: false }
    }

    pub(crate) fn of_database(error: DatabaseError, rolled_back: bool) -> Self {
        let mut failure = Self::new(FailureKind::Database, error.to_string());
        (failure.database, failure.rolled_back) = (Some(error), rolled_back);
        failure
    }
}

/// A name as a quoted identifier: never part of the SQL around it.
#[must_use]
pub fn quote_ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as a string literal (`standard_conforming_strings` is on).
#[must_use]
pub fn quote_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_cannot_leave_their_quotes() {
        assert_eq!(quote_ident("a\"; DROP TABLE b; --"), "\"a\"\"; DROP TABLE b; --\"");
        assert_eq!(quote_literal("it's"), "'it''s'");
    }
}
