//! `rehearsal run`: a scenario carried out, and what its users would have felt.
//!
//! ```text
//!   Loaded ─► World ─► Cast ─► actors ─► event log ─► Collector ─┐
//!                                 └────► WaitWatch ─────────────┴► Report ─► judge ─► verdict
//! ```

mod collect;
mod seeds;
mod sight;
mod story;
mod waits;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use reports::{
    Assumption, Bar, Basis, Budget, Connections, Deployment, Figure, Migration, PoolUse, Report, Track, Unit,
    Verdict,
};
use sim_actors::coordinator::Failure;
use sim_actors::coordinator::coroutine::Coroutine;
use sim_actors::{Event, MigrationCoordinator, Player, RunMode, StartCheck};
use sim_clock::{ActorId, Gate, Nanos, Scheduler, Seed};

use crate::cast::{Cast, Instance, RequestKind, SERVER, request_kinds};
use crate::load::{Loaded, ScenarioError};
use crate::model::{Allowance, ApplicationSpec, Scenario};
use crate::rehearse::EventObserver;
use crate::world::World;

use collect::{Collector, ms};
pub(crate) use story::files;
use story::{Outcome, Play};

/// No rehearsal goes on for longer than a week.
const HORIZON: Nanos = Nanos::from_secs(7 * 86_400);

pub use seeds::{Workers, run_seeds};
pub use sight::{Does, SessionObserver, Sight};

/// Whoever looks on while a scenario is carried out.
#[derive(Default)]
pub struct Onlooker {
    /// Sees every event.
    pub observer: Option<Rc<EventObserver>>,
    /// Sees every statement and wait of every session. What it sees at an instant, it sees before `observer` sees the
    /// events of that instant.
    pub sessions: Option<Rc<SessionObserver>>,
    /// Is asked before each instant whether to go on. The report on a run that it ended is marked as cut.
    pub goes_on: Option<Gate>,
}

/// Carries a scenario out and reports on it; `observer` sees every event.
///
/// # Errors
/// When the scenario's own SQL fails, or its statements do not fit its schema.
pub fn run(
    loaded: &Loaded,
    mode: RunMode,
    observer: Option<Rc<EventObserver>>,
) -> Result<Report, ScenarioError> {
    run_before(loaded, mode, Onlooker { observer, ..Onlooker::default() })
}

/// [`run`] before an onlooker who may end it early.
///
/// # Errors
/// When the scenario's own SQL fails, or its statements do not fit its schema.
pub fn run_before(loaded: &Loaded, mode: RunMode, onlooker: Onlooker) -> Result<Report, ScenarioError> {
    let Onlooker { observer, sessions: watching, goes_on } = onlooker;
    let scenario = &loaded.scenario;
    let mut world = World::new(loaded)?;
    world.apply_earlier(loaded)?;
    loaded.none_of(crate::check::schema_problems(loaded, &world.database))?;
    world.fill_tables(loaded)?;
    world.must_serve(loaded)?;
    let mut scheduler = Scheduler::new(HORIZON);
    let mut cast = Cast::gather(loaded, &world, true, StartCheck::HealthCheck, &mut scheduler);
    cast.watched = true;
    let coordinator = cast.next_actor();
    let session = cast.connect("migration", coordinator);
    let fleet = cast.fleet(scenario, |_| true);
    let play = Rc::new(Play::new(loaded, &world)?);
    let starts = play.starts();
    let chance = Seed(scenario.seed).stream("jitter");
    let telling = Rc::clone(&play);
    let story = Coroutine::new(chance, |port| story::tell(port, telling));
    let coordinating = MigrationCoordinator::new(story, SERVER, session, fleet);
    cast.players.push(Player::Coordinator(coordinating.connecting_with(cast.settings)));
    scheduler.set_timer(starts, coordinator, 0);

    let own = std::iter::once("migration".to_owned());
    let names: Rc<[String]> = cast.names.iter().cloned().chain(own).collect();
    let (texts, told) = (Rc::new(std::mem::take(&mut cast.texts)), std::mem::take(&mut cast.told));
    cast.witness = watching.map(|observer| sight::witness(observer, Rc::clone(&texts)));
    let (kinds, instances) = (request_kinds(scenario), cast.instances.clone());
    let recorded = loaded.trace.as_ref().map_or(0, |trace| trace.classes.len());
    let (owners, scripts) = (cast.clients.clone(), std::mem::take(&mut cast.scripts));
    let classes = kinds.len() + recorded;
    let collector = Collector::new(classes, Rc::clone(&names), owners, scripts, cast.refused);
    let collector = Rc::new(RefCell::new(collector));
    let (taking, actors) = (Rc::clone(&collector), Rc::clone(&names));
    scheduler.log.observe(Box::new(move |at, actor: ActorId, event: &Event| {
        if collect::is_collected(event) {
            taking.borrow_mut().take(at, actor, event);
        }
        if let Some(observer) = &observer {
            observer(at, actors.get(actor.0 as usize).map_or("", String::as_str), event);
        }
    }));
    if let Some(gate) = goes_on {
        scheduler.guard(gate);
    }
    let players = cast.take_stage(session);
    let players = sim_actors::run(mode, players, &mut scheduler);
    scheduler.log.unobserve();
    let mut collector = collector.borrow_mut();
    let (end, interrupted) = (scheduler.now(), scheduler.was_interrupted());
    let sessions = players.iter().find_map(|player| match player {
        Player::Server(server) => Some(server.sessions()),
        _ => None,
    });
    let sessions = sessions.unwrap_or_default();
    let stage = Stage {
        scenario,
        loaded,
        told,
        texts,
        sessions,
        names,
        kinds,
        instances,
        migration: session,
        end,
        interrupted,
        play,
    };
    Ok(report(&stage, &mut collector, players))
}

/// What a report needs besides what was collected.
struct Stage<'a> {
    scenario: &'a Scenario,
    loaded: &'a Loaded,
    /// What has to be said about the recording.
    told: (Vec<Assumption>, Vec<String>),
    texts: Rc<BTreeMap<sql_engine::StatementId, String>>,
    /// Whose each session is, by number.
    sessions: Vec<(String, ActorId)>,
    /// The actors' names.
    names: Rc<[String]>,
    /// What arrives.
    kinds: Vec<RequestKind>,
    /// The instances of all applications.
    instances: Vec<Instance>,
    migration: transactions::SessionId,
    end: Nanos,
    /// Whether the onlooker ended the run.
    interrupted: bool,
    play: Rc<Play>,
}

impl Stage<'_> {
    /// Why the report does not tell of the whole run.
    fn cut(&self, is_over: bool) -> Option<String> {
        let at = reports::units::duration(ms(self.end));
        if self.interrupted {
            return Some(format!(
                "interrupted after {at} of virtual time. What would have come later is missing."
            ));
        }
        (!is_over).then(|| format!("nothing more can happen after {at}, and no run is longer than a week."))
    }
}

impl Stage<'_> {
    /// The application that an actor is an instance of.
    fn application_of(&self, actor: ActorId) -> Option<&ApplicationSpec> {
        let instance = self.instances.iter().find(|instance| instance.actor == actor)?;
        self.scenario.all_applications().nth(instance.application)
    }
}

type Players = Vec<Player<Result<Outcome, Failure>>>;

fn report(stage: &Stage<'_>, collector: &mut Collector, players: Players) -> Report {
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
