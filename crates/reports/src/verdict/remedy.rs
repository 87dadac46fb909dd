//! What to change: a table of mechanisms, each of which looks for its own traces in the report.

use super::case::{Case, Role, mode_and_object, quoted};
use super::safe;
use crate::units::{duration, plural, whole};

/// From the mechanism that the most depends on to the least. Each is silent unless the report shows its traces.
const MECHANISMS: [fn(&Case) -> Vec<String>; 13] = [
    queue_behind_waiting_migration,
    root_that_outlasts_the_migration,
    locks_kept_from_an_earlier_statement,
    work_under_a_lock,
    retries_used_up,
    concurrent_build_that_waits,
    migration_cancelled,
    deadlock,
    missing_names,
    constraint_before_its_writers,
    dry_pools,
    too_many_connections,
    ejected_instances,
];

/// Work under a lock from which on others notice it.
const NOTICEABLE_WORK_MS: f64 = 50.0;

/// Remedies in order of weight; none where there was no trouble.
pub(super) fn remedies(case: &Case) -> Vec<String> {
    if !case.in_trouble() {
        return Vec::new();
    }
    let mut remedies: Vec<String> = Vec::new();
    for remedy in MECHANISMS.iter().flat_map(|mechanism| mechanism(case)) {
        if !remedies.contains(&remedy) {
            remedies.push(remedy);
        }
    }
    remedies
}

/// The migration waits for a lock, and whoever comes later waits behind it.
fn queue_behind_waiting_migration(case: &Case) -> Vec<String> {
    let Some((link, true)) = case.waiting_migration() else { return Vec::new() };
    let (mode, object) = link.waits_for.as_deref().map(mode_and_object).unwrap_or_default();
    if !mode.ends_with("Lock") || object.is_empty() {
        return Vec::new();
    }
    let longest =
        case.report.migration.statements.iter().map(|statement| statement.waited_ms).fold(0.0, f64::max);
    let had_timeout = case.migration_failures("55P03") > 0;
    let timeout = if had_timeout { lock_timeout(case).min(longest / 2.0) } else { lock_timeout(case) };
    let setting = format!("`SET lock_timeout = '{}ms'`", (timeout / 10.0).floor().max(1.0) * 10.0);
    vec![if had_timeout {
        format!(
            "Lower the migration's lock_timeout ({setting}): it waited up to {} for {mode} on {object}, and everybody \
             queued behind it for as long.",
            duration(longest)
        )
    } else {
        format!(
            "{setting} before {} and retry with a growing pause: while it waits for {mode} on {object}, every later \
             request for {object} queues behind it.",
            quoted(&link.doing)
        )
    }]
}

/// Half of the stall that the budget allows, so that a wait and its aftermath fit; 2 s where it allows any.
fn lock_timeout(case: &Case) -> f64 {
    case.limit("longest stall").map_or(2_000.0, |limit| (limit / 2.0).min(2_000.0))
}

/// A transaction of someone else keeps a lock that the migration needs.
fn root_that_outlasts_the_migration(case: &Case) -> Vec<String> {
    let (Some(root), Some(_)) = (case.root(), case.waiting_migration()) else { return Vec::new() };
    let name = root.session.to_lowercase();
    vec![match case.role_of(root) {
        Role::Migration => return Vec::new(),
        _ if name.contains("autovacuum") => {
            "An autovacuum against wraparound does not give way: let it end first, or \
             `VACUUM (FREEZE)` the table at a quiet hour before the migration."
                .to_owned()
        }
        _ if name.contains("pg_dump") || name.contains("dump") => format!(
            "Do not migrate while {} runs: it keeps AccessShareLock on every table to its end.",
            root.session
        ),
        _ if root.doing.starts_with("idle") => format!(
            "Keep transactions short: {} sat idle in its transaction and kept its locks; \
             `idle_in_transaction_session_timeout` ends such sessions.",
            root.session
        ),
        Role::Background => format!(
            "Start the migration when {} does not run, or end it first (`pg_terminate_backend`): it kept the lock that \
             the migration waited for.",
            root.session
        ),
        Role::Request => format!(
            "Shorten the transactions of {} ({}), or give them a `statement_timeout`: one of them kept the lock that the \
             migration waited for.",
            root.session,
            quoted(&root.doing)
        ),
    }]
}

/// The migration reads or writes rows while it keeps others off a whole table: by a lock taken before.
fn locks_kept_from_an_earlier_statement(case: &Case) -> Vec<String> {
    let Some(root) = case.root().filter(|root| case.role_of(root) == Role::Migration) else {
        return Vec::new();
    };
    let victim = case.report.chain.iter().rev().find_map(|link| link.waits_for.as_deref());
    let (mode, object) = victim.map(mode_and_object).unwrap_or_default();
    let is_row_or_table = ["AccessShareLock", "RowShareLock", "RowExclusiveLock"].contains(&mode);
    let is_table = case.report.waits.iter().any(|wait| wait.kind == "table" && wait.object == object);
    let lets_them_pass = safe::is_dml(&root.doing)
        || root.doing.starts_with("idle")
        || !safe::names(&root.doing, object)
        || safe::is_index_build(&root.doing) && mode != "RowExclusiveLock";
    if !is_row_or_table || !is_table || !lets_them_pass {
        return Vec::new();
    }
    vec![format!(
        "Commit between the schema change and {}: the transaction keeps the table lock on {object} that an earlier \
         statement took.",
        quoted(&root.doing)
    )]
}

