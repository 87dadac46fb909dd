//! Each lesson of `sim-scenarios/lessons` teaches what it says: the shape of its outage, in numbers of the simulation.

use std::cell::Cell;
use std::rc::Rc;

use scenarios::{EventObserver, Loaded};
use sim_actors::RunMode;

use crate::rehearsed::{
    chain, class, failed, failures, first_dry_ms, folder, migration_ms, most_to_blame, rehearse,
    rehearse_with, waits,
};

/// Each unsafe way with its safe twin.
const TWINS: [(&str, &str); 10] = [
    ("alter-behind-long-select", "lessons/alter-with-lock-timeout"),
    ("lessons/index-blocking", "lessons/index-concurrently"),
    ("lessons/set-not-null", "lessons/set-not-null-by-check"),
    ("lessons/foreign-key", "lessons/foreign-key-not-valid"),
    ("lessons/deadlock-with-a-reader", "lessons/deadlock-avoided"),
    ("lessons/pool-exhaustion", "lessons/pool-exhaustion-contained"),
    ("lessons/update-at-once", "lessons/update-in-batches"),
    ("lessons/rename-in-one-step", "lessons/rename-by-expand-contract"),
    ("lessons/startup-migrations", "lessons/startup-migrations-apart"),
    ("lessons/backfill-outrun", "lessons/backfill-of-old-rows"),
];

#[test]
fn each_unsafe_way_is_outside_its_budget_and_its_safe_twin_within_the_same() {
    for (unsafe_way, safe_way) in TWINS {
        let (bad, good) = (rehearse(unsafe_way), rehearse(safe_way));
        assert!(!bad.verdict.within_budget, "{unsafe_way}: {}", bad.verdict.headline);
        assert!(good.verdict.within_budget, "{safe_way}: {}", good.verdict.headline);
        let limits = |report: &reports::Report| -> Vec<(String, f64)> {
            report.verdict.budget.iter().map(|line| (line.name.clone(), line.limit.value)).collect()
        };
        assert_eq!(
            limits(&bad),
            limits(&good),
            "{unsafe_way} and {safe_way} are held against the same limits"
        );
        assert_eq!(bad.seed, good.seed, "{unsafe_way} and {safe_way} have the same arrivals");
    }
}

#[test]
fn a_report_is_the_same_whether_or_not_somebody_sees_every_event() {
    for name in ["alter-behind-long-select", "lessons/deadlock-with-a-reader", "lessons/pool-exhaustion"] {
        let loaded = Loaded::from_file(&folder().join(format!("{name}.toml"))).expect("a shipped scenario");
        let count = Rc::new(Cell::new(0));
        let counting = Rc::clone(&count);
        let observer: Rc<EventObserver> = Rc::new(move |_, _, _| counting.set(counting.get() + 1));
        let seen = scenarios::run(&loaded, RunMode::Bare, Some(observer)).expect("it runs");
        assert!(count.get() > 0, "{name}: nothing was seen");
        assert_eq!(format!("{seen:?}"), format!("{:?}", rehearse(name)), "{name}");
    }
}

#[test]
fn a_lock_timeout_turns_ten_seconds_of_outage_into_ten_attempts() {
    let bad = rehearse("alter-behind-long-select");
    assert_eq!(chain(&bad)[1..], ["migration", "monthly report"]);
    assert!((9_000.0..11_000.0).contains(&class(&bad, "show account").longest_stall_ms));

    let good = rehearse("lessons/alter-with-lock-timeout");
    let stall = class(&good, "show account").longest_stall_ms;
    assert!((200.0..300.0).contains(&stall), "one attempt's lock_timeout: {stall}");
    let failures = good.migration.statements.iter().filter_map(|one| one.failure.as_deref());
    assert_eq!(failures.collect::<Vec<_>>(), vec!["55P03"; 9]);
    assert_eq!(good.migration.succeeded, Some(true));
}

#[test]
fn a_blocking_index_stops_writers_first_and_readers_by_way_of_the_pools() {
    let report = rehearse("lessons/index-blocking");
    let (write, read) = (class(&report, "place order"), class(&report, "show order"));
    let build = migration_ms(&report);
    assert!(write.longest_stall_ms > 0.9 * build, "writers wait for the whole build");
    assert!(read.stall_from_ms > write.stall_from_ms + 500.0, "readers go on until the pools are dry");
    assert_eq!(failures(read), failed(read, "pool timeout"));
    assert!(waits(&report, "orders", "AccessShareLock").is_none(), "no reader waits for a lock");
    assert_eq!(most_to_blame(&report), ("migration", 1.0));
}

