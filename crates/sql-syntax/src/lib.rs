//! PostgreSQL's SQL text as small statement types with their places in the text.
//!
//! ```text
//!   text ──scan──► statements' extents, comments ──squawk-syntax──► concrete tree ──convert──► ast
//! ```
//!
//! [`parse`] never fails as a whole: what is wrong is reported with its place, and the statements
//! around it are still there. A statement of a kind that has no type of its own comes back as
//! [`Statement::NotModelled`](ast::Statement::NotModelled) under its SQL name, so that a reader can
//! say what it does not know instead of guessing.
//!
//! Names are folded (`Users` is `users`, `"Users"` stays) and cut to 63 bytes as the server does.
//! Deliberately absent: any knowledge of a catalog. `t.a` is a qualified name here, nothing more.

pub mod ast;
mod convert;
mod parse;
mod range;
mod scan;

pub use parse::{ParsedScript, SyntaxError, parse};
pub use range::{Comment, Located, TextRange};
