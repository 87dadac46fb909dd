//! The JSON Schema of a scenario file: for editors, for the documentation, and for the reader itself.

use schema_rules::cost::Rate;
use schema_rules::migrations::RUNNERS;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use super::{PRESETS, Scenario};
use crate::units::Span;

/// The JSON Schema (draft 2020-12) of a scenario file.
#[must_use]
pub fn json_schema() -> Value {
    schemars::schema_for!(Scenario).to_value()
}

/// The first kind of an enum is what is meant when none is named.
pub(super) fn first_kind_is_default(schema: &mut Schema) {
    let Some(first) = schema.get_mut("oneOf").and_then(|kinds| kinds.get_mut(0)) else { return };
    let named = |properties: &Value| {
        let found = properties.as_object()?.iter().find(|one| one.1.get("const").is_some())?;
        Some((found.0.clone(), found.1["const"].clone()))
    };
    let Some((tag, kind)) = first.get("properties").and_then(named) else { return };
    first["properties"][&tag]["default"] = kind;
    if let Some(required) = first.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|name| name.as_str() != Some(&tag));
    }
}

/// The names of the cost model, each with a span.
pub(super) fn rates(generator: &mut SchemaGenerator) -> Schema {
    let span = Span::json_schema(generator);
    let names = Rate::ALL.iter().map(|rate| rate.name().trim_end_matches("_ns").to_owned());
    let properties: serde_json::Map<String, Value> = names.map(|name| (name, span.clone().into())).collect();
    json_schema!({ "type": "object", "properties": properties, "additionalProperties": false, "default": {} })
}

/// The names of the runner profiles.
pub(super) fn runner(_: &mut SchemaGenerator) -> Schema {
    let names: Vec<&str> = RUNNERS.iter().map(|runner| runner.name).collect();
    json_schema!({ "type": "string", "enum": names })
}

/// The names of the presets.
pub(super) fn preset(_: &mut SchemaGenerator) -> Schema {
    let names: Vec<&str> = PRESETS.iter().map(|preset| preset.name).collect();
    json_schema!({ "type": "string", "enum": names })
}
