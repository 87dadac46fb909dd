//! What happened, in sentences.

use super::case::{Case, Role, quoted};
use super::cause;
use crate::units::{count, duration, plural, share, whole};
use crate::{ChainLink, MigrationStatement, Report};

/// One sentence: what happened to the users.
pub(super) fn headline(case: &Case) -> String {
    let report = case.report;
    let all = &report.overall;
    let (stalled, failures) = (case.stalled(), all.failures());
    let happened = match stalled.first() {
        _ if all.arrived == 0 => "No request arrived, so there was nobody to disturb".to_owned(),
        Some(worst) => {
            let others = match stalled.len() - 1 {
                0 => String::new(),
                n => format!(", and {} stood still too", plural(n as u64, "other class", "other classes")),
            };
            let failed = if failures == 0 {
                String::new()
            } else {
                format!("; {} failed", plural(failures, "request", "requests"))
            };
            format!("{} got no answer for {}{others}{failed}", worst.name, duration(worst.longest_stall_ms))
        }
        None if failures > 0 => {
            format!(
                "{} of {} requests failed ({})",
                whole(failures),
                whole(all.arrived),
                share(all.failed_share())
            )
        }
        None if all.delayed > 0 => format!(
            "No request failed; {} of {} took over 100 ms longer than their own work",
            whole(all.delayed),
            whole(all.arrived)
        ),
        None => "Nobody noticed: no request failed or was delayed by more than 100 ms".to_owned(),
    };
    let cut = if report.cut.is_some() { " (the run was cut short)" } else { "" };
    format!("{happened}; {}{cut}.", migration(report))
}

fn migration(report: &Report) -> String {
    let migration = &report.migration;
    let time = duration(migration.time_ms(report.span_ms));
    match migration.succeeded {
        _ if !migration.is_there() => "there was no migration".to_owned(),
        Some(true) => format!("the migration succeeded in {time}"),
        Some(false) => format!("the migration failed after {time}"),
        None => format!("the migration had not ended after {time}"),
    }
}

/// Why: a sentence each, from the victims to the causes.
pub(super) fn reasons(case: &Case) -> Vec<String> {
    let mut reasons = chain(case);
    reasons.extend(failures(case));
    reasons.extend(pools(case));
    reasons.extend(blame(case));
    reasons.extend(attempts(case));
    if let Some(reason) = &case.report.cut {
        reasons.push(format!(
            "The run was cut short: {reason}. What would have followed is not in these figures."
        ));
    }
    reasons
}

/// The chain from the victim to the root, a sentence for each link.
fn chain(case: &Case) -> Vec<String> {
    let chain = &case.report.chain;
    if chain.is_empty() {
        let nobody = "Nothing waited for a lock.".to_owned();
        return if case.report.waits.is_empty() { vec![nobody] } else { Vec::new() };
    }
    let mut sentences: Vec<String> =
        chain.iter().enumerate().map(|(place, link)| sentence(case, place, link)).collect();
    if chain.len() > 1 && chain.last().is_some_and(|last| last.waits_for.is_some()) {
        sentences.push(
            "That waited for one of these in turn: a deadlock, until one of them had waited for deadlock_timeout and \
             looked for it."
                .to_owned(),
        );
    }
    sentences
}

fn sentence(case: &Case, place: usize, link: &ChainLink) -> String {
    let name = if case.role_of(link) == Role::Migration { "the migration" } else { link.session.as_str() };
    let who = format!("{name} ({})", quoted(&link.doing));
    let waited =
        link.waits_for.as_ref().map(|lock| format!("had waited {} for {lock}", duration(link.waited_ms)));
    match (place, waited) {
        (0, Some(waited)) => format!("{}{who} {waited}.", moment(case)),
        (0, None) => format!("{}{who} waited for nobody.", moment(case)),
        (_, Some(waited)) => format!("It stood behind {who}, which itself {waited}."),
        (_, None) => format!("That was kept by {who}, which {}.", does(case, link)),
    }
}

fn moment(case: &Case) -> String {
    let Some(moment) = &case.report.worst_moment else { return String::new() };
    let waiting: u32 =
        moment.nodes.iter().filter(|node| node.waits_for.is_some()).map(|node| node.count).sum();
    let sessions = plural(u64::from(waiting), "session", "sessions");
    format!("At the worst moment, {} into the run, {sessions} waited. ", duration(moment.at_ms))
}

