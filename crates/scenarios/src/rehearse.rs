//! A rehearsal: the scenario's actors around a world, and a story that the coordinator carries out.
//!
//! ```text
//!   actor 0   LockManager          the world's database
//!         1   Balancer             arrivals, keys
//!         2…  AppInstance          one for each instance
//!         …   Background           one for each background session
//!         n   MigrationCoordinator the story
//! ```

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::rc::Rc;

use sim_actors::coordinator::Failure;
use sim_actors::coordinator::coroutine::{Coroutine, Port};
use sim_actors::{Event, Failed, Managed, MigrationCoordinator, Player, RunMode, StartCheck};
use sim_clock::{ClosedInstant, Nanos, Scheduler, Seed};
use transactions::LockMode;

use crate::cast::{Cast, Instance, SERVER};
use crate::load::Loaded;
use crate::model::Scenario;
use crate::world::World;

/// Sees every event of a rehearsal: when, of which actor, what.
pub type EventObserver = dyn Fn(Nanos, &str, &Event);

/// How a rehearsal is run.
#[derive(Clone)]
pub struct RunOptions {
    /// By which of the ways that give the same log.
    pub mode: RunMode,
    /// With the application and the background sessions, or the migration alone.
    pub traffic: bool,
    /// Who sees the events.
    pub observer: Option<Rc<EventObserver>>,
    /// When the rehearsal ends at the latest.
    pub horizon: Nanos,
}

impl Default for RunOptions {
    fn default() -> Self {
        let horizon = Nanos::from_secs(24 * 3_600);
        Self { mode: RunMode::Actors, traffic: true, observer: None, horizon }
    }
}

/// What a rehearsal came to.
pub struct Rehearsed<R> {
    /// The story's outcome; `None` when the horizon came first.
    pub outcome: Option<Result<R, Failure>>,
    /// The world after it.
    pub world: World,
    /// What was seen meanwhile.
    pub observed: Observed,
}

/// What was seen during a rehearsal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Hash of the event log.
    pub hash: u64,
    /// How many events it has.
    pub events: u64,
    /// Requests that ended well.
    pub served: u64,
    /// Requests that failed, by cause.
    pub failed: BTreeMap<Failed, u64>,
    /// Requests that found no instance.
    pub turned_away: u64,
    /// The longest that a request took.
    pub latency_max: Nanos,
    /// The relation locks that the migration was granted.
    pub migration_locks: Vec<(String, LockMode)>,
}

impl Observed {
    fn count(&mut self, event: &Event) {
        let Event::Request { latency, failed, .. } = event else { return };
        self.latency_max = self.latency_max.max(*latency);
        match failed {
            None => self.served += 1,
            Some(cause) => *self.failed.entry(*cause).or_default() += 1,
        }
    }

    /// Whether the migration held a lock on the table that keeps readers or writers out.
    #[must_use]
    pub fn blocked_access_to(&self, table: &str) -> bool {
        let of_table = self.migration_locks.iter().filter(|lock| lock.0 == table).map(|lock| lock.1);
        let mut blocking = of_table.filter(|mode| {
            mode.conflicts_with(LockMode::AccessShare) || mode.conflicts_with(LockMode::RowExclusive)
        });
        blocking.next().is_some()
    }

    /// What failed because the schema and an application's statements did not fit (SQLSTATE class 42).
    #[must_use]
    pub fn schema_failure(&self) -> Option<String> {
        let of_schema = |failed: &Failed| match failed {
            Failed::Database(state) => state.as_str().starts_with("42"),
            Failed::PoolTimeout | Failed::NotServed => false,
        };
        let (cause, count) = self.failed.iter().find(|(failed, _)| of_schema(failed))?;
        let Failed::Database(state) = cause else { return None };
        Some(format!("{count} requests failed because of the schema change (SQLSTATE {state})"))
    }
}

