//! `rehearsal run`: a scenario carried out, and what its users would have felt.
//!
//! ```text
//!   Loaded ─► World ─► Cast ─► actors ─► event log ─► Collector ─┐
//!                                 └────► WaitWatch ─────────────┴► Report ─► judge ─► verdict
//! ```

mod collect;
mod report;
mod seeds;
mod sight;
mod story;
mod waits;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use reports::{Assumption, Report};
use sim_actors::coordinator::coroutine::Coroutine;
use sim_actors::{Event, MigrationCoordinator, Player, RunMode, StartCheck};
use sim_clock::{ActorId, ClosedInstant, Gate, Nanos, Scheduler, Seed};

use crate::cast::{Cast, Instance, RequestKind, SERVER, request_kinds};
use crate::load::{Loaded, ScenarioError};
use crate::model::{ApplicationSpec, Scenario};
use crate::rehearse::EventObserver;
use crate::world::World;

use collect::{Collector, ms};
use story::Play;
pub(crate) use story::files;

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
    // A report needs to know neither the log's hash nor, unless somebody looks on, what leaves waits as they are.
    cast.is_terse = observer.is_none();
    scheduler.log.leave_unhashed();
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
    scheduler.log.observe(Box::new(move |at, instant: ClosedInstant<'_, Event>| {
        let mut collector = taking.borrow_mut();
        for (actor, event) in instant.events().filter(|one| collect::is_collected(one.1)) {
            collector.take(at, actor, event);
        }
        if let Some(observer) = &observer {
            for (actor, event) in instant.events() {
                observer(at, actors.get(actor.0 as usize).map_or("", String::as_str), event);
            }
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
    Ok(report::report(&stage, &mut collector, players))
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
