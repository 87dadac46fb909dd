//! What the users may feel.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::units::{Share, Span};

/// What the users may feel; what is not named is not judged.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BudgetSpec {
    /// The longest span in which a request that was asked for made no progress.
    pub longest_stall: Option<Span>,
    /// Requests that fail: a number, or a share of all as in `"0.1 %"`.
    pub failed_requests: Option<Allowance>,
    /// What one request in a hundred exceeds.
    pub p99: Option<Span>,
    /// From the start of the migration to its end.
    pub migration_time: Option<Span>,
}

/// How many requests may fail.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Allowance {
    /// That many.
    Count(u64),
    /// That share of all requests.
    Share(Share),
}

impl Allowance {
    /// Whether so many failures out of so many requests are within it.
    #[must_use]
    pub fn covers(self, failed: u64, all: u64) -> bool {
        match self {
            Self::Count(most) => failed <= most,
            Self::Share(share) => u128::from(failed) * 1_000_000 <= u128::from(share.0) * u128::from(all),
        }
    }
}
