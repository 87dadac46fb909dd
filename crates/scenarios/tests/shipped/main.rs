//! What ships in `sim-scenarios` shows what it is there to show.

mod lessons;
mod rehearsed;
