//! Every instance runs the migration when it starts.

use reports::Report;

use super::{SHOP, class, run};

const WEB: &str = r#"
[application]
name = "web"
instances = 3
pool_size = 3
acquire_timeout = "1 s"
restart_time = "1 s"

[[application.versions]]
name = "v1"

[[application.versions.requests]]
name = "read"
statements = [{ sql = "SELECT state FROM orders WHERE id = $1", params = ["order"], takes = "2 ms" }]

[[application.versions]]
name = "v2"

[[application.versions.requests]]
name = "read"
statements = [{ sql = "SELECT state FROM orders WHERE id = $1", params = ["order"], takes = "2 ms" }]
"#;

/// A file that several tools take: three seconds of work, then the column.
const ADD: [(&str, &str); 1] = [(
    "0001_add_note.up.sql",
    "-- migrate:up\n-- +goose Up\nSELECT pg_sleep(3);\nALTER TABLE orders ADD COLUMN note text;",
)];

fn started(runner: &str, more: &str, files: &[(&str, &str)]) -> Report {
    let names: Vec<String> = files.iter().map(|file| format!("\"{}\"", file.0)).collect();
    let migration = format!(
        "[migration]\nstart = \"2 s\"\nrunner = \"{runner}\"\nfiles = [{}]\n\
         [[deployments]]\nto = \"v2\"\nmigrate_on_start = true\n{more}\n",
        names.join(", ")
    );
    run(&[SHOP, WEB, &migration], files)
}

/// The statements that contain a text: whose, from when, waited for how long, its failure.
fn sent<'r>(report: &'r Report, text: &str) -> Vec<(&'r str, f64, Option<&'r str>)> {
    let statements = report.migration.statements.iter().filter(|one| one.sql.contains(text));
    statements.map(|one| (one.by.as_str(), one.waited_ms, one.failure.as_deref())).collect()
}

#[test]
fn the_first_instance_migrates_and_the_others_wait_for_its_lock() {
    let report = started("sqlx", "batch_size = 3", &ADD);
    assert_eq!(report.migration.succeeded, Some(true), "{:?}", report.migration.failure);
    assert_eq!(sent(&report, "ALTER TABLE").len(), 1);
    let locks = sent(&report, "pg_advisory_lock");
    let waited: Vec<bool> = locks.iter().map(|one| one.1 > 2_900.0).collect();
    assert_eq!(waited, [false, true, true], "{locks:?}");
    assert_eq!(report.deployments[0].failure, None);
}

#[test]
fn instances_that_start_at_once_leave_none_to_serve_while_one_of_them_migrates() {
    let report = started("sqlx", "batch_size = 3", &ADD);
    let unserved = class(&report, "web/read").failed.get("no instance").copied().unwrap_or(0);
    assert!((150..260).contains(&unserved), "4 s of 50 requests a second: {unserved}");
    let one_by_one = started("sqlx", "", &ADD);
    assert!(class(&one_by_one, "web/read").failed.is_empty());
}

#[test]
fn without_a_lock_instances_get_in_each_others_way() {
    let report = started("dbmate", "batch_size = 3", &ADD);
    let alters = sent(&report, "ALTER TABLE");
    assert_eq!(alters.len(), 3);
    assert_eq!(alters.iter().filter(|one| one.2 == Some("42701")).count(), 2, "{alters:?}");
    assert!(report.deployments[0].failure.is_some());
}

#[test]
fn an_instance_that_is_started_again_finds_the_migration_done() {
    let report = started("dbmate", "batch_size = 3\nrestarts = 2", &ADD);
    assert_eq!(report.deployments[0].failure, None);
    assert_eq!(report.migration.succeeded, Some(true));
}

#[test]
fn a_concurrent_index_and_a_second_runners_advisory_lock_are_a_deadlock() {
    let index = [("0001_index.up.sql", "CREATE INDEX CONCURRENTLY by_state ON orders (state);")];
    let long = "batch_size = 3\n[[background]]\nname = \"report\"\nstart = \"1 s\"\nstatements = [{ sql = \"BEGIN ISOLATION LEVEL REPEATABLE READ\" }, { sql = \"SELECT count(*) FROM jobs\", think = \"4 s\" }, { sql = \"COMMIT\" }]";
    let report = started("golang-migrate", long, &index);
    let victims = report.migration.statements.iter().filter(|one| one.failure.as_deref() == Some("40P01"));
    assert!(victims.count() > 0, "{:#?}", report.migration.statements);
}

#[test]
fn a_table_lock_sits_idle_in_a_transaction_of_its_own() {
    let report = started("dbmate", "batch_size = 3", &ADD);
    assert!(sent(&report, "LOCK TABLE").is_empty());
    let names = "[migration]\nstart = \"2 s\"\nrunner = \"dbmate\"\nrunner_lock = \"table\"\nfiles = [\"0001_add_note.up.sql\"]\n\
         [[deployments]]\nto = \"v2\"\nmigrate_on_start = true\nbatch_size = 3\n";
    let report = run(&[SHOP, WEB, names], &ADD);
    assert_eq!(sent(&report, "LOCK TABLE").len(), 3);
    assert_eq!(sent(&report, "ALTER TABLE").len(), 1, "{:#?}", report.migration.statements);
}

#[test]
fn every_runner_writes_down_what_it_has_done() {
    for runner in ["sqlx", "golang-migrate", "dbmate", "refinery", "flyway", "goose", "atlas"] {
        let report = started(runner, "", &ADD);
        let failures: Vec<_> =
            report.migration.statements.iter().filter(|one| one.failure.is_some()).collect();
        assert_eq!(report.migration.succeeded, Some(true), "{runner}: {failures:?}");
        assert_eq!(sent(&report, "ALTER TABLE").len(), 1, "{runner}: the second instance finds it done");
    }
}
