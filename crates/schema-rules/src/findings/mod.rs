//! What is dangerous about a migration, and how to write it safely.
//!
//! A [`Checker`] runs a script statement by statement over a catalog, as its runner would group it into transactions,
//! and reports for each what it locks and for how long, and what is wrong with it. Every finding comes from the
//! statement's [`crate::effects::Effects`]: a rewrite that the rules see, not a word in the text. Tables that the
//! script itself has created hold nothing and are used by nobody: they get no findings.
//!
//! Rules are a table ([`RULES`]), with a page of documentation each.

mod checker;
mod detect;
mod ignore;
mod rule;
mod safe;
mod words;

pub use checker::{Checker, LockReport, ScriptReport, StatementReport, WorkReport};
pub use detect::Finding;
pub use rule::{RULES, Rule, Severity, rule};
pub use words::{blocks, duration};
