//! What is found before anything runs.

use std::path::Path;

use scenarios::Loaded;
use sim_actors::RunMode;

use super::SHOP;

const FILES: [(&str, &str); 1] = [("0001_add_note.sql", "ALTER TABLE orders ADD COLUMN note text;")];

/// A scenario whose second version sends a statement.
fn loaded(settings: &str, sql: &str) -> Loaded {
    let web = format!(
        r#"
[migration]
files = ["0001_add_note.sql"]

[application]
name = "web"
{settings}

[[application.versions]]
name = "v1"

[[application.versions.requests]]
name = "read"
statements = [{{ sql = "SELECT 1" }}]

[[application.versions]]
name = "v2"

[[application.versions.requests]]
name = "read"
statements = [{{ sql = "{sql}" }}]
"#
    );
    let loaded = Loaded::from_texts(Path::new("shop.toml"), &[SHOP, &web].concat(), &FILES);
    loaded.unwrap_or_else(|error| panic!("{error}"))
}

fn fault(sql: &str) -> Option<String> {
    scenarios::run(&loaded("", sql), RunMode::Actors, None).err().map(|error| error.to_string())
}

#[test]
fn a_column_that_is_there_at_no_time_is_a_fault_with_its_place() {
    let fault = fault("SELECT notes FROM orders WHERE id = 1").unwrap();
    for part in ["shop.toml:", "version \"v2\" of web", "before, during or after", "SELECT notes FROM"] {
        assert!(fault.contains(part), "{part}: {fault}");
    }
}

#[test]
fn an_unknown_table_is_a_fault() {
    let fault = fault("SELECT 1 FROM order_lines").unwrap();
    assert!(fault.contains("order_lines") && fault.contains("42P01"), "{fault}");
}

#[test]
fn a_column_that_the_migration_adds_is_no_fault_of_a_later_version() {
    assert_eq!(fault("SELECT note FROM orders WHERE id = 1"), None);
}

#[test]
fn pools_beyond_the_servers_connections_are_warned_of() {
    assert_eq!(loaded("instances = 9\npool_size = 10", "SELECT 1").warnings(), [""; 0]);
    let warnings = loaded("instances = 20\npool_size = 10", "SELECT 1").warnings();
    assert!(warnings.len() == 1 && warnings[0].contains("200 connections"), "{warnings:?}");
}
