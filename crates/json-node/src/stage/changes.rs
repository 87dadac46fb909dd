//! Lock-safe schema changes: indexes and columns.

use serde_json::json;
use sim_actors::coordinator::changes::{self, IndexPlan};

use super::Stage;
use crate::format::{object, seconds};
use crate::reply::{Body, Code, Refusal};
use crate::request::ColumnDefault;

impl Stage<'_> {
    pub(super) fn create_index(
        &mut self,
        table: &str,
        column: &str,
        concurrently: bool,
        max_lock_ms: Option<u64>,
    ) -> Result<Body, Refusal> {
        self.take_schema_for_granted()?;
        let index = format!("idx_{column}");
        let plan = IndexPlan {
            table: table.to_owned(),
            column: column.to_owned(),
            index: index.clone(),
            concurrently,
        };
        let policy = self.policy(max_lock_ms);
        let story = |mut db| async move { changes::create_index(&mut db, &plan, policy).await };
        let done = self.rehearse(story)?;
        Ok(object([
            ("type", json!("index_created")),
            ("index", json!(index)),
            ("duration_seconds", seconds(done.value)),
            ("table_locked", json!(done.observed.blocked_access_to(table))),
        ]))
    }

    pub(super) fn add_column(
        &mut self,
        table: &str,
        column: &str,
        definition: &str,
        max_lock_ms: Option<u64>,
    ) -> Result<Body, Refusal> {
        self.take_schema_for_granted()?;
        let policy = self.policy(max_lock_ms);
        let (table, column, definition) = (table.to_owned(), column.to_owned(), definition.to_owned());
        let story =
            |mut db| async move { changes::add_column(&mut db, &table, &column, &definition, policy).await };
        let added = self.rehearse(story)?.value;
        Ok(object([
            ("type", json!("column_added")),
            ("duration_seconds", seconds(added.took)),
            ("table_rewritten", json!(added.rewritten)),
        ]))
    }
}

/// Types that a message may name: the rest of a type's text is digits in parentheses.
const TYPES: [&str; 21] = [
    "bigint",
    "boolean",
    "bytea",
    "char",
    "character varying",
    "date",
    "double precision",
    "int",
    "integer",
    "interval",
    "json",
    "jsonb",
    "numeric",
    "real",
    "smallint",
    "text",
    "time",
    "timestamp",
    "timestamp with time zone",
    "uuid",
    "varchar",
];

/// What follows a new column's name: its type, whether it admits NULL, its default.
pub(super) fn definition(
    default: Option<ColumnDefault>,
    nullable: bool,
    data_type: Option<String>,
) -> Result<String, Refusal> {
    let data_type = match (data_type, &default) {
        (Some(named), _) => checked_type(&named)?,
        (None, Some(default)) => default.data_type.to_owned(),
        (None, None) => "text".to_owned(),
    };
    let null = if nullable { "" } else { " NOT NULL" };
    let default = default.map(|default| format!(" DEFAULT {}", default.sql)).unwrap_or_default();
    Ok(format!("{data_type}{null}{default}"))
}

fn checked_type(named: &str) -> Result<String, Refusal> {
    let lower = named.trim().to_ascii_lowercase();
    let (name, length) = match lower.split_once('(') {
        None => (lower.as_str(), None),
        Some((name, rest)) => (name.trim_end(), rest.strip_suffix(')')),
    };
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit() || c == ',' || c == ' ');
    let known = TYPES.contains(&name) && length.is_none_or(digits) && lower.contains('(') == length.is_some();
    if known {
        return Ok(lower);
    }
    let text = format!("field \"data_type\" is {named:?}; known types: {}", TYPES.join(", "));
    Err(Refusal::new(Code::Malformed, text))
}
