//! `rehearsal check` from outside: an example of each finding, a directory of each runner, every format.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check")
}

fn check(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rehearsal"))
        .current_dir(data())
        .arg("check")
        .args(args)
        .output()
        .expect("the binary is built")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

/// The rules that `--explain` lists, but for the one that needs a runner.
fn rules() -> Vec<String> {
    let listed = stdout(&check(&["--explain"]));
    let names = listed.lines().filter_map(|l| l.split_whitespace().next()).map(str::to_owned);
    names.filter(|name| name != "runner-lock-deadlocks").collect()
}

fn found(path: &str) -> Vec<String> {
    let output = check(&[path, "--schema", "schema.sql", "--runner", "plain", "--format", "github"]);
    let titles = stdout(&output);
    titles.lines().filter_map(|l| l.split("title=").nth(1)?.split("::").next()).map(str::to_owned).collect()
}

#[test]
fn each_rule_finds_its_bad_example_and_passes_its_good_one() {
    let rules = rules();
    assert!(rules.len() >= 33, "{rules:?}");
    for rule in rules {
        let bad = found(&format!("bad/{rule}.sql"));
        assert!(bad.contains(&rule), "bad/{rule}.sql has {bad:?}");
        let good = found(&format!("good/{rule}.sql"));
        assert!(!good.contains(&rule), "good/{rule}.sql has {good:?}");
    }
}

#[test]
fn the_report_reads_like_this() {
    for rule in rules() {
        let path = format!("bad/{rule}.sql");
        let output = check(&[&path, "--schema", "schema.sql", "--rows", "orders=5M", "--runner", "plain"]);
        insta::assert_snapshot!(format!("bad_{rule}"), stdout(&output));
    }
}

#[test]
fn each_runner_is_recognised_and_groups_its_statements() {
    for (directory, runner) in [
        ("sqlx/migrations", "sqlx"),
        ("dbmate/db/migrations", "dbmate"),
        ("golang-migrate/migrations", "golang-migrate"),
        ("refinery/migrations", "refinery"),
        ("flyway/sql", "flyway"),
        ("goose/migrations", "goose"),
        ("atlas/migrations", "atlas"),
    ] {
        let output = check(&[&format!("runners/{directory}"), "--format", "json", "--down"]);
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let files = report["files"].as_array().expect("files");
        assert!(files.len() >= 3, "{directory}");
        assert!(files.iter().all(|f| f["runner"] == runner), "{directory}: {report}");
        let refused = report.to_string().contains("concurrently-in-transaction");
        // refinery has no way out of its transaction.
        assert_eq!(refused, runner == "refinery", "{directory}");
    }
}

#[test]
fn a_named_runner_goes_before_the_guess() {
    let output = check(&["runners/plain", "--runner", "plain", "--format", "json"]);
    assert!(stdout(&output).contains("\"runner\": \"plain\""));
    let output = check(&["runners/plain", "--runner", "nosuch"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn the_exit_status_tells_findings_from_failures() {
    let good = "good/column-type-rewrites.sql";
    let bad = "bad/column-type-rewrites.sql";
    assert_eq!(check(&[good, "--schema", "schema.sql"]).status.code(), Some(0));
    assert_eq!(check(&[bad, "--schema", "schema.sql"]).status.code(), Some(1));
    assert_eq!(check(&[bad, "--schema", "schema.sql", "--fail-on", "never"]).status.code(), Some(0));
    let allowed = check(&[bad, "--schema", "schema.sql", "--allow", "column-type-rewrites"]);
    assert_eq!(allowed.status.code(), Some(0));
    assert_eq!(check(&["nosuch.sql"]).status.code(), Some(2));
    assert_eq!(check(&[bad, "--pg", "11"]).status.code(), Some(2));
}

#[test]
fn small_tables_make_notes_of_errors() {
    let args = ["bad/column-type-rewrites.sql", "--schema", "schema.sql", "--rows", "orders=1k"];
    assert_eq!(check(&args).status.code(), Some(0));
}

#[test]
fn broken_sql_has_a_place_and_the_rest_is_checked() {
    let output = check(&["bad/syntax-error.sql", "--schema", "schema.sql", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let file = &report["files"][0];
    let lines: Vec<u64> =
        file["findings"].as_array().expect("findings").iter().filter_map(|f| f["line"].as_u64()).collect();
    assert!(lines.contains(&2) && lines.contains(&3), "{lines:?}");
    let statements = file["statements"].as_array().expect("statements");
    assert!(statements.iter().any(|s| s["line"] == 4), "the statement after the mistakes is there");
}

#[test]
fn a_hundred_thousand_parentheses_are_a_diagnostic() {
    let path = std::env::temp_dir().join(format!("rehearsal-parentheses-{}.sql", std::process::id()));
    let text = format!("SELECT {}1{};\nDROP TABLE t;\n", "(".repeat(100_000), ")".repeat(100_000));
    std::fs::write(&path, text).expect("a temporary file");
    let output = check(&[path.to_str().expect("UTF-8"), "--format", "github"]);
    std::fs::remove_file(&path).expect("it was there");
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("title=syntax-error"));
}

#[test]
fn gitlab_and_github_reports_have_their_forms() {
    let args = ["bad", "--schema", "schema.sql", "--runner", "plain"];
    let gitlab = check(&[&args[..], &["--format", "gitlab"]].concat());
    let issues: serde_json::Value = serde_json::from_slice(&gitlab.stdout).expect("JSON");
    let issues = issues.as_array().expect("a list");
    assert!(issues.len() > 30);
    for issue in issues {
        assert!(issue["location"]["lines"]["begin"].as_u64().is_some_and(|line| line > 0));
        assert_eq!(issue["fingerprint"].as_str().map(str::len), Some(16));
    }
    let github = stdout(&check(&[&args[..], &["--format", "github"]].concat()));
    assert!(github.lines().all(|l| l.starts_with("::error file=")
        || l.starts_with("::warning file=")
        || l.starts_with("::notice file=")));
}

#[test]
fn the_rows_of_a_table_count_though_no_schema_names_it() {
    let few = check(&["bad/column-type-rewrites.sql", "--rows", "orders=1k"]);
    let many = check(&["bad/column-type-rewrites.sql", "--rows", "orders=50M"]);
    assert_eq!(few.status.code(), Some(0), "{}", stdout(&few));
    assert_eq!(many.status.code(), Some(1), "{}", stdout(&many));
}

#[test]
fn rows_of_a_table_that_nothing_names_are_warned_of() {
    let output = check(&["bad/column-type-rewrites.sql", "--rows", "nosuch=5M"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("--rows nosuch: neither the schema nor a migration"), "{said}");
}
