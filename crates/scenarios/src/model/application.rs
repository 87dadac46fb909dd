//! Applications: instances with their pools, versions with their requests.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Backoff, SettingsSpec, StatementSpec};
use crate::units::Span;

/// An application whose instances use the database.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplicationSpec {
    /// Its name; instances are `name-1`, `name-2`…
    pub name: String,
    /// How many instances; default 1.
    #[serde(default = "default_instances")]
    #[schemars(range(min = 1))]
    pub instances: u32,
    /// Connections of each instance; default 10.
    #[serde(default = "default_pool_size")]
    #[schemars(range(min = 1))]
    pub pool_size: u32,
    /// How long a request waits for a connection before it fails; default 30 s, as many pools have it.
    #[serde(default = "default_acquire_timeout")]
    pub acquire_timeout: Span,
    /// How often a failed request is tried again before its user sees the failure; default never.
    pub retries: Option<RequestRetries>,
    /// Settings of the pool's sessions; default: as the database has them.
    #[serde(default)]
    pub settings: SettingsSpec,
    /// How instances are found unhealthy; default not at all.
    pub health_check: Option<HealthCheckSpec>,
    /// How an instance whose requests fail is taken out of rotation; default not at all.
    pub ejection: Option<EjectionSpec>,
    /// How long a deployment waits for requests in flight; default 10 s.
    #[serde(default = "default_drain_timeout")]
    pub drain_timeout: Span,
    /// How long an instance takes to start; default 5 s.
    #[serde(default = "default_restart_time")]
    pub restart_time: Span,
    /// What it takes for an instance that starts to be healthy; default `"health check"`, and `"statements"` for
    /// `rehearsal node`, whose messages presuppose it.
    pub start_check: Option<StartCheckKind>,
    /// The version that runs at first; default the first of `versions`.
    #[serde(default)]
    pub version: String,
    /// Every version, oldest first.
    #[schemars(length(min = 1))]
    pub versions: Vec<VersionSpec>,
    /// Instances that never pass a health check on a version: `{ "web-2" = ["v3"] }`.
    #[serde(default)]
    pub fails_health_check: BTreeMap<String, Vec<String>>,
}

fn default_instances() -> u32 {
    1
}

fn default_pool_size() -> u32 {
    10
}

fn default_acquire_timeout() -> Span {
    Span::from_secs(30)
}

fn default_drain_timeout() -> Span {
    Span::from_secs(10)
}

fn default_restart_time() -> Span {
    Span::from_secs(5)
}

impl ApplicationSpec {
    /// A version by its name.
    #[must_use]
    pub fn version_named(&self, name: &str) -> Option<&VersionSpec> {
        self.versions.iter().find(|version| version.name == name)
    }

    /// The names of its instances.
    pub fn instance_names(&self) -> impl Iterator<Item = String> {
        (1..=self.instances).map(|number| format!("{}-{number}", self.name))
    }
}

/// A version of an application.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VersionSpec {
    /// Its name.
    pub name: String,
    /// What it does for each kind of request.
    pub requests: Vec<RequestSpec>,
}

/// What a version does for a request.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestSpec {
    /// The request's name, the same in every version.
    pub name: String,
    /// Its statements, in order.
    #[schemars(length(min = 1))]
    pub statements: Vec<StatementSpec>,
    /// Whether they are one transaction; default no: each commits by itself.
    #[serde(default)]
    pub transaction: bool,
}

/// How a failed request is tried again, as a whole.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestRetries {
    /// How often it is tried in all.
    #[schemars(range(min = 1))]
    pub attempts: u32,
    /// The pause before the next attempt; default none.
    #[serde(default)]
    pub backoff: Backoff,
    /// SQLSTATEs after which it is tried again; default all, and a timeout of the pool too.
    pub on: Option<Vec<String>>,
}

/// How instances are found unhealthy. The defaults are those of a Kubernetes probe.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HealthCheckSpec {
    /// The statement that it runs; default `SELECT 1`.
    #[serde(default = "default_health_check")]
    pub statement: String,
    /// Whose connection it takes; default the pool's, so that an exhausted pool fails the check.
    #[serde(default)]
    pub connection: HealthCheckConnection,
    /// How often; default 10 s.
    #[serde(default = "default_every")]
    pub every: Span,
    /// How long an answer may take; default 1 s.
    #[serde(default = "default_timeout")]
    pub timeout: Span,
    /// After that many failures in a row the instance gets no more requests; default 3.
    #[serde(default = "default_unhealthy_after")]
    #[schemars(range(min = 1))]
    pub unhealthy_after: u32,
    /// After that many successes in a row it gets requests again; default 1.
    #[serde(default = "default_healthy_after")]
    #[schemars(range(min = 1))]
    pub healthy_after: u32,
}

fn default_health_check() -> String {
    "SELECT 1".to_owned()
}

fn default_every() -> Span {
    Span::from_secs(10)
}

fn default_timeout() -> Span {
    Span::from_secs(1)
}

fn default_unhealthy_after() -> u32 {
    3
}

fn default_healthy_after() -> u32 {
    1
}

/// Whose connection a health check takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HealthCheckConnection {
    /// One of the pool's: it waits in the pool's queue as requests do.
    #[default]
    Pool,
    /// One of its own, which counts against `max_connections`.
    Own,
}

/// What it takes for an instance that starts to be healthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum StartCheckKind {
    /// The health check passes, if there is one. What the version misses in the schema shows in its requests.
    #[serde(rename = "health check")]
    HealthCheck,
    /// Every statement of the version can be prepared: what applications do that validate their model at the start.
    #[serde(rename = "statements")]
    Statements,
}

impl From<StartCheckKind> for sim_actors::StartCheck {
    fn from(kind: StartCheckKind) -> Self {
        match kind {
            StartCheckKind::HealthCheck => Self::HealthCheck,
            StartCheckKind::Statements => Self::Statements,
        }
    }
}

/// How an instance whose requests fail is taken out of rotation.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EjectionSpec {
    /// After that many failures in a row.
    #[schemars(range(min = 1))]
    pub after: u32,
    /// For how long.
    #[serde(rename = "for")]
    pub lasts: Span,
}
