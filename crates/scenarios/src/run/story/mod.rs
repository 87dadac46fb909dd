//! The story of `rehearsal run`: the migration as its runner runs it, the deployments around it, and a while to cool
//! down.
//!
//! ```text
//!   at a time    ───────────────┬─ deployment ─┬──────────────────────────────────┐
//!   main line    before … ─┬─ files: step, step, (after a step) … ─┬─ after …     ├─ cool down
//!                          └─ during ──────────────────────────────┘              │
//! ```

mod attempt;
mod batches;
mod runner;
mod steps;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use sim_actors::coordinator::Failure;
use sim_actors::coordinator::coroutine::{Port, all};
use sim_actors::coordinator::database::{Branching, Connecting, Database};
use sim_actors::coordinator::release::{Nothing, Release, Startup, Strategy, release};
use sim_clock::Nanos;

use crate::load::{Loaded, ScenarioError};
use crate::model::{DeploymentSpec, DeploymentStart, DeploymentStrategy, OnFailure, Scenario};

use crate::world::World;

use batches::{Cut, cuts};
use runner::{Runner, migrate};
use steps::File;
pub(crate) use steps::files;

/// What the migration and the deployments came to.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    /// What ended the migration early.
    pub(super) failure: Option<String>,
    /// Whether an instance has run it to its end when it started.
    pub(super) migrated: bool,
    /// Whether the migration has ended, well or not.
    pub(super) ended: bool,
    /// When it began and ended.
    pub(super) span: (Nanos, Nanos),
    /// Attempts of all its steps, and those that failed.
    pub(super) attempts: u32,
    pub(super) failed: u32,
    /// The deployments that were begun, in that order.
    pub(super) deployments: Vec<Deployed>,
}

/// What a deployment came to.
#[derive(Clone, Debug)]
pub(super) struct Deployed {
    /// Its place in the scenario.
    pub(super) place: usize,
    /// When it began and ended.
    pub(super) span: (Nanos, Option<Nanos>),
    /// What ended it early.
    pub(super) failure: Option<String>,
}

/// What the story is told from.
pub(super) struct Play {
    scenario: Scenario,
    files: Vec<File>,
    runner: Runner,
    /// How data steps are cut up that are run in batches.
    cuts: BTreeMap<String, Cut>,
    outcome: RefCell<Outcome>,
    /// When the migration was begun, for `give_up_after`.
    began: RefCell<Option<Nanos>>,
}

impl Play {
    /// What a scenario tells of.
    ///
    /// # Errors
    /// When a data step is to be run in batches and cannot be.
    pub(super) fn new(loaded: &Loaded, world: &World) -> Result<Self, ScenarioError> {
        let (scenario, plan) = (&loaded.scenario, &loaded.plan);
        let files = files(plan, &scenario.migration);
        Ok(Self {
            cuts: cuts(&files, &world.database).map_err(|why| loaded.contradiction(why))?,
            files,
            runner: Runner::of(plan, &scenario.migration),
            scenario: scenario.clone(),
            outcome: RefCell::default(),
            began: RefCell::default(),
        })
    }

    /// What there is to tell so far.
    pub(super) fn so_far(&self) -> Outcome {
        self.outcome.borrow().clone()
    }

    /// The same, if the migration has ended: a run may be cut short while it cools down.
    pub(super) fn ended(&self) -> Option<Outcome> {
        self.outcome.borrow().ended.then(|| self.so_far())
    }

    /// When the story has something to do for the first time.
    pub(super) fn starts(&self) -> Nanos {
        let at = |deployment: &DeploymentSpec| match deployment.start {
            DeploymentStart::At(at) => Some(at.0),
            _ => None,
        };
        self.scenario.deployments.iter().filter_map(at).fold(self.scenario.migration.start.0, Nanos::min)
    }

    /// Whether instances run the migration when they start, in place of one of its own.
    fn migrates_on_start(&self) -> bool {
        self.scenario.deployments.iter().any(|deployment| deployment.migrate_on_start)
    }

    /// The places of the deployments that begin then.
    fn deployments(&self, when: &DeploymentStart) -> Vec<usize> {
        let all = self.scenario.deployments.iter().enumerate();
        all.filter(|one| one.1.start == *when).map(|one| one.0).collect()
    }
}

type Line<'l> = Pin<Box<dyn Future<Output = ()> + 'l>>;

/// Tells the whole story, and gives what it came to.
pub(super) async fn tell(mut port: Port, play: Rc<Play>) -> Result<Outcome, Failure> {
    let mut clock = port.branch();
    let mut lines: Vec<Line<'_>> = Vec::new();
    for (place, deployment) in play.scenario.deployments.iter().enumerate() {
        if let DeploymentStart::At(at) = deployment.start {
            lines.push(Box::pin(deploy_at(port.branch(), &play, place, at.0)));
        }
    }
    lines.push(Box::pin(main_line(&mut port, &play)));
    all(lines).await;
    let until = play.scenario.run.until;
    let rest = until.map_or(play.scenario.run.cool_down.0, |until| until.0 - clock.now());
    clock.sleep(rest).await;
    Ok(play.so_far())
}

