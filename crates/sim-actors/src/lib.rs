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

mod background;
mod balancer;
pub mod coordinator;
mod event;
mod instance;
mod lock_manager;
mod message;
mod migration;
mod player;
mod request;
mod shell;

pub use background::Background;
pub use balancer::{Arrivals, Balancer, KeySource, Recorded, Source};
pub use event::{DeploymentPhase, Event, Failed, MigrationStep, trace_server};
pub use instance::{AppInstance, DeploymentSettings, InstanceSettings, PoolTimeoutCheck, RequestStats};
pub use lock_manager::LockManager;
pub use message::{Keys, Message};
pub use migration::{Managed, MigrationCoordinator};
pub use player::Player;
pub use request::{AppVersion, RequestScript, Service, Step};
pub use shell::{RunMode, run};
