//! The page of a real run, as a browser shows it.

#[path = "../../reports/tests/browser/mod.rs"]
mod browser;

use std::fs;
use std::process::Command;

/// The page and the JSON of a run.
fn run(arguments: &[&str]) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let (page, json) = (folder.path().join("report.html"), folder.path().join("report.json"));
    let files = ["--report", page.to_str().unwrap(), "--json", json.to_str().unwrap()];
    let output = Command::new(env!("CARGO_BIN_EXE_rehearsal"))
        .arg("run")
        .args(arguments)
        .args(files)
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code().is_some_and(|code| code < 2), "{words}");
    (fs::read_to_string(page).unwrap(), fs::read_to_string(json).unwrap())
}

const RETRIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/retries-and-deployment.toml");

#[test]
fn the_page_of_the_embedded_scenario_shows_the_numbers_of_its_json() {
    let (page, json) = run(&[]);
    browser::holds("embedded", &page, &json, 40);
}

#[test]
fn the_page_of_a_migration_that_retries_shows_its_phases_the_deployment_and_the_long_transaction() {
    let (page, json) = run(&[RETRIES]);
    browser::holds("retries", &page, &json, 40);
    let shown = browser::shown("retries-shown", &page).document;
    let row = |name: &str| shown.contains(&format!("{name}<title>{name}</title>"));
    for name in ["migration", "shop-1", "shop-2", "careless script"] {
        assert!(row(name), "the chart of what was under way has no row for {name}");
    }
    for state in ["waits", "failed", "sleeps", "idle", "draining", "starting"] {
        assert!(shown.contains(&format!("<g class=\"bar {state}\">")), "no bar for {state}");
    }
}

#[test]
fn the_page_of_many_seeds_shows_the_numbers_of_its_json() {
    let (page, json) = run(&["--seeds", "9"]);
    browser::holds("embedded-seeds", &page, &json, 200);
}
