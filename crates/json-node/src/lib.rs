//! The stdio node: JSON messages in, rehearsed answers out.
//!
//! ```text
//!   bytes ─► Input ─► Item ─► Node::answer ─► Request ─► Stage: presupposed steps, rehearsal ─► reply
//! ```
//!
//! Invariants: one reply for each request that has a `msg_id`, in order; an error leaves the node as it
//! was. Deliberately absent: files and streams, which belong to the command line.

mod envelope;
mod events;
mod format;
mod history;
mod input;
mod node;
mod reply;
mod request;
mod scanner;
mod stage;

pub use envelope::Envelopes;
pub use events::event_line;
pub use input::{Input, Item};
pub use node::{Node, NodeOptions};
pub use stage::EventSink;
