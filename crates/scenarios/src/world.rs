//! The world between rehearsals: the database at rest, and what the application's instances run.

use std::collections::{BTreeMap, BTreeSet};

use sql_engine::{Database, DatabaseConfig};

use crate::load::{Loaded, ScenarioError};
use crate::model::Scenario;

/// A table's contents, put aside before a data migration.
pub use sql_engine::TableBackup;

/// What persists from one rehearsal to the next.
#[derive(Clone)]
pub struct World {
    pub(crate) database: Database,
    /// The version of each instance, by its place in the scenario's list.
    pub(crate) versions: Vec<usize>,
    /// Where each key sequence goes on.
    pub(crate) sequences: BTreeMap<String, i64>,
    /// The tables that have been given their production data.
    filled: BTreeSet<String>,
}
