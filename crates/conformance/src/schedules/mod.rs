//! Lock schedules: what real servers did with several sessions' statements, replayed on
//! [`transactions::Backends`] and compared entry by entry.

mod diff;
mod format;
mod ops;
mod races;
mod replay;
mod schema;
mod steppers;
mod story;

pub use diff::{Agreement, Difference, compare, differences};
pub use format::{Args, Entry, FormatError, OpKind, Schedule, TimerFound, Wait, parse};
pub use races::{LastOutcome, last_outcomes};
pub use replay::{Replay, replay};
pub use story::{dot, story};
