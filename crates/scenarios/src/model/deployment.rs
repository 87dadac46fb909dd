//! Changes of an application's version.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::units::{Share, Span};

/// A change of an application's version.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[schemars(extend("unevaluatedProperties" = false))]
pub struct DeploymentSpec {
    /// The application; default the one that is migrated.
    pub application: Option<String>,
    /// The version that it brings.
    pub to: String,
    /// When it begins; default after the migration.
    #[serde(default)]
    pub start: DeploymentStart,
    /// How long it waits for requests in flight; default as the application has it.
    pub drain_timeout: Option<Span>,
    /// How long an instance takes to start; default as the application has it.
    pub restart_time: Option<Span>,
    /// Whether the new version never passes its health check; default no.
    #[serde(default)]
    pub fails_health_check: bool,
    /// Whether each instance runs the migration when it starts, in place of one migration of its own; default no.
    #[serde(default)]
    pub migrate_on_start: bool,
    /// What becomes of a deployment that fails; default `"roll back"`.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// How often an instance whose start failed is started again, after 10 s, 20 s, 40 s and so on as in Kubernetes;
    /// default never.
    #[serde(default)]
    pub restarts: u32,
    /// In which order the instances change.
    #[serde(flatten)]
    pub strategy: DeploymentStrategy,
}

/// When a deployment begins: `"before"`, `"during"` or `"after"` the migration, `{ at = "30 s" }`, or
/// `{ after_step = "0002_add_posts" }`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentStart {
    /// At the start of the migration, which waits for its end.
    Before,
    /// At the start of the migration, side by side with it.
    During,
    /// Once the migration has succeeded.
    #[default]
    After,
    /// At that time of the rehearsal.
    At(Span),
    /// Once the step of that name has succeeded; the migration goes on when the deployment has ended.
    AfterStep(String),
}

/// What becomes of a deployment that fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum OnFailure {
    /// The instances that were moved are moved back.
    #[default]
    #[serde(rename = "roll back")]
    RollBack,
    /// It ends where it is: some instances run the new version, the others the old one.
    #[serde(rename = "halt")]
    Halt,
}

/// In which order the instances change.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(tag = "strategy", rename_all = "kebab-case")]
#[schemars(transform = super::schema::first_kind_is_default)]
pub enum DeploymentStrategy {
    /// A batch after the other: drained, stopped, started, checked; the default.
    Rolling {
        /// Instances at a time; default 1.
        #[serde(default = "default_batch_size")]
        #[schemars(range(min = 1))]
        batch_size: u32,
    },
    /// Some instances first, watched for a while, then the others batch by batch.
    Canary {
        /// How many go first; default 1.
        #[serde(default = "default_batch_size")]
        #[schemars(range(min = 1))]
        canaries: u32,
        /// How long they are watched.
        watch: Span,
        /// The share of their requests that may fail meanwhile; default 1 %. A canary that is unhealthy ends the
        /// deployment, too.
        #[serde(default = "default_most_failures")]
        most_failures: Share,
        /// Instances at a time afterwards; default 1.
        #[serde(default = "default_batch_size")]
        #[schemars(range(min = 1))]
        batch_size: u32,
    },
    /// As many new instances beside the old ones, with pools of their own; traffic moves at once when all are healthy,
    /// and the old ones drain and stop.
    BlueGreen {},
}

fn default_most_failures() -> Share {
    Share::percent(1)
}

fn default_batch_size() -> u32 {
    1
}

impl Default for DeploymentStrategy {
    fn default() -> Self {
        Self::Rolling { batch_size: default_batch_size() }
    }
}
