//! How requests arrive.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{ApplicationSpec, SettingsSpec, VersionSpec};
use crate::units::{Span, TimeOfDay};

/// How often a request arrives. A request may have several entries: they add up.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[schemars(extend("unevaluatedProperties" = false))]
pub struct TrafficSpec {
    /// The request's name.
    pub request: String,
    /// The application that serves it; default the one that is migrated.
    pub application: Option<String>,
    /// When it arrives.
    #[serde(flatten)]
    pub arrivals: Arrivals,
}

/// When requests arrive, whatever has become of those before (an open loop).
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[schemars(transform = super::schema::first_kind_is_default)]
pub enum Arrivals {
    /// As a Poisson process; the default.
    Poisson {
        /// Requests a second.
        #[schemars(range(min = 0))]
        rate: f64,
    },
    /// One after the other at the same distance.
    Constant {
        /// Requests a second.
        #[schemars(range(min = 0))]
        rate: f64,
    },
    /// As a Poisson process whose rate follows the time of day, in straight lines from point to point and past midnight.
    Daily {
        /// Times of day with requests a second: `[["00:00", 20], ["12:00", 180]]`.
        #[schemars(length(min = 1))]
        points: Vec<DailyPoint>,
        /// The time of day when the rehearsal starts; default midnight.
        #[serde(default)]
        starts_at: TimeOfDay,
    },
    /// As a Poisson process for a while.
    Burst {
        /// When it begins.
        at: Span,
        /// How long it lasts.
        #[serde(rename = "for")]
        lasts: Span,
        /// Requests a second meanwhile.
        #[schemars(range(min = 0))]
        rate: f64,
    },
}

/// A point of a daily curve: the time of day, and requests a second.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
pub struct DailyPoint(pub TimeOfDay, #[schemars(range(min = 0))] pub f64);

/// Recorded traffic: a trace that `rehearsal trace import` wrote, replayed at its own times.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TraceSpec {
    /// The trace, relative to this file; `.gz` is understood.
    pub file: String,
    /// The application whose pools serve it; default the one that is migrated. A scenario without `application` gives it as
    /// many connections as it had sessions.
    pub application: Option<String>,
    /// The part of it that is replayed, from the trace's start; default all.
    #[serde(default)]
    pub window: TraceWindow,
    /// Arrivals that many times as fast; default 1.
    #[serde(default = "default_factor")]
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1_000_000))]
    pub speed: f64,
    /// That many times the traffic, in shifted copies; default 1.
    #[serde(default = "default_factor")]
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1_000_000))]
    pub scale: f64,
}

impl ApplicationSpec {
    /// The sessions of a trace by themselves, where a scenario has no application: as many connections as there were.
    pub(super) fn of_trace() -> Self {
        let version = VersionSpec { name: RECORDED.to_owned(), requests: Vec::new() };
        Self {
            name: "trace".to_owned(),
            instances: 1,
            pool_size: 1,
            acquire_timeout: Span::from_secs(30),
            retries: None,
            settings: SettingsSpec::default(),
            health_check: None,
            ejection: None,
            drain_timeout: Span::from_secs(10),
            start_check: None,
            restart_time: Span::from_secs(5),
            version: version.name.clone(),
            versions: vec![version],
            fails_health_check: BTreeMap::new(),
        }
    }

    /// Whether it is that.
    pub(crate) fn is_of_trace(&self) -> bool {
        self.versions.len() == 1 && self.version == RECORDED && self.versions[0].requests.is_empty()
    }
}

/// The version that the sessions of a trace run.
const RECORDED: &str = "(recorded)";

fn default_factor() -> f64 {
    1.0
}

/// A part of a trace's time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TraceWindow {
    /// Where it begins; default 0 s.
    #[serde(default)]
    pub from: Span,
    /// Where it ends; default the trace's end.
    pub to: Option<Span>,
}
