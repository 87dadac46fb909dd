//! Whether a file has the shape that the JSON Schema describes: keys, types, units, ranges.
//!
//! serde finds such faults too, but forgets where they are as soon as a kind is chosen by a key, and stops at the first.

use std::ops::Range;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::faults::{Fault, one_of, probably};
use crate::units::quantity;

/// Every fault in a file's shape.
pub(super) fn faults(schema: &Value, root: &Spanned<DeTable<'_>>) -> Vec<Fault> {
    let mut walker = Walker { schema, faults: Vec::new() };
    walker.table(schema, root.get_ref(), 0..0, "the scenario");
    walker.faults
}

struct Walker<'s> {
    schema: &'s Value,
    faults: Vec<Fault>,
}

impl<'s> Walker<'s> {
    fn fault(&mut self, range: Range<usize>, what: String, remedy: String) {
        self.faults.push(Fault { range, what, remedy });
    }

    fn resolved(&self, schema: &'s Value) -> &'s Value {
        let name = schema["$ref"].as_str().and_then(|name| name.strip_prefix("#/$defs/"));
        name.map_or(schema, |name| &self.schema["$defs"][name])
    }

    /// What the schema admits, one by one, without `null`: a key is left out instead.
    fn alternatives(&self, schema: &'s Value) -> Vec<&'s Value> {
        let schema = self.resolved(schema);
        if schema.get("properties").is_some() {
            return vec![schema];
        }
        let several = ["anyOf", "oneOf"].iter().find_map(|word| schema[word].as_array());
        match several {
            Some(several) => several.iter().flat_map(|one| self.alternatives(one)).collect(),
            None if schema["type"] == "null" => Vec::new(),
            None => vec![schema],
        }
    }

    fn value(&mut self, schema: &'s Value, value: &Spanned<DeValue<'_>>, name: &str) {
        let alternatives = self.alternatives(schema);
        let found = json_type(value.get_ref());
        let fits = |one: &&'s Value| {
            types(one).any(|wanted| wanted == found || (wanted, found) == ("number", "integer"))
        };
        let fitting: Vec<&'s Value> = alternatives.iter().copied().filter(fits).collect();
        let Some(first) = fitting.first() else {
            let mut wanted: Vec<String> = Vec::new();
            for one in &alternatives {
                let description = description(one);
                if !wanted.contains(&description) {
                    wanted.push(description);
                }
            }
            let found = article(found);
            let (what, remedy) =
                (format!("`{name}` is {found}"), format!("it takes {}", wanted.join(", or ")));
            return self.fault(value.span(), what, remedy);
        };
        match value.get_ref() {
            DeValue::String(text) => self.text(&fitting, text, value.span(), name),
            DeValue::Integer(integer) => {
                let number = i128::from_str_radix(integer.as_str(), integer.radix());
                let number = number.ok().filter(|number| whole_range(first).contains(number));
                #[allow(clippy::cast_precision_loss, reason = "bounds are small")]
                match number {
                    Some(number) => self.bounds(first, number as f64, value.span(), name),
                    None => {
                        let range = whole_range(first);
                        let remedy =
                            format!("it takes a whole number from {} to {}", range.start(), range.end());
                        self.fault(value.span(), format!("`{name}` is out of range"), remedy);
                    }
                }
            }
            DeValue::Float(float) => match float.as_str().replace('_', "").parse::<f64>() {
                Ok(number) if number.is_finite() => self.bounds(first, number, value.span(), name),
                _ => self.fault(
                    value.span(),
                    format!("`{name}` is not finite"),
                    "it takes a number".to_owned(),
                ),
            },
            DeValue::Array(items) => {
                if (items.len() as u64) < first["minItems"].as_u64().unwrap_or(0) {
                    let least = first["minItems"].as_u64().unwrap_or(0);
                    let remedy = format!("it takes {least} or more entries");
                    self.fault(value.span(), format!("`{name}` has {} entries", items.len()), remedy);
                }
                if items.len() as u64 > first["maxItems"].as_u64().unwrap_or(u64::MAX) {
                    let most = first["maxItems"].as_u64().unwrap_or(u64::MAX);
                    let remedy = format!("it takes {most} entries");
                    self.fault(value.span(), format!("`{name}` has {} entries", items.len()), remedy);
                }
                for (at, item) in items.iter().enumerate() {
                    let schema = first["prefixItems"].get(at).or_else(|| first.get("items"));
                    if let Some(schema) = schema {
                        self.value(schema, item, name);
                    }
                }
            }
            DeValue::Table(table) => {
                let known = |one: &&&'s Value| {
                    table.keys().filter(|key| one["properties"].get(key.get_ref().as_ref()).is_some()).count()
                };
                // The first of those that know most of the keys is meant.
                let meant = fitting.iter().rev().max_by_key(known).unwrap_or(first);
                if fitting.len() > 1 && tag(meant).is_none() && known(&meant) == 0 {
                    let wanted: Vec<String> = fitting.iter().map(|one| description(one)).collect();
                    let remedy = format!("it takes {}", wanted.join(", or "));
                    return self.fault(value.span(), format!("`{name}` has none of its keys"), remedy);
                }
                let tagged = fitting.len() > 1 && tag(meant).is_some();
                if tagged {
                    let kinds: Vec<&Value> = fitting.clone();
                    if let Some(kind) = self.kind(&kinds, table, name) {
                        self.table(kind, table, value.span(), name);
                    }
                } else {
                    self.table(meant, table, value.span(), name);
                }
            }
            DeValue::Boolean(_) | DeValue::Datetime(_) => {}
        }
    }

