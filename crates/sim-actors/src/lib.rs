//! The actors of a rehearsal: migration coordinator, application instances and lock manager over tokio channels.

pub mod coordinator;
mod shell;

pub use shell::{RunMode, run};
