//! The stdio node: JSON messages in, rehearsed answers out.

mod input;
mod scanner;

pub use input::{Input, Item};