/// What the root did while everybody waited.
fn does(case: &Case, root: &ChainLink) -> &'static str {
    match case.role_of(root) {
        _ if root.doing.starts_with("idle") => "did nothing and kept its locks",
        Role::Migration => "held its locks while it worked",
        Role::Background | Role::Request => {
            "waited for nobody and kept its locks to the end of its transaction"
        }
    }
}

fn failures(case: &Case) -> Option<String> {
    let all = &case.report.overall;
    if all.failures() == 0 {
        return None;
    }
    let mut causes: Vec<(&String, u64)> =
        all.failed.iter().map(|(code, n)| (code, *n)).filter(|(_, n)| *n > 0).collect();
    causes.sort_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(other.0)));
    let words: Vec<String> =
        causes.iter().map(|(code, n)| format!("{} by {}", whole(*n), cause(code))).collect();
    let hit =
        case.report.classes.iter().filter(|class| class.failures() > 0).max_by_key(|class| class.failures());
    let hit = hit.filter(|_| case.report.classes.len() > 1);
    let hit = hit.map_or(String::new(), |class| {
        format!("; worst hit: {} with {} of {}", class.name, whole(class.failures()), whole(class.arrived))
    });
    Some(format!("Failed: {}{hit}.", words.join(", ")))
}

fn pools(case: &Case) -> Option<String> {
    let pools = &case.report.pools;
    let dry: Vec<_> = pools.iter().filter(|pool| pool.exhausted_ms > 0.0).collect();
    let worst = dry.iter().max_by(|one, other| one.exhausted_ms.total_cmp(&other.exhausted_ms))?;
    let first = dry.iter().filter_map(|pool| pool.first_exhausted_ms).fold(f64::INFINITY, f64::min);
    let first =
        if first.is_finite() { format!(" from {} into the run on", duration(first)) } else { String::new() };
    Some(format!(
        "{} of {} ran dry{first}: {} had all {} connections in use for {} while up to {} requests queued for one.",
        whole(dry.len() as u64),
        plural(pools.len() as u64, "connection pool", "connection pools"),
        worst.instance,
        worst.size,
        duration(worst.exhausted_ms),
        count(f64::from(worst.peak_queue)),
    ))
}

fn blame(case: &Case) -> Option<String> {
    let total: f64 = case.report.blame.iter().map(|blame| blame.request_seconds).sum();
    let top = case.blamed().next()?;
    Some(format!(
        "Requests waited {} request-seconds in all, {} of them behind {} ({}).",
        count((total * 10.0).round() / 10.0),
        share(top.share),
        top.session,
        quoted(&top.doing),
    ))
}

/// What the migration had to try, if it did not just succeed.
fn attempts(case: &Case) -> Option<String> {
    let migration = &case.report.migration;
    let waited: f64 = migration.statements.iter().map(|statement| statement.waited_ms).sum();
    let waited =
        if waited < 0.5 { String::new() } else { format!(" It waited {} for locks.", duration(waited)) };
    let longest = migration.statements.iter().max_by(|one, other| one.work_ms().total_cmp(&other.work_ms()));
    let longest =
        longest.filter(|statement| statement.work_ms() >= 100.0).map_or(String::new(), longest_work);
    let failed = u64::from(migration.failed_attempts);
    let failure = match &migration.failure {
        Some(failure) => format!(" It ended with: {}.", failure.trim_end_matches('.')),
        None => String::new(),
    };
    if failed == 0 && failure.is_empty() && waited.is_empty() && longest.is_empty() {
        return None;
    }
    let attempts = plural(u64::from(migration.attempts), "attempt", "attempts");
    let took = match failed {
        0 if migration.attempts > 1 => {
            format!("Each of the migration's {} steps succeeded at its first attempt", migration.attempts)
        }
        0 => format!("The migration took {attempts}"),
        _ => format!("The migration took {attempts}, of which {} failed", whole(failed)),
    };
    Some(format!("{took}.{waited}{longest}{failure}"))
}

fn longest_work(statement: &MigrationStatement) -> String {
    format!(" Its longest own work: {} in {}.", duration(statement.work_ms()), quoted(&statement.sql))
}
