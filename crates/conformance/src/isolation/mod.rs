//! PostgreSQL's isolation tester, without a server: its spec language, its scheduling rules and its
//! transcripts, over anything that is a [`Server`].
//!
//! ```text
//! text ── parse ──► Spec ── all_permutations ──► Permutation ── run ──► transcript
//!                                                    │  ▲
//!                                        send, cancel ▼  │ outcomes, notices, is_blocked
//!                                                  Server (virtual time)
//! ```
//!
//! Everything here is a pure function of the spec and of what the server answers.

mod assumptions;
mod blockers;
mod conflicts;
mod diff;
mod error;
mod explain;
mod parse;
mod permutations;
mod scan;
mod server;
mod simulated;
mod spec;
mod suite;
mod table;
mod tester;

pub use blockers::{ReplayError, replay_blockers};
pub use conflicts::{ConflictError, MAX_STATEMENTS, explain_conflicts};
pub use diff::diff;
pub use error::SpecError;
pub use explain::Explainer;
pub use parse::parse;
pub use server::{
    Connection, Deadlock, DeadlockWait, LockViews, Message, Obstacle, Outcome, Queue, Server, Wait,
};
pub use simulated::Simulated;
pub use spec::{Marker, Permutation, PermutationStep, Session, Spec, Step, StepId};
pub use suite::{Case, REFERENCE_MAJOR, Tally, Verdict, check};
pub use table::Table;
pub use tester::{End, Observer, Run, run};
