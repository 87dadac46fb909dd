//! What the verdict says for each mechanism, and that it says nothing without one.

mod fixture;

use fixture::{budget, calm, link, outage, statement, wait};
use reports::{Budget, Report, Verdict, judge};

fn remedies(report: &Report) -> String {
    judge(report, &budget()).remedies.join("\n")
}

/// The migration works while a request waits behind it.
fn work(sql: &str, waits_for: &str) -> Report {
    let mut report = outage();
    report.migration.statements = vec![statement(sql, 8_000.0, Some(18_000.0), 0.0, None)];
    report.chain = vec![
        link("web/checkout", "UPDATE users SET plan = $1 WHERE id = $2", Some(waits_for), 9_900.0),
        link("migration", sql, None, 0.0),
    ];
    report.blame = vec![fixture::blame("migration", sql, 9_000.0, 1.0)];
    report.waits = vec![wait("users", "table", "RowExclusiveLock", 40, 300_000.0, 9_900.0)];
    report
}

#[test]
fn a_queue_behind_a_waiting_migration_asks_for_lock_timeout() {
    let remedies = remedies(&outage());
    assert!(remedies.starts_with("`SET lock_timeout = '500ms'` before `ALTER TABLE users"), "{remedies}");
    assert!(remedies.contains("invoice report does not run"), "{remedies}");
}

#[test]
fn a_migration_that_has_a_lock_timeout_is_told_to_lower_it() {
    let mut report = outage();
    let alter = report.migration.statements[0].sql.clone();
    report.migration.statements.insert(0, statement(&alter, 6_000.0, Some(11_000.0), 5_000.0, Some("55P03")));
    report.migration.attempts = 2;
    report.migration.failed_attempts = 1;
    assert!(remedies(&report).starts_with("Lower the migration's lock_timeout"), "{}", remedies(&report));
}

#[test]
fn a_blocking_index_build_asks_for_the_concurrent_one() {
    let report = work("CREATE INDEX users_plan ON users (plan)", "RowExclusiveLock on users");
    let remedies = remedies(&report);
    assert!(remedies.contains("CREATE INDEX CONCURRENTLY"), "{remedies}");
    assert!(!remedies.contains("SET lock_timeout"), "nothing queued behind a waiting migration: {remedies}");
}

#[test]
fn one_big_update_asks_for_batches() {
    let remedies = remedies(&work("UPDATE users SET plan = 'free'", "transaction 4711"));
    assert!(remedies.contains("batches by key"), "{remedies}");
}

#[test]
fn rows_written_under_an_earlier_table_lock_ask_for_a_commit_between() {
    let remedies = remedies(&work("UPDATE users SET plan = 'free'", "RowExclusiveLock on users"));
    assert!(remedies.contains("Commit between the schema change"), "{remedies}");
}

#[test]
fn a_session_idle_in_its_transaction_asks_for_its_timeout() {
    let mut report = outage();
    report.chain[2].doing = "idle in transaction after SELECT 1".to_owned();
    assert!(remedies(&report).contains("idle_in_transaction_session_timeout"), "{}", remedies(&report));
    let story = judge(&report, &budget()).reasons.join("\n");
    assert!(story.contains("did nothing and kept its locks"), "{story}");
}

#[test]
fn an_autovacuum_against_wraparound_is_let_to_its_end() {
    let mut report = outage();
    report.chain[2].session = "autovacuum worker".to_owned();
    assert!(remedies(&report).contains("VACUUM (FREEZE)"), "{}", remedies(&report));
}

#[test]
fn used_up_retries_ask_for_more_time_or_an_end_of_the_blocker() {
    let mut report = calm();
    report.migration.succeeded = Some(false);
    report.migration.attempts = 5;
    report.migration.failed_attempts = 5;
    report.migration.statements[1].failure = Some("55P03".to_owned());
    let verdict = judge(&report, &budget());
    assert!(!verdict.within_budget, "a migration that failed is not within budget");
    assert!(verdict.remedies.join("\n").contains("5 attempts in 30 ms"), "{:#?}", verdict.remedies);
}