#[test]
fn a_concurrent_index_takes_longer_and_nobody_waits() {
    let (bad, good) = (rehearse("lessons/index-blocking"), rehearse("lessons/index-concurrently"));
    assert!(migration_ms(&good) > 1.2 * migration_ms(&bad));
    assert!(good.waits.is_empty() && good.overall.delayed == 0);
}

#[test]
fn set_not_null_keeps_everybody_out_for_the_scan() {
    let report = rehearse("lessons/set-not-null");
    let scan = migration_ms(&report);
    for name in ["show order", "place order"] {
        assert!(class(&report, name).longest_stall_ms > 0.9 * scan, "{name} waits for the whole scan");
    }
    assert!(waits(&report, "orders", "AccessShareLock").is_some(), "readers wait too");
    assert!(waits(&report, "customers", "AccessShareLock").is_none());
    assert!(
        failed(class(&report, "show customer"), "pool timeout") > 50,
        "who asked for another table fails"
    );
}

#[test]
fn a_validated_check_spares_set_not_null_the_scan() {
    let (bad, good) = (rehearse("lessons/set-not-null"), rehearse("lessons/set-not-null-by-check"));
    let took = |part: &str| {
        let found = good.migration.statements.iter().find(|one| one.sql.contains(part)).unwrap();
        found.end_ms.unwrap() - found.start_ms
    };
    assert!((took("VALIDATE") / migration_ms(&bad) - 1.0).abs() < 0.1, "the same scan, under a weaker lock");
    assert!(took("SET NOT NULL") < 10.0);
    assert_eq!(good.overall.delayed, 0);
}

#[test]
fn a_foreign_key_in_one_step_stops_writers_of_both_tables() {
    let report = rehearse("lessons/foreign-key");
    let check = migration_ms(&report);
    for name in ["place order", "rename customer"] {
        assert!(class(&report, name).longest_stall_ms > 0.9 * check, "{name} waits for the whole check");
    }
    for table in ["orders", "customers"] {
        assert!(waits(&report, table, "RowExclusiveLock").is_some(), "writers of {table} wait");
        assert!(waits(&report, table, "AccessShareLock").is_none(), "readers of {table} wait for no lock");
    }
    let good = rehearse("lessons/foreign-key-not-valid");
    assert!((migration_ms(&good) / check - 1.0).abs() < 0.1, "the same work");
    assert_eq!(good.overall.delayed, 0);
}

#[test]
fn the_migration_that_deadlocks_with_readers_dies_after_deadlock_timeout() {
    let report = rehearse("lessons/deadlock-with-a-reader");
    let states: Vec<&str> =
        report.migration.statements.iter().filter_map(|one| one.failure.as_deref()).collect();
    assert_eq!(states, ["40P01"]);
    assert_eq!(report.migration.succeeded, Some(false));
    assert!((900.0..1_300.0).contains(&migration_ms(&report)), "{}", migration_ms(&report));
    let stall = class(&report, "customer overview").longest_stall_ms;
    assert!((900.0..1_300.0).contains(&stall), "everybody waited for as long: {stall}");
    let told = chain(&report);
    assert!(told.contains(&"migration") && told.len() <= 4, "a circle is told once: {told:?}");
    let why = report.verdict.reasons.join("\n");
    assert!(why.contains("a deadlock"), "{why}");
}

#[test]
fn one_table_a_transaction_is_in_no_deadlock_whatever_the_seed() {
    for seed in 0..5 {
        let report = rehearse_with("lessons/deadlock-avoided", |loaded| loaded.scenario.seed = seed);
        assert_eq!(report.migration.succeeded, Some(true), "seed {seed}");
        assert!(!report.overall.failed.contains_key("40P01"), "seed {seed}");
        assert!(report.migration.statements.iter().all(|one| one.failure.as_deref() != Some("40P01")));
    }
}

#[test]
fn a_table_that_few_ask_for_takes_all_connections_after_a_few_seconds() {
    let report = rehearse("lessons/pool-exhaustion");
    let dry = first_dry_ms(&report).unwrap() - report.migration.start_ms;
    // Twenty connections, three blocked requests a second.
    assert!((4_000.0..9_000.0).contains(&dry), "{dry}");
    for name in ["show order", "place order", "show customer"] {
        let class = class(&report, name);
        assert!(failed(class, "pool timeout") * 10 > class.arrived, "{name}: {:?}", class.failed);
    }
    assert!(report.waits.iter().all(|wait| wait.object == "exports"), "nobody else waits for a lock");
}

#[test]
fn a_lock_timeout_of_the_applications_role_keeps_the_others_connected() {
    let report = rehearse("lessons/pool-exhaustion-contained");
    assert_eq!(first_dry_ms(&report), None);
    let exports = class(&report, "list exports");
    assert!(failed(exports, "55P03") > 20);
    assert_eq!(failures(exports), report.overall.failed.values().sum::<u64>(), "nobody else fails");
    assert!(exports.longest_stall_ms > 10_000.0, "the exports stay closed");
}

