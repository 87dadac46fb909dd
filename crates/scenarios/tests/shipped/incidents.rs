//! Each published incident of `sim-scenarios/incidents` has the shape that was published: who queues behind whom, what
//! runs dry first, how long it lasts.

use crate::rehearsed::{
    chain, class, failed, failures, first_dry_ms, migration_ms, most_to_blame, rehearse, rehearse_with, waits,
};

const MINUTE: f64 = 60_000.0;

#[test]
fn each_incident_names_its_source_and_keeps_what_is_given_apart_from_what_is_assumed() {
    for entry in std::fs::read_dir(crate::rehearsed::folder().join("incidents")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            let text = std::fs::read_to_string(&path).unwrap();
            for part in ["# Source: https://", "# Facts given", "# Facts assumed", "# Look at: "] {
                assert!(text.contains(part), "{}: {part}", path.display());
            }
        }
    }
}

#[test]
fn gocardless_api_queued_for_fifteen_seconds_behind_the_drop_of_a_constraint() {
    let report = rehearse("incidents/gocardless-2015");
    assert_eq!(chain(&report)[1..], ["migration", "long read"]);
    assert!(report.chain[1].doing.contains("DROP CONSTRAINT"), "{:?}", report.chain[1]);
    assert_eq!(report.chain[1].waits_for.as_deref(), Some("AccessExclusiveLock on customers"));
    let stall = class(&report, "show customer").longest_stall_ms;
    assert!((13_000.0..17_000.0).contains(&stall), "published: about 15 s; {stall}");
    let created = report.migration.statements.iter().find(|one| one.sql.contains("ADD CONSTRAINT")).unwrap();
    assert!(created.waited_ms < 1.0, "since 9.5 the new constraint does not wait for readers");
}

#[test]
fn railways_index_used_up_all_connections_in_seconds_and_kept_them_for_half_an_hour() {
    let report = rehearse("incidents/railway-2025-10");
    let dry = first_dry_ms(&report).unwrap() - report.migration.start_ms;
    assert!(dry < 2.0 * MINUTE, "the alert came after 2 minutes: {dry}");
    assert_eq!(report.connections.peak, report.connections.limit - 3, "no connection is left for clients");
    let stall = report.overall.longest_stall_ms;
    assert!((20.0 * MINUTE..40.0 * MINUTE).contains(&stall), "published: about 30 minutes; {stall}");
    assert_eq!(most_to_blame(&report), ("migration", 1.0));
    assert!(report.blame[0].doing.contains("CREATE INDEX"));
    let other = class(&report, "sign in");
    assert!(failures(other) * 10 > other.arrived * 8, "who asks for another table is shut out, too");
}

#[test]
fn railways_index_alone_would_have_stopped_writers_only() {
    let report = rehearse_with("incidents/railway-2025-10", |loaded| {
        for part in loaded.plan.files.iter_mut().flat_map(|file| &mut file.parts) {
            part.transaction = false;
        }
        // Nobody is to be kept out for want of a connection.
        loaded.scenario.application.settings.lock_timeout = Some(scenarios::Span::from_secs(1));
    });
    assert!(waits(&report, "resources", "RowExclusiveLock").is_some());
    assert_eq!(waits(&report, "resources", "AccessShareLock").map_or(0.0, |wait| wait.longest_ms), 0.0);
    assert_eq!(failures(class(&report, "show resource")), 0);
}

#[test]
fn railways_replicas_left_rotation_within_a_minute_and_came_back_with_the_querys_end() {
    let report = rehearse("incidents/railway-2025-12");
    assert_eq!(chain(&report)[1..], ["migration", "long-running query"]);
    let (dry, start) = (first_dry_ms(&report).unwrap(), report.migration.start_ms);
    assert!(dry - start < 15_000.0, "the pools run dry first: {dry}");
    let all = &report.overall;
    let (timeouts, shut_out) = (failed(all, "pool timeout"), failed(all, "no instance"));
    assert!(timeouts > 0 && shut_out > 10 * timeouts, "{timeouts} and {shut_out}");
    // 30 requests a second find no instance from the moment on when the last one has left.
    #[allow(clippy::cast_precision_loss)]
    let out_of_rotation = shut_out as f64 / 30.0 * 1_000.0;
    assert!(out_of_rotation > 8.0 * MINUTE, "unhealthy within the first of nine minutes: {out_of_rotation}");
    let wait = migration_ms(&report);
    assert!((8.0 * MINUTE..10.0 * MINUTE).contains(&wait), "15:17 to 15:26: {wait}");
    let recovered = all.stall_from_ms + all.longest_stall_ms - (start + wait);
    assert!(recovered < 20_000.0, "by itself, one health check after the query's end: {recovered}");
}

