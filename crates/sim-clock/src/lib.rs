//! Virtual time, timers, deterministic execution of actors, random streams and the trace hash.

mod time;

pub use time::Nanos;