#[test]
fn a_concurrent_build_that_waits_asks_for_an_hour_without_long_transactions() {
    let mut report = calm();
    let sql = "CREATE INDEX CONCURRENTLY users_plan ON users (plan)";
    report.migration.statements = vec![statement(sql, 8_000.0, Some(128_000.0), 119_000.0, None)];
    report.migration.end_ms = Some(128_000.0);
    assert!(
        remedies(&report).contains("waited 1 min 59 s for transactions older than itself"),
        "{}",
        remedies(&report)
    );
}

#[test]
fn failures_of_requests_name_their_mechanism() {
    let cases = [
        ("40P01", "deadlock"),
        ("42703", "Expand first, contract last"),
        ("42P01", "Expand first, contract last"),
        ("23502", "Deploy what satisfies the constraint"),
        ("no instance", "health check"),
    ];
    for (code, words) in cases {
        let mut report = calm();
        report.overall.failed.insert(code.to_owned(), 3);
        report.classes[0].failed.insert(code.to_owned(), 3);
        assert!(remedies(&report).contains(words), "{code}: {}", remedies(&report));
    }
}

#[test]
fn a_dry_pool_without_a_lock_in_the_way_is_too_small() {
    let mut report = calm();
    report.pools[0].exhausted_ms = 3_000.0;
    report.overall.failed.insert("pool timeout".to_owned(), 9);
    assert!(remedies(&report).contains("No lock was in the way"), "{}", remedies(&report));
}

#[test]
fn without_trouble_there_is_nothing_to_change() {
    let Verdict { within_budget, remedies, reasons, .. } = judge(&calm(), &budget());
    assert!(within_budget);
    assert_eq!(remedies, Vec::<String>::new());
    assert_eq!(reasons, ["Nothing waited for a lock."]);
}

#[test]
fn without_a_budget_a_migration_that_succeeds_is_within_it() {
    assert!(judge(&outage(), &Budget::default()).within_budget);
    let mut unended = outage();
    unended.migration.succeeded = None;
    assert!(!judge(&unended, &Budget::default()).within_budget);
}

#[test]
fn a_migration_that_had_not_ended_is_over_any_limit_of_time() {
    let mut report = calm();
    report.migration.end_ms = None;
    report.migration.succeeded = None;
    let verdict = judge(&report, &budget());
    let line = verdict.budget.iter().find(|line| line.name == "migration time").unwrap();
    assert!(line.actual.value < line.limit.value && !line.within);
}

#[test]
fn a_table_locked_by_an_earlier_statement_asks_for_a_commit_before_the_rewrite_of_another_one() {
    let report = work("ALTER TABLE events ALTER kind TYPE text", "RowExclusiveLock on users");
    assert!(remedies(&report).contains("Commit between the schema change"), "{}", remedies(&report));
    let own = work("ALTER TABLE users ALTER kind TYPE text", "RowExclusiveLock on users");
    assert!(!remedies(&own).contains("Commit between"), "its own lock is no earlier one");
}

#[test]
fn a_reader_kept_out_during_an_index_build_waits_for_an_earlier_lock() {
    let report = work("CREATE INDEX users_plan ON users (plan)", "AccessShareLock on users");
    assert!(remedies(&report).contains("Commit between the schema change"), "{}", remedies(&report));
}

#[test]
fn a_deadlock_is_a_circle_that_is_told_once_and_has_no_root() {
    let mut report = outage();
    let alter = "ALTER TABLE orders ADD COLUMN note text";
    report.migration.statements = vec![statement(alter, 8_000.0, Some(9_000.0), 1_000.0, Some("40P01"))];
    report.migration.succeeded = Some(false);
    report.chain = vec![
        link("web-1", "SELECT plan FROM users", Some("AccessShareLock on users"), 900.0),
        link("migration", alter, Some("AccessExclusiveLock on orders"), 950.0),
    ];
    report.blame = vec![fixture::blame("migration", alter, 60.0, 1.0)];
    let verdict = judge(&report, &budget());
    let (why, what) = (verdict.reasons.join("\n"), verdict.remedies.join("\n"));
    assert_eq!(why.matches("a deadlock, until").count(), 1, "{why}");
    assert!(what.contains("one table a transaction"), "{what}");
    assert!(!what.contains("pg_terminate_backend"), "there is nobody to be ended: {what}");
    assert!(!what.contains("without a default"), "the ALTER only waited: {what}");
}
