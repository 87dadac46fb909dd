//! The actors of a rehearsal: migration coordinator, application instances and lock manager over tokio channels.

mod shell;

pub use shell::{RunMode, run};
