//! What ships in `sim-scenarios` shows what it is there to show.

mod docs;
mod incidents;
mod lessons;
mod rehearsed;