#[test]
fn flagsmiths_constraint_takes_milliseconds_and_waits_for_half_an_hour() {
    let report = rehearse("incidents/flagsmith-2023");
    let statement = &report.migration.statements[0];
    let work = statement.end_ms.unwrap() - statement.start_ms - statement.waited_ms;
    assert!(work <= 50.0, "published: 50 ms before the release; {work}");
    assert!((30.0 * MINUTE..40.0 * MINUTE).contains(&statement.waited_ms), "published: 35 minutes");
    let dry = first_dry_ms(&report).unwrap() - report.migration.start_ms;
    assert!(dry < 15_000.0, "the connections go in seconds: {dry}");
    assert_eq!(most_to_blame(&report).0, "forgotten session");
    assert!(failures(&report.overall) * 10 > report.overall.arrived * 9);
}

#[test]
fn doctolibs_platform_was_down_for_a_minute_for_a_small_table() {
    let report = rehearse("incidents/doctolib-2018");
    let stall = class(&report, "show practice").longest_stall_ms;
    assert!((50_000.0..70_000.0).contains(&stall), "published: a whole minute; {stall}");
    let other = class(&report, "show appointment");
    assert!(failed(other, "pool timeout") * 2 > other.arrived, "the whole platform, not one table");
    assert!(other.stall_from_ms - report.migration.start_ms < 5_000.0);
    assert!(waits(&report, "appointments", "AccessShareLock").is_none());
}

#[test]
fn freehires_listing_of_who_blocked_whom_comes_out() {
    let report = rehearse("incidents/freehire-2026-07");
    assert_eq!(chain(&report)[1..], ["migration", "freehire-pg-backup"]);
    let moment = report.worst_moment.as_ref().unwrap();
    let node = |label: &str| moment.nodes.iter().position(|node| node.label == label).unwrap();
    let (reads, migration) = (node("app/GetUserProfile"), node("migration"));
    assert_eq!(moment.nodes[reads].count, 7, "seven reads of a profile");
    let behind = |waiter: usize| -> Vec<usize> {
        moment.edges.iter().filter(|edge| edge.from == waiter).map(|edge| edge.to).collect()
    };
    assert_eq!(behind(reads), [migration], "each behind the migration alone");
    assert_eq!(behind(migration), [node("freehire-pg-backup")], "which is behind the dump alone");

    let reads = waits(&report, "user_profiles", "AccessShareLock").unwrap();
    assert_eq!(reads.count, 7);
    let published = (12.0 * 60.0 + 16.0) * 1_000.0;
    assert!((reads.longest_ms - published).abs() < 30_000.0, "12:16 in the listing; {}", reads.longest_ms);
    let statement = &report.migration.statements[0];
    assert!((statement.waited_ms - 15.0 * MINUTE).abs() < 1.0, "15:00 in the listing");
    assert_eq!(report.overall.failed.len(), 0, "once it was cancelled all were served");
    let last = class(&report, "GetUserProfile");
    assert!(last.max_ms - reads.longest_ms < 100.0, "at once");
}

#[test]
fn tldraws_first_attempt_dies_of_a_plain_reader_and_the_second_goes_through() {
    let report = rehearse("incidents/tldraw-2026-09");
    let migration = &report.migration;
    assert_eq!((migration.succeeded, migration.attempts, migration.failed_attempts), (Some(true), 2, 1));
    let states: Vec<&str> = migration.statements.iter().filter_map(|one| one.failure.as_deref()).collect();
    assert_eq!(states, ["40P01"]);
    assert_eq!(failures(&report.overall), 0, "no reader was the victim");
    let stall = class(&report, "show user").longest_stall_ms;
    assert!((800.0..1_300.0).contains(&stall), "for a deadlock_timeout: {stall}");
}

#[test]
fn a_deploy_like_tldraws_goes_through_at_first_more_often_than_not() {
    let at_once = (0..20).filter(|seed| {
        let report = rehearse_with("incidents/tldraw-2026-09", |loaded| loaded.scenario.seed = *seed);
        report.migration.attempts == 1
    });
    let at_once = at_once.count();
    assert!((10..20).contains(&at_once), "as staging and the dry run did: {at_once} of 20");
}

#[test]
fn boardseshs_backfill_kept_everybody_waiting_for_two_minutes_before_the_deadlock() {
    let report = rehearse("incidents/boardsesh-2026-07");
    assert_eq!(report.migration.succeeded, Some(false));
    let victim =
        report.migration.statements.iter().find(|one| one.failure.as_deref() == Some("40P01")).unwrap();
    assert!(victim.sql.contains("ALTER TABLE board_climbs "), "at the second ALTER TABLE: {}", victim.sql);
    let stall = class(&report, "show climb").longest_stall_ms;
    assert!((1.5 * MINUTE..2.5 * MINUTE).contains(&stall), "published: about 2 minutes; {stall}");
    assert!(most_to_blame(&report).1 > 0.9 && report.blame[0].doing.starts_with("UPDATE"));
}

