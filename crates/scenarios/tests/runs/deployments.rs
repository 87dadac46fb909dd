//! Deployments around a migration: what the mixed versions meet.

use reports::Report;

use super::{SHOP, class, run};

/// Two versions: the second reads a column that the migration adds.
const WEB: &str = r#"
[application]
name = "web"
instances = 4
pool_size = 3
acquire_timeout = "1 s"
drain_timeout = "1 s"
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
statements = [{ sql = "SELECT state, note FROM orders WHERE id = $1", params = ["order"], takes = "2 ms" }]

[migration]
start = "2 s"
files = ["0001_add_note.sql", "0002_index.sql"]
"#;

const FILES: [(&str, &str); 2] = [
    ("0001_add_note.sql", "ALTER TABLE orders ADD COLUMN note text;"),
    ("0002_index.sql", "SELECT pg_sleep(2);"),
];

fn deployed(deployment: &str) -> Report {
    let section = format!("[[deployments]]\nto = \"v2\"\n{deployment}\n");
    run(&[SHOP, WEB, &section], &FILES)
}

/// Requests that failed because a column was not there.
fn undefined_column(report: &Report) -> u64 {
    class(report, "web/read").failed.get("42703").copied().unwrap_or(0)
}

fn took(report: &Report) -> f64 {
    report.deployments[0].end_ms.expect("it ended") - report.deployments[0].start_ms
}

#[test]
fn a_deployment_after_the_migration_fails_no_request() {
    let report = deployed("start = \"after\"");
    assert!(class(&report, "web/read").failed.is_empty(), "{:?}", class(&report, "web/read").failed);
    assert_eq!(report.deployments[0].failure, None);
    assert!(report.deployments[0].start_ms >= report.migration.end_ms.unwrap());
}

#[test]
fn new_readers_before_the_column_fail_until_the_migration_adds_it() {
    let report = deployed("start = \"before\"");
    assert!(undefined_column(&report) > 20, "{:?}", class(&report, "web/read").failed);
    assert!(report.deployments[0].end_ms.unwrap() <= report.migration.start_ms);
    assert_eq!(report.migration.succeeded, Some(true));
}

#[test]
fn readers_of_a_dropped_column_fail_until_they_are_replaced() {
    let section = "[[deployments]]\nto = \"v2\"\nstart = \"after\"\n";
    let drop = [
        ("0001_add_note.sql", "ALTER TABLE orders ADD COLUMN note text;"),
        ("0002_index.sql", "ALTER TABLE orders RENAME COLUMN state TO status;"),
    ];
    let new = WEB.replace("SELECT state, note FROM", "SELECT status, note FROM");
    let report = run(&[SHOP, &new, section], &drop);
    let failed = undefined_column(&report);
    assert!((50..400).contains(&failed), "some 4 s of 50 requests a second: {failed}");
}

#[test]
fn an_application_that_validates_its_model_does_not_start_before_the_column_is_there() {
    let web = WEB.replace("restart_time = \"1 s\"", "restart_time = \"1 s\"\nstart_check = \"statements\"");
    let report = run(&[SHOP, &web, "[[deployments]]\nto = \"v2\"\nstart = \"before\"\n"], &FILES);
    let failure = report.deployments[0].failure.as_deref().unwrap();
    assert!(failure.contains("42703"), "{failure}");
    assert!(class(&report, "web/read").failed.is_empty());
    assert_eq!(report.migration.succeeded, Some(false), "what waits for the deployment is not begun");
}

#[test]
fn requests_that_the_new_version_does_not_know_fail() {
    let web = WEB.split("name = \"v2\"").next().unwrap().to_owned() + "name = \"v2\"\nrequests = []\n";
    let rest = "[migration]\nstart = \"2 s\"\nfiles = []\n[[deployments]]\nto = \"v2\"\n";
    let report = run(&[SHOP, &web, rest], &[]);
    assert!(class(&report, "web/read").failed["not served"] > 50);
}

#[test]
fn a_batch_moves_at_once() {
    let one = took(&deployed("start = \"after\""));
    let two = took(&deployed("start = \"after\"\nbatch_size = 2"));
    assert!((3_900.0..5_500.0).contains(&one), "four starts of 1 s: {one}");
    assert!((1_900.0..2_800.0).contains(&two), "two of them: {two}");
}

#[test]
fn a_deployment_during_the_migration_runs_beside_it() {
    let report = deployed("start = \"during\"\nbatch_size = 4");
    let (deployment, migration) = (&report.deployments[0], &report.migration);
    assert!(deployment.start_ms - migration.start_ms < 1.0);
    assert!(deployment.end_ms.unwrap() < migration.end_ms.unwrap());
}

#[test]
fn a_deployment_at_a_time_begins_then_whatever_the_migration_does() {
    let report = deployed("start = { at = \"200 ms\" }");
    assert_eq!(report.deployments[0].start_ms, 200.0);
    assert!(undefined_column(&report) > 0);
}

#[test]
fn the_migration_rests_while_the_deployment_after_its_step_goes_on() {
    let report = deployed("start = { after_step = \"0001_add_note\" }");
    let statements = &report.migration.statements;
    let (first, second) = (&statements[0], &statements[1]);
    let deployment = &report.deployments[0];
    assert!(first.end_ms.unwrap() <= deployment.start_ms && deployment.end_ms.unwrap() <= second.start_ms);
    assert!(class(&report, "web/read").failed.is_empty());
}

