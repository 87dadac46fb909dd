//! Scenario files: what a rehearsal needs, read from TOML and checked; and the rehearsal itself.
//!
//! ```text
//!   scenario.toml ─► Scenario ─┐
//!   migrations/*.sql ──────────┴► Loaded ─► World ─► rehearse(story) ─► Rehearsed: outcome, world, observed
//! ```

mod cast;
mod check;
mod draft;
mod load;
mod model;
mod rehearse;
mod replay;
mod run;
mod units;
mod world;

pub use draft::Draft;
pub use load::{DEFAULT, Faults, Loaded, MigrationFile, MigrationPart, MigrationPlan, ScenarioError};
pub use model::*;
pub use rehearse::{EventObserver, Observed, Rehearsed, RunOptions, rehearse};
pub use run::{Does, Onlooker, SessionObserver, Sight, Workers, run, run_before, run_seeds};
pub use sql_engine::TableBackup;
pub use units::{Share, Size, Span, TimeOfDay};
pub use world::World;
