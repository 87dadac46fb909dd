//! What was collected, as a report.

use reports::{
    Assumption, Bar, Basis, Budget, Connections, Deployment, Figure, Migration, PoolUse, Report, Track, Unit,
    Verdict,
};
use sim_actors::Player;
use sim_actors::coordinator::Failure;
use sim_clock::{ActorId, Nanos};

use super::collect::{self, Collector, ms};
use super::story::{self, Outcome};
use super::{Stage, waits};
use crate::model::{Allowance, Scenario};

pub(super) type Players = Vec<Player<Result<Outcome, Failure>>>;

pub(super) fn report(stage: &Stage<'_>, collector: &mut Collector, players: Players) -> Report {
    let (scenario, end) = (stage.scenario, stage.end);
    let (mut watch, mut outcome, mut waits) = (sim_actors::WaitWatch::default(), None, Vec::new());
    let mut kinds: Vec<String> = stage.kinds.iter().map(|kind| kind.title(scenario)).collect();
    if let Some(trace) = &stage.loaded.trace {
        let serves = scenario.application_named(trace.application()).map_or("trace", |one| one.name.as_str());
        kinds.extend(trace.classes.iter().map(|class| format!("{serves}/{class}")));
    }
    let (mut classes, overall, series, mut gantt) = collector.finish(end, &kinds);
    for player in players {
        match player {
            Player::Server(mut server) => {
                watch = server.take_watch().unwrap_or_default();
                let (database, _) = server.into_parts();
                waits = waits::lock_waits(&database, &collector.locks.waits);
            }
            Player::Coordinator(mut coordinator) => {
                outcome = coordinator.take_outcome();
                waits::name_statements(&mut collector.statements, coordinator.texts());
            }
            _ => {}
        }
    }
    let cut = stage.cut(outcome.is_some());
    let outcome = outcome.or_else(|| stage.play.ended().map(Ok));
    classes.sort_by(|a, b| b.longest_stall_ms.total_cmp(&a.longest_stall_ms));
    let pools = pools(stage, collector);
    let told_of = outcome.as_ref().and_then(|outcome| outcome.as_ref().ok().cloned());
    let told_of = told_of.unwrap_or_else(|| stage.play.so_far());
    let deployments = deployments(scenario, &told_of.deployments);
    let migration = migration(stage, collector, outcome);
    gantt.splice(0..0, migration_tracks(&migration, end));
    let told = waits::tell(stage, collector, &watch);
    let mut report = Report {
        scenario: stage.loaded.name(),
        description: String::new(),
        seed: scenario.seed,
        postgres: scenario.database.version,
        span_ms: ms(end),
        cut,
        verdict: Verdict {
            within_budget: false,
            headline: String::new(),
            reasons: Vec::new(),
            remedies: Vec::new(),
            budget: Vec::new(),
        },
        classes,
        overall,
        waits,
        pools,
        connections: Connections {
            limit: scenario.database.max_connections,
            peak: collector.connections.0,
            refused: collector.connections.1,
        },
        migration,
        deployments,
        blame: told.blame,
        chain: told.chain,
        worst_moment: told.worst,
        series,
        gantt,
        assumptions: stage.told.0.iter().cloned().chain(assumptions(scenario)).collect(),
        not_modelled: [NOT_MODELLED.to_owned()]
            .into_iter()
            .chain(stage.loaded.left_out.iter().cloned())
            .chain(stage.told.1.iter().cloned())
            .collect(),
    };
    report.verdict = reports::judge(&report, &budget(scenario));
    report
}

fn pools(stage: &Stage<'_>, collector: &Collector) -> Vec<PoolUse> {
    let size = |actor: ActorId| stage.application_of(actor).map_or(0, |application| application.pool_size);
    let span = u128::from(stage.end.0.max(1));
    let of = |(actor, pool): (ActorId, &collect::PoolTally)| PoolUse {
        instance: stage.names.get(actor.0 as usize).cloned().unwrap_or_default(),
        size: size(actor),
        mean_in_use: mean(pool.used, span),
        peak_in_use: pool.peak_in_use,
        peak_queue: pool.peak_queue,
        exhausted_ms: ms(pool.exhausted),
        first_exhausted_ms: pool.first_exhausted.map(ms),
    };
    collector.pools.iter().map(of).collect()
}

#[allow(clippy::cast_precision_loss)]
fn mean(sum: u128, span: u128) -> f64 {
    sum as f64 / span as f64
}

/// What became of the deployments.
fn deployments(scenario: &Scenario, told: &[story::Deployed]) -> Vec<Deployment> {
    let of = |told: &story::Deployed| {
        let spec = &scenario.deployments[told.place];
        Deployment {
            application: spec.application.clone().unwrap_or_else(|| scenario.application.name.clone()),
            version: spec.to.clone(),
            start_ms: ms(told.span.0),
            end_ms: told.span.1.map(ms),
            failure: told.failure.clone(),
        }
    };
    told.iter().map(of).collect()
}