#[test]
fn a_version_that_fails_its_health_check_is_taken_back() {
    let report = deployed("start = \"after\"\nbatch_size = 2\nfails_health_check = true");
    let failure = report.deployments[0].failure.as_deref().unwrap();
    assert!(failure.contains("web-1") && failure.contains("web-2"), "{failure}");
    assert!(!failure.contains("web-3"), "the next batch is not begun: {failure}");
    assert!(class(&report, "web/read").failed.is_empty());
}

#[test]
fn canaries_whose_requests_fail_end_the_deployment() {
    let report = deployed("start = \"before\"\nstrategy = \"canary\"\ncanaries = 1\nwatch = \"5 s\"");
    let failure = report.deployments[0].failure.as_deref().unwrap();
    assert!(failure.starts_with("canary web-1 does badly on v2"), "{failure}");
    let failed = undefined_column(&report);
    assert!((1..30).contains(&failed), "only the canary's requests, until it is looked at: {failed}");
}

#[test]
fn canaries_that_do_well_are_followed_by_the_others() {
    let report =
        deployed("start = \"after\"\nstrategy = \"canary\"\ncanaries = 1\nwatch = \"5 s\"\nbatch_size = 3");
    assert_eq!(report.deployments[0].failure, None);
    let took = took(&report);
    assert!((6_900.0..8_500.0).contains(&took), "1 s, 5 s of watching, 1 s: {took}");
}

#[test]
fn the_second_set_of_a_blue_green_deployment_has_pools_of_its_own() {
    let report = deployed("start = \"after\"\nstrategy = \"blue-green\"");
    assert_eq!(report.deployments[0].failure, None);
    assert!(class(&report, "web/read").failed.is_empty(), "{:?}", class(&report, "web/read").failed);
    assert_eq!(report.connections.peak, 4 * 3 + 4 * 3 + 1, "both sets and the migration");
    let served = report.pools.iter().filter(|pool| pool.peak_in_use > 0).count();
    assert_eq!(served, 8, "first four instances serve, then the other four");
}

#[test]
fn a_second_set_that_gets_no_connections_leaves_the_first_serving() {
    let few = SHOP.replace("version = 16", "version = 16\nmax_connections = 17");
    let section = "[[deployments]]\nto = \"v2\"\nstart = \"after\"\nstrategy = \"blue-green\"\n";
    let report = run(&[&few, WEB, section], &FILES);
    let failure = report.deployments[0].failure.as_deref().unwrap();
    assert!(failure.contains("53300"), "{failure}");
    assert!(class(&report, "web/read").failed.is_empty());
    assert!(report.connections.refused > 0);
}

/// Writers of two versions, as vm0's were: the old one fills a column, the new one a value that the migration adds.
const WRITERS: &str = r#"
[keys.new]
choice = "sequence"
first = 501

[[traffic]]
request = "write"
rate = 30

[application]
name = "web"
instances = 4
restart_time = "1 s"

[[application.versions]]
name = "v1"

[[application.versions.requests]]
name = "read"
statements = [{ sql = "SELECT 1" }]

[[application.versions.requests]]
name = "write"
statements = [{ sql = "INSERT INTO orders (id, state) VALUES ($1, 'new')", params = ["new"], takes = "2 ms" }]

[[application.versions]]
name = "v2"

[[application.versions.requests]]
name = "read"
statements = [{ sql = "SELECT 1" }]

[[application.versions.requests]]
name = "write"
statements = [{ sql = "INSERT INTO events (id, kind) VALUES ($1, 'paused')", params = ["new"], takes = "2 ms" }]

[[deployments]]
to = "v2"
"#;

fn written(start: &str, sql: &str) -> Report {
    let schema = "CREATE TABLE jobs (id bigint PRIMARY KEY, done boolean NOT NULL);\n\
        CREATE TYPE kind AS ENUM ('started');\nCREATE TABLE events (id bigint PRIMARY KEY, kind kind NOT NULL);";
    let shop = SHOP.replace("CREATE TABLE jobs (id bigint PRIMARY KEY, done boolean NOT NULL);", schema);
    let migration = "[migration]\nstart = \"2 s\"\nfiles = [\"0001_change.sql\"]\n";
    run(&[&shop, WRITERS, &format!("start = \"{start}\"\n"), migration], &[("0001_change.sql", sql)])
}

fn failed(report: &Report, state: &str) -> u64 {
    class(report, "web/write").failed.get(state).copied().unwrap_or(0)
}

#[test]
fn writers_of_a_new_enum_value_fail_until_the_migration_adds_it() {
    let add = "ALTER TYPE kind ADD VALUE 'paused';";
    let (early, late) = (written("before", add), written("after", add));
    assert!(failed(&early, "22P02") > 10, "{:?}", class(&early, "web/write").failed);
    assert!(class(&late, "web/write").failed.is_empty(), "{:?}", class(&late, "web/write").failed);
}

#[test]
fn inserts_of_the_draining_version_fail_once_its_column_is_gone() {
    let sql = "ALTER TYPE kind ADD VALUE 'paused'; ALTER TABLE orders DROP COLUMN state;";
    let report = written("after", sql);
    let failed = failed(&report, "42703");
    assert!((20..160).contains(&failed), "some 4 s of 30 requests a second, fewer and fewer: {failed}");
}