/// Carries a story out against the scenario's traffic, from the start of its traffic window.
pub fn rehearse<R, F>(
    loaded: &Loaded,
    world: &World,
    options: &RunOptions,
    story: impl FnOnce(Port) -> F,
) -> Rehearsed<R>
where
    R: 'static,
    F: Future<Output = Result<R, Failure>> + 'static,
{
    let mut scheduler = Scheduler::new(options.horizon);
    let mut cast = Cast::gather(loaded, world, options.traffic, StartCheck::Statements, &mut scheduler);
    let coordinator = cast.next_actor();
    let session = cast.connect("migration", coordinator);
    cast.players.push(Player::Coordinator(MigrationCoordinator::new(
        Coroutine::new(Seed(loaded.scenario.seed).stream("jitter"), story),
        SERVER,
        session,
        cast.fleet(&loaded.scenario, |instance| instance.application == 0),
    )));
    let start = if options.traffic { loaded.scenario.migration.start.0 } else { Nanos::ZERO };
    scheduler.set_timer(start, coordinator, 0);
    let mut names = cast.names.clone();
    names.push("migration".to_owned());
    let (observer, seen) = (options.observer.clone(), Rc::new(RefCell::new(Observed::default())));
    let counts = Rc::clone(&seen);
    scheduler.log.observe(Box::new(move |at, instant: ClosedInstant<'_, Event>| {
        let mut counts = counts.borrow_mut();
        instant.events().for_each(|(_, event)| counts.count(event));
        if let Some(observer) = &observer {
            for (actor, event) in instant.events() {
                observer(at, names.get(actor.0 as usize).map_or("", String::as_str), event);
            }
        }
    }));
    let players = cast.take_stage(session);
    let players = sim_actors::run(options.mode, players, &mut scheduler);
    leave_stage(loaded, world, players, &scheduler, seen.take())
}

/// Takes the actors apart: the world as they left it, and what they saw.
fn leave_stage<R>(
    loaded: &Loaded,
    before: &World,
    players: Vec<Player<Result<R, Failure>>>,
    scheduler: &Scheduler<Event>,
    mut observed: Observed,
) -> Rehearsed<R> {
    let (mut database, mut versions) = (None, before.versions.clone());
    let mut sequences = before.sequences.clone();
    (observed.hash, observed.events) = (scheduler.log.hash(), scheduler.log.count());
    let (mut outcome, mut instance) = (None, 0);
    for player in players {
        match player {
            Player::Server(server) => {
                let (mut server, locks) = server.into_parts();
                server.close_sessions();
                (database, observed.migration_locks) = (Some(server), locks);
            }
            Player::Balancer(balancer) => {
                observed.turned_away = balancer.turned_away();
                crate::cast::keep_sequences(loaded, balancer.into_sources(), &mut sequences);
            }
            Player::Instance(app) => {
                // Those of the migrated application come first; the others' are not kept.
                if let Some(version) = versions.get_mut(instance) {
                    *version = app.version();
                }
                instance += 1;
            }
            Player::Background(_) => {}
            Player::Coordinator(mut coordinator) => outcome = coordinator.take_outcome(),
        }
    }
    let Some(database) = database else { unreachable!("the lock manager is always of the cast") };
    let world =
        World { database, versions, sequences, filled: before.filled.clone(), applied: OnceCell::new() };
    Rehearsed { outcome, world, observed }
}

impl<R> Cast<R> {
    /// The instances that a coordinator may move.
    pub(crate) fn fleet(&self, scenario: &Scenario, which: impl Fn(&Instance) -> bool) -> Vec<Managed> {
        let applications: Vec<(Rc<str>, Rc<[String]>)> = scenario
            .all_applications()
            .map(|one| {
                let versions = one.versions.iter().map(|version| version.name.clone()).collect();
                (one.name.as_str().into(), versions)
            })
            .collect();
        let managed = |instance: &Instance| Managed {
            name: instance.name.clone(),
            actor: instance.actor,
            application: Rc::clone(&applications[instance.application].0),
            versions: Rc::clone(&applications[instance.application].1),
            version: instance.version,
            running: instance.running,
        };
        self.instances.iter().filter(|instance| which(instance)).map(managed).collect()
    }
}
