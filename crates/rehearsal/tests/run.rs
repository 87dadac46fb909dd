//! `rehearsal run` from outside.

use std::fs;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rehearsal")).arg("run").args(arguments).output().unwrap()
}

fn report(arguments: &[&str]) -> (Option<i32>, Value) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.json");
    let output = run(&[arguments, &["--json", file.to_str().unwrap()]].concat());
    let text = fs::read_to_string(&file).unwrap_or_default();
    (output.status.code(), serde_json::from_str(&text).unwrap_or(Value::Null))
}

/// The embedded scenario with one line of it replaced, beside its migration.
fn edited(from: &str, to: &str) -> (tempfile::TempDir, String) {
    let scenarios = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sim-scenarios");
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(format!("{scenarios}/alter-behind-long-select.toml")).unwrap();
    assert!(text.contains(from), "{from} is not in the scenario");
    let file = folder.path().join("edited.toml");
    fs::write(&file, text.replace(from, to)).unwrap();
    let sql = "alter-behind-long-select/0001_add_column.sql";
    fs::create_dir(folder.path().join("alter-behind-long-select")).unwrap();
    fs::copy(format!("{scenarios}/{sql}"), folder.path().join(sql)).unwrap();
    let path = file.to_str().unwrap().to_owned();
    (folder, path)
}

#[test]
fn an_alter_behind_a_long_select_stops_the_table_and_the_report_is_to_blame() {
    let (status, report) = report(&[]);
    assert_eq!(status, Some(1), "outside the budget");
    assert_eq!(report["blame"][0]["session"], "monthly report");
    let chain = report["chain"].as_array().unwrap();
    assert_eq!(chain.last().unwrap()["session"], "monthly report");
    assert_eq!(chain[chain.len() - 2]["session"], "migration");
    let stall = report["overall"]["longest_stall_ms"].as_f64().unwrap();
    assert!((9_000.0..11_000.0).contains(&stall), "the SELECT ends 10 s after the migration began: {stall}");
}

#[test]
fn requests_that_never_touch_the_locked_table_fail_when_the_pools_run_dry() {
    let (_, report) = report(&[]);
    let classes = report["classes"].as_array().unwrap();
    let audit = classes.iter().find(|class| class["name"] == "bank/show audit").unwrap();
    assert!(audit["failed"]["pool timeout"].as_u64().unwrap() > 50, "{audit}");
}

#[test]
fn without_the_long_select_nobody_notices_the_migration() {
    let (_folder, file) = edited("takes = \"12 s\"", "takes = \"100 ms\"");
    let (status, report) = report(&[&file]);
    assert_eq!(status, Some(0), "{}", report["verdict"]);
    assert_eq!(report["overall"]["failed"], serde_json::json!({}));
}

#[test]
fn a_lock_timeout_with_retries_keeps_the_table_answering() {
    let retry = "start = \"5 s\"\nlock_timeout = \"200 ms\"\nretry = { backoff = \"1 s\" }";
    let (_folder, file) = edited("start = \"5 s\"", retry);
    let (status, report) = report(&[&file]);
    assert_eq!(status, Some(0), "{}", report["verdict"]);
    assert_eq!(report["migration"]["succeeded"], true);
    assert!(report["migration"]["failed_attempts"].as_u64().unwrap() >= 5, "{}", report["migration"]);
}

#[test]
fn equal_seeds_give_equal_reports_and_pages() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str| {
        let (json, page) =
            (folder.path().join(format!("{name}.json")), folder.path().join(format!("{name}.html")));
        run(&["--json", json.to_str().unwrap(), "--report", page.to_str().unwrap()]);
        (fs::read(json).unwrap(), fs::read(page).unwrap())
    };
    assert_eq!(write("one"), write("two"));
}

#[test]
fn a_statement_that_does_not_fit_the_schema_is_an_error_before_anything_runs() {
    let (_folder, file) = edited("SELECT owner, balance FROM", "SELECT owner, blance FROM");
    let output = run(&[&file]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(error.contains("blance") && error.contains("version \"v1\""), "{error}");
}

#[test]
fn a_reader_who_has_seen_enough_is_no_error() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rehearsal"));
    let mut child = command.arg("run").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "the verdict counts");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn a_comparison_has_the_same_seed_and_the_same_arrivals() {
    let (folder, quick) = edited("takes = \"12 s\"", "takes = \"100 ms\"");
    let (_other_folder, other) = edited("seed = 7", "seed = 1234");
    let json = folder.path().join("comparison.json");
    let output = run(&[&quick, "--compare", &other, "--json", json.to_str().unwrap()]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "the first is within its budget: {text}");
    assert!(
        text.contains("Same seed: requests of the same name and rate arrive at the same instants"),
        "{text}"
    );
    let comparison: Value = serde_json::from_str(&fs::read_to_string(json).unwrap()).unwrap();
    assert_eq!(comparison["first"]["seed"], comparison["second"]["seed"]);
    // The second run is longer, by the ten seconds of its outage. What arrives first is the same.
    let (first, second) = (arrivals(&quick, &folder), arrivals(&other, &folder));
    let common = first.len().min(second.len());
    assert!(common > 1_000);
    assert_eq!(first[..common], second[..common]);
}

/// When which request arrives with seed 7.
fn arrivals(scenario: &str, folder: &tempfile::TempDir) -> Vec<(u64, u64)> {
    let events = folder.path().join("events.jsonl");
    run(&[scenario, "--seed", "7", "--events", events.to_str().unwrap()]);
    let log = fs::read_to_string(events).unwrap();
    let event = |line: &str| serde_json::from_str::<Value>(line).unwrap();
    let arrived = log.lines().map(event).filter(|event| event["event"] == "arrived");
    let when = |event: Value| (event["t_ns"].as_u64().unwrap(), event["request"].as_u64().unwrap());
    arrived.map(when).collect()
}
