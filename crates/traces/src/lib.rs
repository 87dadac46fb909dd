//! Recorded traffic: PostgreSQL's logs and statistics read into one documented format, and its reader.
//!
//! ```text
//!   logs, statistics ──[import]──► trace (NDJSON) ──[Reader]──► records ──[transform]──► replay
//!                                                       └──────[summary]──► what `trace show` prints
//! ```
//!
//! Everything streams: memory is bounded by the transactions that are open at a time, never by the length of
//! a log. No clock, no files: sources come in as readers, the trace goes out to a writer.
//!
//! Deliberately absent: any knowledge of a schema. What a statement locks is said as far as its text says it.

pub mod import;
mod instant;
mod lines;
mod logs;
mod reader;
pub mod record;
mod sql;
pub mod summary;
pub mod text;
pub mod transform;

pub use lines::decompressed;
pub use reader::{ReadError, Reader};
pub use record::{Header, Record, Statement};
