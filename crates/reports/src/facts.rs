//! Small sums over the model that more than one view needs.

use crate::units::as_f64;
use crate::{Migration, MigrationStatement, RequestClass};

impl RequestClass {
    /// Failed requests of all causes.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    /// The part of the requests that failed, of those that arrived.
    #[must_use]
    pub fn failed_share(&self) -> f64 {
        if self.arrived == 0 { 0.0 } else { as_f64(self.failures()) / as_f64(self.arrived) }
    }
}

impl Migration {
    /// Whether there was a migration at all.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.succeeded.is_some() || self.attempts > 0 || !self.statements.is_empty()
    }

    /// From its begin to its end; to the end of the run if it had not ended.
    #[must_use]
    pub fn time_ms(&self, span_ms: f64) -> f64 {
        (self.end_ms.unwrap_or(span_ms) - self.start_ms).max(0.0)
    }
}

impl MigrationStatement {
    /// What it took beside waiting for locks; nothing is known of it until it ended.
    #[must_use]
    pub fn work_ms(&self) -> f64 {
        self.end_ms.map_or(0.0, |end| (end - self.start_ms - self.waited_ms).max(0.0))
    }
}