#[test]
fn rows_that_one_update_has_changed_stay_locked_to_its_end() {
    let report = rehearse("lessons/update-at-once");
    let rows = waits(&report, "another transaction's row", "ShareLock").unwrap();
    assert!(rows.longest_ms > 0.5 * migration_ms(&report), "{}", rows.longest_ms);
    let (correct, read) = (class(&report, "correct order"), class(&report, "show order"));
    assert!(correct.delayed * 5 > correct.arrived, "{} of {}", correct.delayed, correct.arrived);
    assert_eq!(failures(read), failed(read, "pool timeout"), "readers only lack connections");
    assert_eq!(most_to_blame(&report).0, "migration");
}

#[test]
fn batches_let_go_of_their_rows_and_take_their_time() {
    let (bad, good) = (rehearse("lessons/update-at-once"), rehearse("lessons/update-in-batches"));
    let rows = waits(&good, "another transaction's row", "ShareLock");
    assert!(rows.is_none_or(|rows| rows.longest_ms < 500.0), "no longer than a batch: {rows:?}");
    assert_eq!(first_dry_ms(&good), None);
    assert!(migration_ms(&good) > 1.3 * migration_ms(&bad), "the pauses add up: {}", migration_ms(&good));
}

#[test]
fn a_rename_in_one_step_fails_every_request_of_the_instances_that_do_not_know_it_yet() {
    let report = rehearse("lessons/rename-in-one-step");
    assert!(
        report.waits.iter().all(|wait| wait.longest_ms < 50.0),
        "locks have no part in it: {:?}",
        report.waits
    );
    let all = &report.overall;
    assert_eq!(failures(all), failed(all, "42703"));
    // Four instances, 3 to 5 s each: on the mean half of the requests for some 15 s, out of 32 s in all.
    let part = failed(all, "42703") * 100 / all.arrived;
    assert!((15..40).contains(&part), "{part} %");
}

#[test]
fn expand_and_contract_fails_nobody_through_three_deployments() {
    let report = rehearse("lessons/rename-by-expand-contract");
    assert_eq!(report.migration.succeeded, Some(true), "{:?}", report.migration.failure);
    assert_eq!(report.deployments.len(), 3);
    assert!(report.deployments.iter().all(|deployment| deployment.failure.is_none()));
    assert_eq!(failures(&report.overall), 0);
}

#[test]
fn pods_that_migrate_at_start_close_the_table_and_never_get_ready() {
    let report = rehearse("lessons/startup-migrations");
    let chain = chain(&report);
    assert_eq!(chain.last(), Some(&"analyst"), "{chain:?}");
    let stall = class(&report, "show ticket").longest_stall_ms;
    assert!((30_000.0..40_000.0).contains(&stall), "to the end of the analyst's transaction: {stall}");
    let other = class(&report, "show user");
    assert!(
        failures(other) * 4 > other.arrived,
        "who asks for another table is shut out: {:?}",
        other.failed
    );
    let waiting: Vec<f64> = (report.migration.statements.iter())
        .filter(|one| one.sql.contains("advisory_lock"))
        .map(|one| one.waited_ms)
        .collect();
    assert!(waiting.iter().any(|waited| *waited > 20_000.0), "the next pod waits for the first: {waiting:?}");
}

#[test]
fn a_migration_apart_from_the_pods_tries_until_the_table_is_free() {
    let report = rehearse("lessons/startup-migrations-apart");
    assert!(report.migration.failed_attempts >= 10, "{}", report.migration.failed_attempts);
    assert!(class(&report, "show ticket").longest_stall_ms < 500.0);
    assert!(report.deployments[0].failure.is_none());
}

#[test]
fn a_backfill_that_inserts_outrun_never_lets_the_next_step_through() {
    let report = rehearse("lessons/backfill-outrun");
    let migration = &report.migration;
    assert_eq!(migration.succeeded, Some(false));
    let states = migration.statements.iter().filter_map(|one| one.failure.as_deref());
    assert!(states.clone().count() >= 10 && states.clone().all(|state| state == "23502"));
    assert!(migration_ms(&report) > 50_000.0, "{}", migration_ms(&report));
    assert_eq!(report.overall.delayed, 0, "no user notices anything");
}

#[test]
fn a_backfill_of_the_old_rows_alone_ends() {
    let report = rehearse("lessons/backfill-of-old-rows");
    assert_eq!(report.migration.succeeded, Some(true), "{:?}", report.migration.failure);
    let took = migration_ms(&report);
    assert!((10_000.0..30_000.0).contains(&took), "2,000 rows, a hundred a second: {took}");
}