    fn text(&mut self, fitting: &[&'s Value], text: &str, span: Range<usize>, name: &str) {
        let admitted: Vec<&str> = fitting
            .iter()
            .flat_map(|one| one["enum"].as_array().into_iter().flatten().chain(one.get("const")))
            .filter_map(Value::as_str)
            .collect();
        if !admitted.is_empty() {
            if !admitted.contains(&text) {
                self.fault(span, format!("`{name}` is {text:?}, which is unknown"), one_of(text, &admitted));
            }
            return;
        }
        let quantity = fitting.iter().find_map(|one| one["format"].as_str()).and_then(quantity);
        if let Some(quantity) = quantity.filter(|quantity| !(quantity.understands)(text)) {
            let what = format!("`{name}` is {text:?}, which is not {}", quantity.format_name());
            self.fault(span, what, format!("write {}", quantity.remedy));
        }
    }

    fn bounds(&mut self, schema: &Value, number: f64, span: Range<usize>, name: &str) {
        let bound = |word: &str| schema[word].as_f64();
        let mut fail = |remedy: String| self.fault(span.clone(), format!("`{name}` is out of range"), remedy);
        if let Some(least) = bound("minimum").filter(|least| number < *least) {
            fail(match bound("maximum") {
                Some(most) => format!("it takes {least} to {most}"),
                None => format!("it takes {least} or more"),
            });
        } else if bound("exclusiveMinimum").is_some_and(|least| number <= least) {
            fail(format!("it takes more than {}", schema["exclusiveMinimum"]));
        } else if let Some(most) = bound("maximum").filter(|most| number > *most) {
            fail(format!("it takes {most} at most"));
        }
    }

    /// Which of several kinds a table is, by its tag.
    fn kind(&mut self, kinds: &[&'s Value], table: &DeTable<'_>, name: &str) -> Option<&'s Value> {
        let (tag_name, _) = tag(kinds.first()?)?;
        let Some(value) = table.get(tag_name) else { return kinds.first().copied() };
        let names: Vec<&str> = kinds.iter().filter_map(|kind| Some(tag(kind)?.1)).collect();
        let DeValue::String(text) = value.get_ref() else {
            let what = format!("`{tag_name}` of `{name}` is {}", article(json_type(value.get_ref())));
            self.fault(value.span(), what, format!("it takes a name in quotes; {}", one_of("", &names)));
            return None;
        };
        let kind = kinds.iter().find(|kind| tag(kind).is_some_and(|tag| tag.1 == text.as_ref()));
        if kind.is_none() {
            let what = format!("`{tag_name}` is {:?}, which is unknown", text.as_ref());
            self.fault(value.span(), what, one_of(text, &names));
        }
        kind.copied()
    }

    fn table(&mut self, schema: &'s Value, table: &DeTable<'_>, span: Range<usize>, name: &str) {
        let mut parts = vec![schema];
        let kinds: Vec<&'s Value> = schema["oneOf"].as_array().into_iter().flatten().collect();
        if !kinds.is_empty() {
            // Without its kind nothing can be said of the other keys.
            let Some(kind) = self.kind(&kinds, table, name) else { return };
            parts.push(kind);
        }
        let properties = |part: &&'s Value| part["properties"].as_object().into_iter().flatten();
        let known: Vec<(&str, &'s Value)> =
            parts.iter().flat_map(properties).map(|one| (one.0.as_str(), one.1)).collect();
        for (key, value) in table {
            let key_name = key.get_ref().as_ref();
            if let Some(one) = known.iter().find(|one| one.0 == key_name) {
                self.value(one.1, value, key_name);
            } else if schema["additionalProperties"].is_object() {
                self.value(&schema["additionalProperties"], value, key_name);
            } else {
                let names: Vec<&str> = known.iter().map(|one| one.0).collect();
                let remedy = of_another_kind(&kinds, key_name)
                    .filter(|_| probably(key_name, names.iter().copied()).is_none())
                    .unwrap_or_else(|| one_of(key_name, &names));
                self.fault(key.span(), format!("`{name}` has no key `{key_name}`"), remedy);
            }
        }
        let required = |part: &&'s Value| part["required"].as_array().into_iter().flatten();
        for wanted in parts.iter().flat_map(required).filter_map(Value::as_str) {
            if !table.contains_key(wanted) {
                let schema = known.iter().find(|one| one.0 == wanted).map(|one| one.1);
                let takes = schema.map(|schema| self.alternatives(schema));
                let takes = takes.and_then(|all| all.first().map(|one| description(one)));
                let remedy = format!("add it: {}", takes.unwrap_or_default());
                self.fault(span.clone(), format!("`{name}` lacks the key `{wanted}`"), remedy);
            }
        }
    }
}

/// A remedy for a key that only another kind has.
fn of_another_kind(kinds: &[&Value], key: &str) -> Option<String> {
    let having = |kind: &&&Value| kind["properties"].get(key).is_some();
    let owners: Vec<String> = kinds
        .iter()
        .filter(having)
        .filter_map(|kind| tag(kind))
        .map(|(tag, kind)| format!("`{tag} = {kind:?}`"))
        .collect();
    (!owners.is_empty()).then(|| format!("it goes with {}", owners.join(" or ")))
}

/// The key that tells the kind, and the kind.
fn tag(schema: &Value) -> Option<(&str, &str)> {
    let mut properties = schema["properties"].as_object()?.iter();
    properties.find_map(|(name, property)| Some((name.as_str(), property["const"].as_str()?)))
}

fn types(schema: &Value) -> impl Iterator<Item = &str> {
    let one = schema["type"].as_str();
    one.into_iter().chain(schema["type"].as_array().into_iter().flatten().filter_map(Value::as_str))
}

fn json_type(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "string",
        DeValue::Integer(_) => "integer",
        DeValue::Float(_) => "number",
        DeValue::Boolean(_) => "boolean",
        DeValue::Datetime(_) => "date",
        DeValue::Array(_) => "array",
        DeValue::Table(_) => "object",
    }
}

/// The whole numbers that a format of JSON Schema holds.
fn whole_range(schema: &Value) -> std::ops::RangeInclusive<i128> {
    match schema["format"].as_str() {
        Some("uint16") => 0..=i128::from(u16::MAX),
        Some("uint32") => 0..=i128::from(u32::MAX),
        // TOML's integers end there.
        Some("uint64") => 0..=i128::from(i64::MAX),
        _ => i128::from(i64::MIN)..=i128::from(i64::MAX),
    }
}

fn article(kind: &str) -> &'static str {
    match kind {
        "string" => "a text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a table",
        _ => "a date or time",
    }
}

/// What a schema takes, in words.
fn description(schema: &Value) -> String {
    if let Some(quantity) = schema["format"].as_str().and_then(quantity) {
        return quantity.remedy.to_owned();
    }
    if let Some(constant) = schema["const"].as_str() {
        return format!("{constant:?}");
    }
    let kind = article(types(schema).find(|one| *one != "null").unwrap_or("object"));
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if required.is_empty() { kind.to_owned() } else { format!("{kind} with `{}`", required.join("`, `")) }
}