async fn deploy_at(mut port: Port, play: &Play, place: usize, at: Nanos) {
    let wait = at - port.now();
    port.sleep(wait).await;
    // Its failure is noted; nobody waits for it.
    let _ = deploy(port, play, place).await;
}

async fn main_line(port: &mut Port, play: &Play) {
    let wait = play.scenario.migration.start.0 - port.now();
    port.sleep(wait).await;
    play.outcome.borrow_mut().span = (port.now(), port.now());
    for place in play.deployments(&DeploymentStart::Before) {
        if let Err(failure) = deploy(port.branch(), play, place).await {
            play.outcome.borrow_mut().failure = Some(format!("not begun: {failure}"));
            return;
        }
    }
    let mut lines: Vec<Line<'_>> = Vec::new();
    for place in play.deployments(&DeploymentStart::During) {
        lines.push(Box::pin(deploy_at(port.branch(), play, place, Nanos::ZERO)));
    }
    if !play.migrates_on_start() {
        lines.push(Box::pin(by_itself(port, play)));
    }
    all(lines).await;
    play.outcome.borrow_mut().ended = true;
    if play.outcome.borrow().failure.is_none() {
        for place in play.deployments(&DeploymentStart::After) {
            if deploy(port.branch(), play, place).await.is_err() {
                break;
            }
        }
    }
}

/// The migration as a run of its own.
async fn by_itself(port: &mut Port, play: &Play) {
    play.outcome.borrow_mut().span.0 = port.now();
    let done = migrate(port, play, true).await;
    let mut outcome = play.outcome.borrow_mut();
    (outcome.failure, outcome.span.1) = (done.err(), port.now());
}

/// Carries a deployment out and notes what it came to.
async fn deploy(port: Port, play: &Play, place: usize) -> Result<(), String> {
    let spec = &play.scenario.deployments[place];
    let plan = Release {
        application: spec.application.clone().unwrap_or_else(|| play.scenario.application.name.clone()),
        version: spec.to.clone(),
        strategy: strategy(&spec.strategy),
        rolls_back: spec.on_failure == OnFailure::RollBack,
        restarts: spec.restarts,
    };
    let at = {
        let mut outcome = play.outcome.borrow_mut();
        outcome.deployments.push(Deployed { place, span: (port.now(), None), failure: None });
        outcome.deployments.len() - 1
    };
    let done = if spec.migrate_on_start {
        release(&port, &plan, &OnStart { play }).await
    } else {
        release(&port, &plan, &Nothing).await
    };
    let failure = done.err().map(|failure| failure.text);
    let mut outcome = play.outcome.borrow_mut();
    let deployed = &mut outcome.deployments[at];
    (deployed.span.1, deployed.failure) = (Some(port.now()), failure.clone());
    drop(outcome);
    failure.map_or(Ok(()), |failure| Err(format!("the deployment of {} failed: {failure}", spec.to)))
}

#[allow(clippy::cast_precision_loss, reason = "shares are in millionths")]
fn strategy(spec: &DeploymentStrategy) -> Strategy {
    match *spec {
        DeploymentStrategy::Rolling { batch_size } => Strategy::Rolling(batch_size as usize),
        DeploymentStrategy::Canary { canaries, watch, most_failures, batch_size } => Strategy::Canary {
            canaries: canaries as usize,
            watch: watch.0,
            most_failures: most_failures.0 as f64 / 1e6,
            batch: batch_size as usize,
        },
        DeploymentStrategy::BlueGreen {} => Strategy::BlueGreen,
    }
}

/// The migration that each instance runs when it starts, on a connection of its own.
struct OnStart<'p> {
    play: &'p Play,
}

impl Startup<Port> for OnStart<'_> {
    fn is_there(&self) -> bool {
        true
    }

    async fn run(&self, fleet: Port, instance: &str) -> Result<(), String> {
        let play = self.play;
        if play.began.borrow().is_none() {
            play.outcome.borrow_mut().span.0 = fleet.now();
        }
        let connected = fleet.connect(&format!("{instance} migrating")).await;
        let done = match connected {
            Ok(mut connection) => {
                let done = migrate(&mut connection, play, false).await;
                connection.close().await;
                done
            }
            Err(error) => Err(error.to_string()),
        };
        let mut outcome = play.outcome.borrow_mut();
        outcome.span.1 = fleet.now();
        // It has succeeded once one of the instances has come to its end; the others find everything done, or fail
        // their own start.
        outcome.migrated |= done.is_ok();
        outcome.failure = match &done {
            Err(failure) if !outcome.migrated => Some(format!("{instance}: {failure}")),
            _ => None,
        };
        done
    }
}
