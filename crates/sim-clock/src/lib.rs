//! Virtual time, timers, deterministic execution of actors, random streams and the trace hash.
//!
//! ```text
//!             TimerQueue ──► one instant ──► round 0: timers ──► round 1: messages ──► … quiet
//!                 ▲                              │                    │                   │
//!                 └───────── set_timer ──────────┴────────────────────┘        EventLog: hash, sink
//! ```
//!
//! Two ways of running the same [`Actor`]s live here: [`bare`] calls them directly and is the oracle;
//! [`executor`] polls them as futures, whose messages travel over whatever channels they like. Both
//! keep the ordering contract that [`Actor`] states, hence log the same bytes.
//!
//! Deliberately absent: channels, tokio, wall clocks, and any knowledge of PostgreSQL.

mod actor;
pub mod bare;
pub mod executor;
mod log;
mod streams;
mod time;
mod timers;
mod wheel;

pub use actor::{Actor, Context, Gate, Scheduler};
pub use log::{ClosedInstant, EventLog, Sink, TraceHash, Traced};
pub use streams::{Seed, Stream};
pub use time::Nanos;
pub use timers::{ActorId, Due, TimerQueue};