#[test]
fn memex_ais_migration_and_events_take_two_tables_in_opposite_orders() {
    let report = rehearse("incidents/memex-ai-2026-06");
    assert_eq!(report.migration.succeeded, Some(false));
    assert!(report.migration.failure.as_deref().unwrap().contains("40P01"));
    assert!(migration_ms(&report) < 2_000.0, "before the rewrite has begun");
    for (table, mode) in [("test_events", "AccessExclusiveLock"), ("test_event_latest", "RowExclusiveLock")] {
        assert!(waits(&report, table, mode).is_some(), "somebody waits for {mode} on {table}");
    }
}

#[test]
fn supersets_rewrite_of_a_table_that_nobody_reads_kept_users_and_organizations_locked() {
    let report = rehearse("incidents/superset-sh-2026-09");
    let rewrite = migration_ms(&report);
    for name in ["show user", "show organization"] {
        assert!(class(&report, name).longest_stall_ms > 0.9 * rewrite, "{name}");
    }
    assert!(report.waits.iter().all(|wait| wait.object != "webhook_events"));
    assert!(report.blame[0].doing.contains("webhook_events"), "but its rewrite is to blame");
}

#[test]
fn handshakes_new_table_passes_a_read_on_todays_servers() {
    let report = rehearse("incidents/handshake-2017");
    assert!(report.verdict.within_budget);
    assert_eq!(report.overall.delayed, 0);
    assert!(report.waits.iter().all(|wait| wait.longest_ms < 20.0), "{:?}", report.waits);
}

/// From when to when requests of a class failed, in minutes: nobody had an answer, or only some.
#[allow(clippy::cast_precision_loss)]
fn failing_minutes(report: &reports::Report) -> f64 {
    let failed = report.series.failed.iter();
    let intervals = failed.filter(|failed| **failed > 0).count();
    intervals as f64 * report.series.interval_ms / MINUTE
}

#[test]
fn vm0s_new_readers_failed_until_the_column_was_there() {
    let report = rehearse("incidents/vm0-2026-07-27");
    let (read, write) = (class(&report, "read messages"), class(&report, "write message"));
    assert_eq!(failures(read), failed(read, "42703"));
    let minutes = failing_minutes(&report);
    assert!((98.0..106.0).contains(&minutes), "published: 102 minutes; {minutes}");
    assert_eq!(failures(write), 0, "the additive column breaks nobody else");
    assert!(report.waits.iter().all(|wait| wait.longest_ms < 10.0), "{:?}", report.waits);
}

#[test]
fn vm0s_new_enum_value_failed_more_than_half_of_one_endpoints_requests_for_ten_minutes() {
    let report = rehearse("incidents/vm0-2026-07-28");
    let teams = class(&report, "events of a teams thread");
    assert_eq!(failures(teams), failed(teams, "22P02"));
    let minutes = failing_minutes(&report);
    assert!((8.0..11.0).contains(&minutes), "published: 10 minutes; {minutes}");
    let series = &report.series;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let (from, to) = ((120_000.0 / series.interval_ms) as usize, (640_000.0 / series.interval_ms) as usize);
    let sum = |counts: &[u64]| counts[from..to].iter().sum::<u64>();
    let part = sum(&series.failed) * 100 / sum(&series.arrived);
    assert!((50..64).contains(&part), "published: 57 % at the peak; {part}");
}

#[test]
fn vm0s_draining_instances_failed_their_inserts_for_two_minutes() {
    let report = rehearse("incidents/vm0-2026-07-29");
    let write = class(&report, "write message");
    assert_eq!(failures(write), failed(write, "42703"));
    assert!(failures(write) > 50);
    let minutes = failing_minutes(&report);
    assert!((1.0..3.0).contains(&minutes), "published: 2 minutes; {minutes}");
    assert_eq!(failures(class(&report, "read messages")), 0);
}

#[test]
fn tregs_pools_asked_for_more_connections_than_there_were_and_calls_waited_for_a_pods_migration() {
    let report = rehearse("incidents/treg-2026-08");
    assert!(report.connections.refused > 0);
    assert!(report.connections.peak >= report.connections.limit - 3, "{:?}", report.connections);
    assert_eq!(most_to_blame(&report).0, "forgotten session");
    let stall = class(&report, "call").longest_stall_ms;
    assert!((8.0 * MINUTE..11.0 * MINUTE).contains(&stall), "to the restart: {stall}");
}

#[test]
fn geoids_column_that_was_there_already_froze_the_platform() {
    let report = rehearse("incidents/geoid-2026-05");
    assert_eq!(chain(&report).last(), Some(&"idle reader"));
    let stall = class(&report, "show catalog").longest_stall_ms;
    assert!((4.0 * MINUTE..5.5 * MINUTE).contains(&stall), "to the reader's end: {stall}");
    let waiting = report.migration.statements.iter().find(|one| one.sql.contains("IF NOT EXISTS provenance"));
    assert!(waiting.unwrap().waited_ms > 3.0 * MINUTE);
}
