//! Outages that were recorded on a real server under real load, beside what the simulator makes of the same input.
//!
//! A recording holds the load, the sessions and the migrations; what single statements took on their own; and what
//! came of it, several times. The simulator is given the first two, never the last. It runs the recorded statements
//! on the engine that ships, with the actors that ship: pool, background sessions, coordinator.
//!
//! ```text
//!   input, calibration ──► stage ──► outcome ──► figures ─┐
//!   runs ──────────────────────────► outcome ──► figures ─┴─► comparisons
//! ```

mod compare;
mod durations;
mod fixture;
mod outcome;
mod plan;
mod recording;
mod stage;

pub use compare::{Comparison, compare};
pub use outcome::{Ended, Figures, MigrationOutcome, Outcome, Unit, figures};
pub use recording::{Input, Recording, RecordingError, Run, parse};