/// A statement of the migration works for long under a lock that keeps others out.
fn work_under_a_lock(case: &Case) -> Vec<String> {
    let postgres = case.report.postgres;
    // A statement that only waited has a queue behind it, but no work to be done in another way.
    let worked = case.at_fault().into_iter().filter(|statement| statement.work_ms() >= NOTICEABLE_WORK_MS);
    worked.filter_map(|statement| safe::way(&statement.sql, postgres)).collect()
}

fn retries_used_up(case: &Case) -> Vec<String> {
    let migration = &case.report.migration;
    let timeouts = case.migration_failures("55P03");
    if migration.succeeded != Some(false) || timeouts == 0 {
        return Vec::new();
    }
    let from = migration.start_ms;
    let over = duration(migration.time_ms(case.report.span_ms));
    vec![format!(
        "{} in {over}, from {} into the run on, were not enough: spread more of them over a longer time, or end what \
         keeps the lock before the first.",
        plural(u64::from(migration.attempts), "attempt", "attempts"),
        duration(from),
    )]
}

/// CREATE INDEX CONCURRENTLY and its like wait for every transaction that could still see the table as it was.
fn concurrent_build_that_waits(case: &Case) -> Vec<String> {
    let over = case.budget.iter().any(|line| line.name == "migration time" && !line.within);
    let statements = case.report.migration.statements.iter();
    let waiting = statements
        .filter(|statement| safe::is_concurrent(&statement.sql))
        .find(|statement| statement.waited_ms > statement.work_ms() && statement.waited_ms >= 100.0);
    let Some(statement) = waiting.filter(|_| over || case.report.migration.succeeded != Some(true)) else {
        return Vec::new();
    };
    vec![format!(
        "{} waited {} for transactions older than itself: run it when no long transaction is open in the database.",
        quoted(&statement.sql),
        duration(statement.waited_ms)
    )]
}

fn migration_cancelled(case: &Case) -> Vec<String> {
    if case.migration_failures("57014") == 0 {
        return Vec::new();
    }
    vec!["A statement of the migration ran into `statement_timeout`: raise it for the migration's session, and let \
          `lock_timeout` bound the waiting instead."
        .to_owned()]
}

fn deadlock(case: &Case) -> Vec<String> {
    let requests = case.failed_by(&["40P01"]);
    let migration = case.migration_failures("40P01");
    if requests == 0 && migration == 0 {
        return Vec::new();
    }
    let victim = match (requests, migration) {
        (0, n) => plural(n as u64, "attempt of the migration", "attempts of the migration"),
        (n, 0) => plural(n, "request", "requests"),
        (n, m) => {
            format!("{} and {}", plural(n, "request", "requests"), plural(m as u64, "attempt", "attempts"))
        }
    };
    vec![format!(
        "Take locks in the order in which the requests take them, or one table a transaction: {victim} ended in a \
         deadlock."
    )]
}

fn missing_names(case: &Case) -> Vec<String> {
    let failed = case.failed_by(&["42703", "42P01", "42883", "42704"]);
    if failed == 0 {
        return Vec::new();
    }
    vec![format!(
        "Expand first, contract last: {} named what the schema no longer had (or not yet). Add the new name beside the \
         old, deploy, move the data, and drop the old one when no instance uses it any more.",
        plural(failed, "request", "requests")
    )]
}

fn constraint_before_its_writers(case: &Case) -> Vec<String> {
    let failed = case.failed_by(&["23502", "23514", "23503"]);
    if failed == 0 {
        return Vec::new();
    }
    vec![format!(
        "Deploy what satisfies the constraint before the constraint: {} wrote what it forbids.",
        plural(failed, "request", "requests")
    )]
}

fn dry_pools(case: &Case) -> Vec<String> {
    let dry = case.report.pools.iter().filter(|pool| pool.exhausted_ms > 0.0);
    let Some(worst) = dry.max_by(|one, other| one.exhausted_ms.total_cmp(&other.exhausted_ms)) else {
        return Vec::new();
    };
    if case.report.waits.is_empty() {
        return vec![format!(
            "No lock was in the way: {} has too few connections ({}) for this load, or its requests take too long.",
            worst.instance, worst.size
        )];
    }
    let timeouts = case.failed_by(&["pool timeout"]);
    let failed = if timeouts == 0 { String::new() } else { format!(" ({} gave up)", whole(timeouts)) };
    vec![format!(
        "Blocked requests held every connection, and whoever came later waited for one, whatever table it wanted{failed}: \
         give each workload a pool of its own, a short acquire timeout, and the application's role a `lock_timeout` or \
         `statement_timeout`, so that blocked requests hand their connections back."
    )]
}

fn too_many_connections(case: &Case) -> Vec<String> {
    let connections = &case.report.connections;
    if connections.refused == 0 {
        return Vec::new();
    }
    vec![format!(
        "The server refused {}: all pools together may open more than max_connections ({}) allows. Shrink the pools or \
         put a pooler in front.",
        plural(connections.refused, "connection", "connections"),
        connections.limit
    )]
}

fn ejected_instances(case: &Case) -> Vec<String> {
    let failed = case.failed_by(&["no instance", "ejected instance"]);
    if failed == 0 {
        return Vec::new();
    }
    vec![format!(
        "Keep the database out of the health check that ejects instances: {} found none left.",
        plural(failed, "request", "requests")
    )]
}
