//! The actors of a rehearsal: migration coordinator, application instances and lock manager over tokio channels.
//!
//! ```text
//!   Balancer ──Arrive──► AppInstance × n ──Execute──► LockManager ◄──Query── MigrationCoordinator
//!      ▲                    │    ▲  ▲                    │  │                    │   (a story)
//!      └─────Rotation───────┘    │  └────Completed───────┘  └──────Answered──────┘
//!                                └─────────────────Deploy─────────────────────────
//! ```
//!
//! Each actor is a synchronous state machine; [`run`] runs them bare, as futures over tokio channels or as
//! tokio's tasks, with the same event log. Deliberately absent: SQL, files, scenarios.

mod arrivals;
mod background;
mod balancer;
pub mod coordinator;
mod event;
mod instance;
mod keys;
mod lock_manager;
mod message;
mod migration;
mod player;
mod request;
mod shell;
mod watch;
mod witness;

pub use arrivals::{Arrivals, Burst, RateProfile, Recorded, Replayed, SentText, Spacing, Timing};
pub use background::{Background, Repetition};
pub use balancer::Balancer;
pub use event::{DeploymentPhase, Event, Failed, StatementStep, trace_server};
pub use instance::{AppInstance, DeploymentSettings, Ejection, HealthCheck, InstanceSettings, StartCheck};
pub use keys::{KeySource, Zipf};
pub use lock_manager::{Connections, LockManager};
pub use message::{Keys, Message};
pub use migration::{Managed, MigrationCoordinator};
pub use player::Player;
pub use request::{AppVersion, RequestScript, Service, Step};
pub use shell::{RunMode, run};
pub use watch::{Root, Sent, WaitWatch, Waiting, WorstMoment, object};
pub use witness::{SessionStep, Witness};
