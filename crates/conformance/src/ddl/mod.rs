//! What DDL statements did on real servers, compared with what the rules say.
//!
//! A recording holds statements, each with what seven versions of the server did with it over one fixture schema:
//! the locks held afterwards, the order in which tables were locked, files rewritten, full reads, errors, waits. Each
//! statement is run through [`schema_rules::effects::advance`] over the same fixture, with the fixture's rows as
//! [`schema_rules::effects::DataFacts`], and every recorded field is compared.

mod compare;
mod observe;
mod recording;
mod rows;
mod values;
mod world;

pub use compare::{Comparison, Field, compare};
pub use observe::{Observed, observe};
pub use recording::{Entry, Recorded, Recording, RecordingError, SqlFailure, parse};
pub use world::World;