fn migration(
    stage: &Stage<'_>,
    collector: &mut Collector,
    outcome: Option<Result<Outcome, Failure>>,
) -> Migration {
    let end = stage.end;
    let mut statements = std::mem::take(&mut collector.statements);
    for (statement, session) in statements.iter_mut().zip(&collector.statement_sessions) {
        statement.by = stage.sessions.get(session.0 as usize).map_or_else(String::new, |one| one.0.clone());
    }
    let start_ms = statements.first().map_or(0.0, |first| first.start_ms);
    let outcome = match outcome {
        None => {
            let attempts = u32::try_from(statements.len()).unwrap_or(u32::MAX);
            return Migration { start_ms, attempts, statements, ..Migration::default() };
        }
        Some(Err(failure)) => {
            Outcome { failure: Some(failure.text), span: (Nanos::ZERO, end), ..Outcome::default() }
        }
        Some(Ok(outcome)) => outcome,
    };
    Migration {
        succeeded: Some(outcome.failure.is_none()),
        failure: outcome.failure,
        start_ms: ms(outcome.span.0),
        end_ms: Some(ms(outcome.span.1)),
        attempts: outcome.attempts,
        failed_attempts: outcome.failed,
        statements,
    }
}

/// A track for each session that ran migrations.
fn migration_tracks(migration: &Migration, end: Nanos) -> Vec<Track> {
    let mut names: Vec<&str> = vec!["migration"];
    for statement in &migration.statements {
        if !names.contains(&statement.by.as_str()) {
            names.push(&statement.by);
        }
    }
    names.into_iter().map(|name| migration_track(migration, name, end)).collect()
}

/// What one session did when: a wait that failed ends in a stroke, and between statements it sleeps.
fn migration_track(migration: &Migration, name: &str, end: Nanos) -> Track {
    let mut bars: Vec<Bar> = Vec::new();
    let mut bar = |from_ms: f64, to_ms: f64, label: &str, state: &str| {
        if to_ms > from_ms || state == "failed" {
            bars.push(Bar { from_ms, to_ms, label: label.to_owned(), state: state.to_owned() });
        }
    };
    let mut ended = None;
    for statement in migration.statements.iter().filter(|statement| statement.by == name) {
        let to_ms = statement.end_ms.unwrap_or(ms(end));
        let granted = (statement.start_ms + statement.waited_ms).min(to_ms);
        bar(ended.unwrap_or(statement.start_ms), statement.start_ms, "pause", "sleeps");
        bar(statement.start_ms, granted, &statement.sql, "waits");
        match &statement.failure {
            Some(code) => bar(granted, to_ms, &format!("{code}: {}", statement.sql), "failed"),
            None => bar(granted, to_ms, &statement.sql, "works"),
        }
        ended = Some(to_ms);
    }
    Track { name: name.to_owned(), kind: "migration".to_owned(), bars }
}

fn budget(scenario: &Scenario) -> Budget {
    let spec = &scenario.budget;
    let time = |span: crate::units::Span| Figure::new(ms(span.0), Unit::Milliseconds, Basis::Measured);
    #[allow(clippy::cast_precision_loss, reason = "shares are in millionths, counts are small")]
    let failed = |allowance: Allowance| match allowance {
        Allowance::Count(count) => Figure::new(count as f64, Unit::Count, Basis::Measured),
        Allowance::Share(share) => Figure::new(share.0 as f64 / 1e6, Unit::Share, Basis::Measured),
    };
    Budget {
        longest_stall: spec.longest_stall.map(time),
        failed_requests: spec.failed_requests.map(failed),
        p99: spec.p99.map(time),
        migration_time: spec.migration_time.map(time),
    }
}

/// What nobody measured and the result rests on.
fn assumptions(scenario: &Scenario) -> Vec<Assumption> {
    let mut list = Vec::new();
    let mut add = |what: String, value: String, note: &str| {
        list.push(Assumption { what, value, basis: Basis::Assumed, note: note.to_owned() });
    };
    for (name, span) in &scenario.database.rates {
        add(format!("database.rates.{name}"), span.to_string(), "a rate of the scenario's author");
    }
    let versions = scenario.all_applications().flat_map(|application| &application.versions);
    let modelled = versions
        .flat_map(|version| &version.requests)
        .flat_map(|request| &request.statements)
        .filter(|one| one.takes.is_none())
        .count();
    if modelled > 0 {
        let note = "statements without `takes` take as long as the cost model has it";
        add("service times".to_owned(), format!("{modelled} statements by the cost model"), note);
    }
    let unknown = scenario.tables.iter().filter(|table| table.data.is_none()).count();
    if unknown > 0 {
        let note = "conditions on other columns than the key are taken to hold, constraints to be satisfied; \
                    a parameter stands for one row of a unique index, otherwise for three";
        add("what is in the rows".to_owned(), format!("{unknown} tables without `data`"), note);
    }
    add(
        "work of the migration".to_owned(),
        "by the cost model".to_owned(),
        "from rows and bytes; rates can be set",
    );
    list
}

/// What no scenario can ask for yet.
const NOT_MODELLED: &str =
    "CPU and I/O contention between statements, replication lag, the planner's choices";
