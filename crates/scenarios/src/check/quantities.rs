//! Quantities that contradict one another: pools without room, spans that end before they begin, times that never come.

use super::{Problems, applications, below, way};
use crate::load::Step;
use crate::model::{
    Allowance, Arrivals, BackgroundSpec, Backoff, DatabaseSpec, DeploymentStrategy, KeySpec, MigrationSpec,
    RetrySpec, Scenario, SettingsSpec, TrafficSpec,
};
use crate::units::{Share, Span};

const NONE: Span = Span::from_secs(0);

pub(super) fn check(scenario: &Scenario, problems: &mut Problems) {
    let database = &scenario.database;
    server(database, problems);
    let room = database.max_connections.saturating_sub(database.superuser_reserved_connections);
    for (way, application) in applications(scenario) {
        let what = format!(
            "a pool of {} connections never fills up: max_connections leaves room for {room}",
            application.pool_size
        );
        let remedy = "lower pool_size, or raise database.max_connections";
        problems.add_if(application.pool_size > room, below(&way, way!["pool_size"]), what, remedy);
        settings(&application.settings, database, &below(&way, way!["settings"]), problems);
        if let Some(retries) = &application.retries {
            let way = below(&way, way!["retries"]);
            backoff(retries.backoff, &below(&way, way!["backoff"]), problems);
            states(retries.on.as_deref().unwrap_or_default(), &below(&way, way!["on"]), problems);
        }
    }
    migration(&scenario.migration, problems);
    let until = scenario.run.until;
    let what = "the migration starts when the traffic has ended";
    let remedy = "let run.until be later than migration.start";
    problems.add_if(
        until.is_some_and(|end| end <= scenario.migration.start),
        way!["run", "until"],
        what,
        remedy,
    );
    for (at, one) in scenario.traffic.iter().enumerate() {
        traffic(one, until, &way!["traffic", at], problems);
    }
    if let Some(trace) = &scenario.traffic_trace {
        let window = &trace.window;
        let empty = window.to.is_some_and(|to| to <= window.from);
        let what = "the window ends before it begins";
        problems.add_if(empty, way!["traffic_trace", "window"], what, "let `to` be later than `from`");
    }
    for (name, key) in &scenario.keys {
        let (KeySpec::Uniform { first, last } | KeySpec::Zipf { first, last, .. }) = *key else { continue };
        let what = format!("the last key is {last}, before the first, {first}");
        problems.add_if(
            last < first,
            way!["keys", name.as_str(), "last"],
            what,
            "let `last` be `first` or more",
        );
    }
    for (at, session) in scenario.background.iter().enumerate() {
        background(session, scenario, &way!["background", at], problems);
    }
    for (at, deployment) in scenario.deployments.iter().enumerate() {
        let instances =
            scenario.application_named(deployment.application.as_deref()).map(|one| one.instances);
        if let (DeploymentStrategy::Canary { canaries, .. }, Some(instances)) =
            (&deployment.strategy, instances)
        {
            let what = format!("{canaries} canaries of {instances} instances");
            let remedy = "let fewer go first than there are instances";
            problems.add_if(*canaries > instances, way!["deployments", at, "canaries"], what, remedy);
        }
    }
    if let Some(Allowance::Share(share)) = scenario.budget.failed_requests {
        let too_much = share > Share::percent(100);
        let what = "more than all requests cannot fail";
        problems.add_if(too_much, way!["budget", "failed_requests"], what, "write 100 % at most");
    }
}

fn server(database: &DatabaseSpec, problems: &mut Problems) {
    problems.add_if(
        database.superuser_reserved_connections >= database.max_connections,
        way!["database", "superuser_reserved_connections"],
        "all connections are reserved for superusers",
        "let it be less than max_connections",
    );
    problems.add_if(
        !database.schema.is_empty() && database.schema_file.is_some(),
        way!["database", "schema_file"],
        "the schema stands here and in a file",
        "keep `schema` or `schema_file`",
    );
    // src/backend/utils/misc/guc_tables.c has 1 ms as its least value.
    problems.add_if(
        database.deadlock_timeout < Span::from_millis(1),
        way!["database", "deadlock_timeout"],
        "PostgreSQL takes 1 ms or more",
        "write \"1 ms\" or more; the default is \"1 s\"",
    );
    settings(
        &SettingsSpec { deadlock_timeout: None, ..database.settings() },
        database,
        &way!["database"],
        problems,
    );
}

