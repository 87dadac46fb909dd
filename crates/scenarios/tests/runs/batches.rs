//! Data steps in batches, and when a migration gives up.

use reports::Report;

use super::{SHOP, class, run};

const WEB: &str = r#"
[application]
name = "web"
instances = 2
pool_size = 4

[[application.versions]]
name = "v1"

[[application.versions.requests]]
name = "read"
statements = [{ sql = "UPDATE orders SET state = 'read' WHERE id = $1", params = ["order"], takes = "2 ms" }]
"#;

fn migrated(settings: &str, sql: &str) -> Report {
    let slow = SHOP.replace("[run]", "[database.rates]\nupdate_row = \"10 ms\"\n\n[run]");
    let migration = format!("[migration]\nstart = \"1 s\"\nfiles = [\"0001_fill.sql\"]\n{settings}\n");
    run(&[&slow, WEB, &migration], &[("0001_fill.sql", sql)])
}

const FILL: &str = "UPDATE orders SET state = upper(state) WHERE id > 0;";

fn updates(report: &Report) -> usize {
    report.migration.statements.iter().filter(|one| one.sql.starts_with("UPDATE")).count()
}

#[test]
fn an_update_in_batches_changes_every_row_once_and_rests_between() {
    let report = migrated("batch_size = 100\nbatch_pause = \"500 ms\"", FILL);
    assert_eq!(report.migration.failure, None);
    assert_eq!(updates(&report), 5, "500 rows");
    let took = report.migration.end_ms.unwrap() - report.migration.start_ms;
    assert!((6_900.0..8_500.0).contains(&took), "5 s of work, 2 s of rest, waits: {took}");
}

#[test]
fn batches_keep_requests_waiting_for_a_batch_and_not_for_the_whole_step() {
    let (whole, batches) = (migrated("", FILL), migrated("batch_size = 20\nbatch_pause = \"50 ms\"", FILL));
    let (whole, batches) = (class(&whole, "web/read").max_ms, class(&batches, "web/read").max_ms);
    assert!(whole > 3_000.0 && batches < 1_000.0, "{whole} ms and {batches} ms");
}

#[test]
fn a_delete_in_batches_ends_when_its_condition_finds_no_more() {
    let report = migrated("batch_size = 30", "DELETE FROM jobs AS j WHERE (j.id % 2 = 0) -- every other\n;");
    let deletes = report.migration.statements.iter().filter(|one| one.sql.starts_with("DELETE")).count();
    assert_eq!((report.migration.failure.as_deref(), deletes), (None, 9), "250 rows");
}

#[test]
fn a_statement_that_cannot_be_cut_up_is_an_error_that_says_why() {
    let files = [("0001_fill.sql", "UPDATE orders SET state = 'x' FROM jobs WHERE jobs.id = orders.id;")];
    let migration = "[migration]\nfiles = [\"0001_fill.sql\"]\nbatch_size = 10\n";
    let loaded = scenarios::Loaded::from_texts(
        std::path::Path::new("shop.toml"),
        &[SHOP, WEB, migration].concat(),
        &files,
    );
    let error = scenarios::run(&loaded.unwrap(), sim_actors::RunMode::Actors, None).unwrap_err().to_string();
    assert!(error.contains("0001_fill.sql") && error.contains("WITH, FROM, USING"), "{error}");
}

#[test]
fn no_attempt_is_begun_after_the_migration_has_given_up() {
    let settings = "lock_timeout = \"100 ms\"\nretry = { backoff = \"1 s\" }\ngive_up_after = \"4500 ms\"\n\
        [[background]]\nname = \"holder\"\nstatements = [{ sql = \"BEGIN\" }, \
        { sql = \"LOCK TABLE orders IN SHARE MODE\", think = \"30 s\" }, { sql = \"COMMIT\" }]\n";
    let report = migrated(settings, "ALTER TABLE orders ADD COLUMN note text;");
    assert_eq!(report.migration.succeeded, Some(false));
    assert_eq!(report.migration.attempts, 5, "one every 1.1 s");
}
