//! What a server is made with.

use std::rc::Rc;

use schema_rules::PgVersion;
use schema_rules::cost::CostModel;
use sim_clock::Nanos;

use crate::cost::{Durations, Instant};

/// What a server is made with.
#[derive(Clone)]
pub struct DatabaseConfig {
    /// The major version, 12 to 18.
    pub version: u16,
    /// What chance is drawn from: `random()`, `gen_random_uuid()`.
    pub seed: u64,
    /// Microseconds from 2000-01-01 to the virtual time zero: what `now()` counts from.
    pub epoch: i64,
    /// What each statement takes before it begins: parsing, planning, the network.
    pub statement_overhead: Nanos,
    model: Option<CostModel>,
}

impl Default for DatabaseConfig {
    /// PostgreSQL 18 with the measured rates; its clock starts on 2025-01-01.
    fn default() -> Self {
        Self {
            version: 18,
            seed: 0,
            epoch: 9_132 * 86_400_000_000,
            statement_overhead: Nanos::ZERO,
            model: Some(CostModel::default()),
        }
    }
}

impl DatabaseConfig {
    /// The same, but nothing takes any time.
    #[must_use]
    pub fn instant() -> Self {
        Self { model: None, ..Self::default() }
    }

    /// Sets the duration of a unit of work by its name, with or without `_ns`: `update_row`.
    ///
    /// # Errors
    /// If there is no rate of this name: the names that there are.
    pub fn set_rate(&mut self, name: &str, span: Nanos) -> std::result::Result<(), String> {
        let full = if name.ends_with("_ns") { name.to_owned() } else { format!("{name}_ns") };
        let model = self.model.get_or_insert_default();
        model.rates.set(&full, &span.0.to_string()).map_err(|e| e.to_string())
    }

    /// The cost model, if work takes time.
    pub fn cost_model(&mut self) -> Option<&mut CostModel> {
        self.model.as_mut()
    }

    pub(super) fn durations(&self) -> Rc<dyn Durations> {
        match &self.model {
            Some(model) => Rc::new(model.clone()),
            None => Rc::new(Instant),
        }
    }

    pub(super) fn pg_version(&self) -> PgVersion {
        PgVersion::new(u32::from(self.version)).unwrap_or_default()
    }
}