fn settings(settings: &SettingsSpec, database: &DatabaseSpec, way: &[Step], problems: &mut Problems) {
    problems.add_if(
        settings.transaction_timeout.is_some() && database.version < 17,
        below(way, way!["transaction_timeout"]),
        format!("PostgreSQL {} has no transaction_timeout", database.version),
        "leave it out, or let database.version be 17 or 18",
    );
    problems.add_if(
        settings.deadlock_timeout.is_some_and(|span| span < Span::from_millis(1)),
        below(way, way!["deadlock_timeout"]),
        "PostgreSQL takes 1 ms or more",
        "write \"1 ms\" or more",
    );
}

fn migration(migration: &MigrationSpec, problems: &mut Problems) {
    problems.add_if(
        migration.directory.is_some() && !migration.files.is_empty(),
        way!["migration", "files"],
        "the migration is a directory and a list of files",
        "keep `directory` or `files`",
    );
    retry(migration.retry.as_ref(), &way!["migration"], problems);
    for (at, step) in migration.steps.iter().enumerate() {
        let way = way!["migration", "steps", at];
        let first =
            at > 0 && migration.steps[..at].iter().any(|one| one.file.is_none() && one.matches.is_none());
        let remedy = "give the earlier entry a `file` or a `match`, or let it come last";
        problems.add_if(
            first,
            way.clone(),
            "an earlier entry fits every step, so this one never counts",
            remedy,
        );
        retry(step.retry.as_ref(), &way, problems);
    }
}

fn retry(retry: Option<&RetrySpec>, way: &[Step], problems: &mut Problems) {
    if let Some(RetrySpec::Policy(policy)) = retry {
        backoff(policy.backoff, &below(way, way!["retry", "backoff"]), problems);
        states(&policy.on, &below(way, way!["retry", "on"]), problems);
    }
}

fn backoff(backoff: Backoff, way: &[Step], problems: &mut Problems) {
    let Backoff::Exponential { base, cap, jitter, .. } = backoff else { return };
    problems.add_if(
        cap.is_some_and(|cap| cap < base),
        below(way, way!["cap"]),
        "the longest pause is shorter than the first",
        "let `cap` be `base` or more",
    );
    problems.add_if(
        jitter.to < jitter.from,
        below(way, way!["jitter"]),
        "the jitter ends below where it begins",
        "let `to` be `from` or more; left out, both are 100 %",
    );
}

/// SQLSTATEs are five digits and capital letters (manual, appendix A).
fn states(states: &[String], way: &[Step], problems: &mut Problems) {
    for (at, state) in states.iter().enumerate() {
        let digits = state.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
        let what = format!("{state:?} is not a SQLSTATE");
        let remedy = "write five digits and capital letters, such as \"55P03\" for a lock timeout";
        problems.add_if(state.len() != 5 || !digits, below(way, way![at]), what, remedy);
    }
}

fn traffic(traffic: &TrafficSpec, until: Option<Span>, way: &[Step], problems: &mut Problems) {
    match &traffic.arrivals {
        Arrivals::Poisson { .. } | Arrivals::Constant { .. } => {}
        Arrivals::Daily { points, .. } => {
            for (at, pair) in points.windows(2).enumerate() {
                problems.add_if(
                    pair[1].0 <= pair[0].0,
                    below(way, way!["points", at + 1]),
                    "this point is not later than the one before",
                    "let the points follow one another through the day",
                );
            }
        }
        Arrivals::Burst { at, lasts, .. } => {
            let remedy = "let the burst last for longer than 0 s";
            problems.add_if(*lasts == NONE, below(way, way!["for"]), "the burst has no duration", remedy);
            let late = until.is_some_and(|end| *at >= end);
            let what = "the burst begins when the traffic has ended";
            problems.add_if(late, below(way, way!["at"]), what, "let `at` be earlier than run.until");
        }
    }
}

fn background(session: &BackgroundSpec, scenario: &Scenario, way: &[Step], problems: &mut Problems) {
    settings(&session.settings, &scenario.database, &below(way, way!["settings"]), problems);
    problems.add_if(
        session.every == Some(NONE),
        below(way, way!["every"]),
        "the session begins again at once, without end",
        "let `every` be longer than 0 s, or leave it out",
    );
    problems.add_if(
        scenario.run.until.is_some_and(|end| session.start >= end),
        below(way, way!["start"]),
        "the session begins when the traffic has ended",
        "let `start` be earlier than run.until",
    );
}
