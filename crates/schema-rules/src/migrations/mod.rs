//! Migration directories as people have them: names, sections, transactions, locks and bookkeeping of each tool.
//!
//! A [`Runner`] is a row of data; [`file_name`] and [`sections`] read a file's name and text by it. Nothing here reads
//! files: names and texts come in as arguments.

mod detect;
mod name;
mod protocol;
mod runner;
mod sections;

pub use detect::detect;
pub use name::{Direction, FileName, Version, file_name};
pub use protocol::{ADVISORY, POLLED_ADVISORY, Protocol, RunnerLock, TABLE, protocol};
pub use runner::{AdvisoryLock, Grouping, LockWait, Naming, RUNNERS, Runner, runner};
pub use sections::{Section, sections};
