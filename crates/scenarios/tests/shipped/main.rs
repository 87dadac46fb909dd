//! What ships in `sim-scenarios` shows what it is there to show.

mod incidents;
mod lessons;
mod rehearsed;
