//! What the parameters of statements stand for.

use schemars::JsonSchema;
use serde::Deserialize;

/// What a parameter stands for: a row's key, chosen anew for each request.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(tag = "choice", rename_all = "lowercase", deny_unknown_fields)]
#[schemars(transform = super::schema::first_kind_is_default)]
pub enum KeySpec {
    /// Each as likely as the others; the default.
    Uniform {
        /// The least key.
        first: i64,
        /// The greatest key.
        last: i64,
    },
    /// One after the other, never twice.
    Sequence {
        /// The first key.
        first: i64,
    },
    /// A few keys often and most of them seldom: the n-th key is chosen 1/n^exponent times as often as the first.
    Zipf {
        /// The key that is chosen most often.
        first: i64,
        /// The key that is chosen least often.
        last: i64,
        /// How uneven; default 1.
        #[serde(default = "default_exponent")]
        #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 10))]
        exponent: f64,
    },
}

fn default_exponent() -> f64 {
    1.0
}
