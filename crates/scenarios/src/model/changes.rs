//! What the node's messages presuppose: columns that take over from others, data migrations by table.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::units::Span;

/// A column that takes over from another one.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpansionSpec {
    /// The table.
    pub table: String,
    /// The new column.
    pub column: String,
    /// Its type.
    pub data_type: String,
    /// The column that it takes over from; default none.
    pub replaces: Option<String>,
    /// How its value derives from the others: an SQL expression; default it is left empty.
    pub fill: Option<String>,
    /// The table's key column; default `id`.
    #[serde(default = "default_key")]
    pub key: String,
    /// How long the version that writes the column has been running before a backfill; default 0 s.
    #[serde(default)]
    pub soak: Span,
}

fn default_key() -> String {
    "id".to_owned()
}

/// What a data migration in batches does to a table.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataMigrationSpec {
    /// The table.
    pub table: String,
    /// Its key column; default `id`.
    #[serde(default = "default_key")]
    pub key: String,
    /// The SET list of each batch's UPDATE.
    pub assignments: String,
    /// Which rows need it: an SQL condition; default all.
    pub needed: Option<String>,
}

/// A data migration that may be run again and again.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IdempotentSpec {
    /// The table.
    pub table: String,
    /// The statement.
    pub statement: String,
}
