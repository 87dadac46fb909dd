//! The house as ARCHITECTURE.md draws it: arrows point down only, and the pure crates stay pure.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

/// From the ground up: a crate may use those before it.
const LAYERS: [&str; 14] = [
    "persistent",
    "lock-table",
    "sim-clock",
    "sql-syntax",
    "transactions",
    "schema-rules",
    "sql-engine",
    "traces",
    "reports",
    "sim-actors",
    "scenarios",
    "conformance",
    "json-node",
    "rehearsal",
];

/// Crates that decide: without runtime, wire format or files.
const PURE: [&str; 7] =
    ["persistent", "lock-table", "sim-clock", "sql-syntax", "transactions", "schema-rules", "sql-engine"];

/// The crates of this workspace and their normal dependencies.
fn crates() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let normal = |package: &Value| {
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        dependencies.filter(|dependency| dependency["kind"].is_null()).map(name).collect()
    };
    metadata["packages"].as_array().unwrap().iter().map(|package| (name(package), normal(package))).collect()
}

fn layer(name: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| *layer == name)
}

#[test]
fn arrows_point_down_only() {
    for (name, dependencies) in crates() {
        let own = layer(&name).unwrap_or_else(|| panic!("{name} has no layer: give it one"));
        for dependency in dependencies {
            if let Some(below) = layer(&dependency) {
                assert!(below < own, "{name} uses {dependency}, which stands above it");
            }
        }
    }
}

#[test]
fn what_decides_knows_neither_tokio_nor_serde() {
    let crates = crates();
    for name in PURE {
        for forbidden in ["tokio", "serde", "serde_json", "tracing"] {
            assert!(!crates[name].iter().any(|one| one == forbidden), "{name} uses {forbidden}");
        }
    }
    let with_tokio = crates.iter().filter(|(_, uses)| uses.iter().any(|one| one == "tokio"));
    let with_tokio: Vec<&String> = with_tokio.map(|(name, _)| name).collect();
    assert_eq!(with_tokio, ["sim-actors"], "one library alone names tokio's channels");
}

#[test]
fn the_map_lists_every_crate() {
    let map = include_str!("../ARCHITECTURE.md");
    for name in crates().keys() {
        assert!(map.contains(&format!("### `{name}`")), "ARCHITECTURE.md has no heading for {name}");
    }
    for heading in map.lines().filter_map(|line| line.strip_prefix("### `")) {
        let name = heading.trim_end_matches('`');
        assert!(crates().contains_key(name), "ARCHITECTURE.md describes {name}, which is not there");
    }
}
