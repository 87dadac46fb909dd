//! The actors of a rehearsal: migration coordinator, application instances and lock manager over tokio channels.

pub mod coordinator;
mod event;
mod shell;

pub use event::{DeploymentPhase, Event, Failed, MigrationStep, trace_server};
pub use shell::{RunMode, run};
