//! `rehearsal run --seeds` from outside.

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rehearsal")).arg("run").args(arguments).output().unwrap()
}

/// What a run of some seeds wrote: status, text, JSON, page.
fn seeds(arguments: &[&str]) -> (Option<i32>, Vec<u8>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let (json, page) = (folder.path().join("spread.json"), folder.path().join("spread.html"));
    let files = ["--json", json.to_str().unwrap(), "--report", page.to_str().unwrap()];
    let output = run(&[arguments, &files].concat());
    let read = |file| fs::read_to_string(file).unwrap_or_default();
    (output.status.code(), output.stdout, read(json), read(page))
}

#[test]
fn the_number_of_jobs_changes_not_a_byte() {
    let one = seeds(&["--seeds", "7", "--jobs", "1"]);
    let three = seeds(&["--seeds", "7", "--jobs", "3"]);
    assert_eq!(one.0, Some(1), "outside the budget with every seed");
    assert!(one.2.len() > 1_000 && one.3.len() > 1_000);
    assert!(one == three, "the results of one job and of three differ");
}

#[test]
fn each_seed_is_the_run_that_it_would_be_alone() {
    let spread: Value = serde_json::from_str(&seeds(&["--seeds", "3", "--seed", "40"]).2).unwrap();
    let alone = |seed: &str| -> f64 {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("report.json");
        run(&["--seed", seed, "--json", file.to_str().unwrap()]);
        let report: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        report["overall"]["arrived"].as_f64().unwrap()
    };
    let mut arrived = [alone("40"), alone("41"), alone("42")];
    arrived.sort_by(f64::total_cmp);
    let figures = spread["figures"].as_array().unwrap();
    let of_all = figures.iter().find(|one| one["name"] == "all requests: arrived").unwrap();
    let found = ["min", "p50", "max"].map(|field| of_all[field].as_f64().unwrap());
    assert_eq!(found, arrived);
    assert_eq!((&spread["first_seed"], &spread["seeds"]), (&Value::from(40), &Value::from(3)));
}

#[test]
fn the_worst_seed_comes_with_the_command_that_runs_it() {
    let text = String::from_utf8(seeds(&["--seeds", "4"]).1).unwrap();
    let command = text.lines().find_map(|line| line.trim().strip_prefix("rehearsal run --seed ")).unwrap();
    let again = run(&["--seed", command]);
    assert_eq!(again.status.code(), Some(1), "it is outside the budget alone, too");
}

#[test]
fn seeds_that_do_not_fit_are_refused() {
    let output = run(&["--seeds", "2", "--seed", "18446744073709551615"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("18446744073709551615"));
    assert_eq!(run(&["--seeds", "0"]).status.code(), Some(2));
    assert_eq!(run(&["--jobs", "2"]).status.code(), Some(2), "--jobs without --seeds");
}
