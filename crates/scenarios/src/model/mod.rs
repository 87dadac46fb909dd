//! A scenario file as it stands in TOML: one file for each section. Unknown keys are errors; what is left out has the
//! default that its comment names.
//!
//! The comments here are also the descriptions in the JSON Schema, which editors show.

mod application;
mod background;
mod budget;
mod changes;
mod database;
mod deployment;
mod keys;
mod migration;
mod retry;
mod schema;
mod statement;
mod traffic;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::units::Span;

pub use application::{
    ApplicationSpec, EjectionSpec, HealthCheckConnection, HealthCheckSpec, RequestRetries, RequestSpec,
    StartCheckKind, VersionSpec,
};
pub(crate) use background::same_table;
pub use background::{BackgroundSpec, BackgroundWork, DumpedTable};
pub use budget::{Allowance, BudgetSpec};
pub use changes::{DataMigrationSpec, ExpansionSpec, IdempotentSpec};
pub use database::{DatabaseSpec, SettingsSpec, TableSpec};
pub use deployment::{DeploymentSpec, DeploymentStart, DeploymentStrategy, OnFailure};
pub use keys::KeySpec;
pub use migration::{MigrationSpec, MigrationStepSpec, RunnerLockKind};
pub use retry::{
    Attempt, Backoff, Jitter, PRESETS, Preset, PresetName, RetryPlan, RetryPolicy, RetrySpec, Tries, preset,
};
pub use schema::json_schema;
pub use statement::{ServiceTime, StatementSpec, Takes, Variation};
pub use traffic::{Arrivals, DailyPoint, TraceSpec, TraceWindow, TrafficSpec};

/// Everything that a rehearsal needs.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Rehearsal scenario")]
pub struct Scenario {
    /// From which every random stream derives.
    pub seed: u64,
    /// How long the rehearsal goes on.
    #[serde(default)]
    pub run: RunSpec,
    /// The simulated server.
    pub database: DatabaseSpec,
    /// The migration and when it comes.
    pub migration: MigrationSpec,
    /// What the tables hold in production.
    #[serde(default)]
    pub tables: Vec<TableSpec>,
    /// The application whose schema is migrated. A scenario with `traffic_trace` may leave it out: then the trace's
    /// sessions are there by themselves.
    #[serde(default = "ApplicationSpec::of_trace")]
    pub application: ApplicationSpec,
    /// Other applications that use the same database.
    #[serde(default)]
    pub applications: Vec<ApplicationSpec>,
    /// How often each request arrives.
    #[serde(default)]
    pub traffic: Vec<TrafficSpec>,
    /// Recorded traffic, besides `traffic` or in its place.
    pub traffic_trace: Option<TraceSpec>,
    /// What the parameters of statements stand for.
    #[serde(default)]
    pub keys: BTreeMap<String, KeySpec>,
    /// Sessions beside the applications: reports, dumps, vacuums.
    #[serde(default)]
    pub background: Vec<BackgroundSpec>,
    /// Changes of the application's version.
    #[serde(default)]
    pub deployments: Vec<DeploymentSpec>,
    /// What the users may feel; what is not named is not judged.
    #[serde(default)]
    pub budget: BudgetSpec,
    /// Columns that take over from others.
    #[serde(default)]
    pub expansions: Vec<ExpansionSpec>,
    /// What a data migration in batches does to a table.
    #[serde(default)]
    pub data_migrations: Vec<DataMigrationSpec>,
    /// Data migrations that may be run again and again.
    #[serde(default)]
    pub idempotent_migrations: Vec<IdempotentSpec>,
}

impl Scenario {
    /// The application that is migrated, then the others.
    pub fn all_applications(&self) -> impl Iterator<Item = &ApplicationSpec> {
        std::iter::once(&self.application).chain(&self.applications)
    }

    /// An application by its name; the one that is migrated if none is named.
    #[must_use]
    pub fn application_named(&self, name: Option<&str>) -> Option<&ApplicationSpec> {
        match name {
            None => Some(&self.application),
            Some(name) => self.all_applications().find(|application| application.name == name),
        }
    }
}

/// How long the rehearsal goes on.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunSpec {
    /// When traffic ends; default: `cool_down` after the end of the migration and of the deployments.
    pub until: Option<Span>,
    /// How long traffic goes on after the migration and the deployments; default 10 s.
    #[serde(default = "default_cool_down")]
    pub cool_down: Span,
}

fn default_cool_down() -> Span {
    Span::from_secs(10)
}

impl Default for RunSpec {
    fn default() -> Self {
        Self { until: None, cool_down: default_cool_down() }
    }
}
