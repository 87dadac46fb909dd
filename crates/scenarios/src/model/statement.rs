//! Statements and how long they work.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::units::Span;

/// A statement of an application or of a background session.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatementSpec {
    /// Its text, with `$1`, `$2`… for parameters.
    pub sql: String,
    /// The keys that the parameters stand for.
    #[serde(default)]
    pub params: Vec<String>,
    /// How long it works, lock waits apart; default: as the cost model has it.
    pub takes: Option<Takes>,
    /// How a `takes` of one span varies; default not at all.
    #[serde(default)]
    pub varies: Variation,
    /// How long the client then waits before its next statement; default not at all.
    #[serde(default)]
    pub think: Span,
}

impl StatementSpec {
    /// How long it works, from one time to the next.
    #[must_use]
    pub fn service_time(&self) -> ServiceTime {
        match (self.takes, self.varies) {
            (None, _) => ServiceTime::Modelled,
            (Some(Takes::Span(span)), Variation::Fixed) => ServiceTime::Fixed(span),
            (Some(Takes::Span(span)), Variation::Exponential) => ServiceTime::Exponential(span),
            (Some(Takes::Lognormal { p50, p99 }), _) => ServiceTime::Lognormal { p50, p99 },
        }
    }
}

/// How long a statement works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged, deny_unknown_fields)]
pub enum Takes {
    /// So long, or as `varies` has it.
    Span(Span),
    /// Lognormal: half of the times below `p50`, 99 of 100 below `p99`.
    Lognormal {
        /// The median.
        p50: Span,
        /// What one time in a hundred exceeds.
        p99: Span,
    },
}

/// How a span varies from one time to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Variation {
    /// Always the same.
    #[default]
    Fixed,
    /// Exponential, with the span as its mean.
    Exponential,
}

/// How long a statement works, from one time to the next: `takes` and `varies` in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceTime {
    /// As long as the cost model has it.
    Modelled,
    /// Always as long.
    Fixed(Span),
    /// Exponential, with that mean.
    Exponential(Span),
    /// Lognormal, by its median and its 99th percentile.
    Lognormal {
        /// The median.
        p50: Span,
        /// What one time in a hundred exceeds.
        p99: Span,
    },
}
