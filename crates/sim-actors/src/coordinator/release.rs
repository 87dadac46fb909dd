//! Deployments by strategy: rolling in batches, canaries first, or a second set beside the first.
//!
//! ```text
//!   rolling     [a b] c d      batch by batch; a batch that fails ends it
//!   canary      a │ watched │ b c d
//!   blue-green  a b ─► (a b) + (c d) ─► switch ─► c d
//! ```
//!
//! A deployment that fails leaves the fleet as it was, or halts where it is.

use std::future::Future;
use std::pin::Pin;

use sim_clock::Nanos;

use super::coroutine::all;
use super::database::{Branching, Database, Fleet, InstanceStatus};
use super::{Failure, FailureKind};

/// A deployment.
#[derive(Clone, Debug, PartialEq)]
pub struct Release {
    /// Of which application.
    pub application: String,
    /// To which version.
    pub version: String,
    /// In which order the instances change.
    pub strategy: Strategy,
    /// Whether those that were moved are moved back when it fails; else it halts there.
    pub rolls_back: bool,
    /// How often an instance whose start failed is started again.
    pub restarts: u32,
}

/// In which order instances change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Strategy {
    /// So many at a time.
    Rolling(usize),
    /// Some first; then, if they do well, the others.
    Canary {
        /// How many go first.
        canaries: usize,
        /// How long they are watched.
        watch: Nanos,
        /// The share of failed requests that ends it.
        most_failures: f64,
        /// How many at a time afterwards.
        batch: usize,
    },
    /// The instances that do not run are started, traffic moves to them at once, the others are stopped.
    BlueGreen,
}

/// What an instance does when it starts, before its health check: its migrations, say.
pub trait Startup<F> {
    /// Whether it does anything at all.
    fn is_there(&self) -> bool;

    /// Does it, for one instance.
    fn run(&self, fleet: F, instance: &str) -> impl Future<Output = Result<(), String>>;
}

/// Instances do nothing of that kind.
#[derive(Clone, Copy, Debug)]
pub struct Nothing;

impl<F> Startup<F> for Nothing {
    fn is_there(&self) -> bool {
        false
    }

    async fn run(&self, _: F, _: &str) -> Result<(), String> {
        Ok(())
    }
}

/// The pause before a failed start is tried again: 10 s, doubled each time, 5 min at most, as the kubelet has it
/// (Kubernetes documentation, "Pod Lifecycle", container restarts).
fn restart_pause(failures: u32) -> Nanos {
    Nanos::from_secs((10_u64 << failures.saturating_sub(1).min(5)).min(300))
}

/// How often canaries are looked at while they are watched.
const LOOKS: u64 = 10;

/// Moves an application to a version.
///
/// # Errors
/// When instances cannot be moved, or canaries do badly: the failure names them.
pub async fn release<F, S>(fleet: &F, plan: &Release, startup: &S) -> Result<(), Failure>
where
    F: Fleet + Database + Branching,
    S: Startup<F>,
{
    let mut own = fleet.branch();
    let all: Vec<InstanceStatus> =
        own.instances().await.into_iter().filter(|one| one.application == plan.application).collect();
    let mut roll = Roll { fleet: own, plan, startup, moved: Vec::new() };
    let done = match plan.strategy {
        Strategy::BlueGreen => return roll.blue_green(&all).await,
        Strategy::Rolling(batch) => roll.batches(&roll.outdated(&all), batch).await,
        Strategy::Canary { canaries, watch, most_failures, batch } => {
            let outdated = roll.outdated(&all);
            let (first, others) = outdated.split_at(canaries.min(outdated.len()));
            roll.canaries(first, others, watch, most_failures, batch).await
        }
    };
    match done {
        Ok(()) => Ok(()),
        Err(failure) => Err(roll.give_up(failure).await),
    }
}

struct Roll<'p, F, S> {
    fleet: F,
    plan: &'p Release,
    startup: &'p S,
    /// What ran where before.
    moved: Vec<InstanceStatus>,
}

type Line<'l> = Pin<Box<dyn Future<Output = Result<(), String>> + 'l>>;

impl<F, S> Roll<'_, F, S>
where
    F: Fleet + Database + Branching,
    S: Startup<F>,
{
    fn outdated(&self, instances: &[InstanceStatus]) -> Vec<InstanceStatus> {
        let outdated = |one: &&InstanceStatus| one.running && one.version != self.plan.version;
        instances.iter().filter(outdated).cloned().collect()
    }

    async fn batches(&mut self, instances: &[InstanceStatus], size: usize) -> Result<(), Failure> {
        for batch in instances.chunks(size.max(1)) {
            self.batch(batch).await?;
        }
        Ok(())
    }

    /// Moves some at the same time.
    async fn batch(&mut self, batch: &[InstanceStatus]) -> Result<(), Failure> {
        let lines: Vec<Line<'_>> = (batch.iter())
            .map(|one| -> Line<'_> {
                Box::pin(start(self.fleet.branch(), self.plan, self.startup, &one.name))
            })
            .collect();
        let outcomes = all(lines).await;
        let mut failed = Vec::new();
        for (instance, outcome) in batch.iter().zip(outcomes) {
            match outcome {
                Ok(()) => self.moved.push(instance.clone()),
                Err(reason) => failed.push((instance.name.clone(), reason)),
            }
        }
        if failed.is_empty() { Ok(()) } else { Err(not_moved(&self.plan.version, failed)) }
    }

    async fn canaries(
        &mut self,
        first: &[InstanceStatus],
        others: &[InstanceStatus],
        watch: Nanos,
        most_failures: f64,
        batch: usize,
    ) -> Result<(), Failure> {
        self.batch(first).await?;
        for _ in 0..LOOKS {
            self.fleet.sleep(Nanos(watch.0 / LOOKS)).await;
            self.look_at(first, most_failures).await?;
        }
        self.batches(others, batch).await
    }

    #[allow(clippy::cast_precision_loss, reason = "far fewer than 2^53 requests")]
    async fn look_at(&mut self, canaries: &[InstanceStatus], most_failures: f64) -> Result<(), Failure> {
        for canary in canaries {
            let vitals = self.fleet.vitals(&canary.name).await;
            let share = vitals.failed as f64 / (vitals.failed + vitals.served).max(1) as f64;
            if !vitals.healthy || share > most_failures {
                let reason = if vitals.healthy {
                    format!("{} of {} requests failed", vitals.failed, vitals.failed + vitals.served)
                } else {
                    "it is not healthy".to_owned()
                };
                let text = format!("canary {} does badly on {}: {reason}", canary.name, self.plan.version);
                let mut failure = Failure::new(FailureKind::Precondition, text);
                failure.instances = vec![canary.name.clone()];
                return Err(failure);
            }
        }
        Ok(())
    }

    /// What becomes of those that were moved when others could not be.
    async fn give_up(&mut self, mut failure: Failure) -> Failure {
        if self.plan.rolls_back {
            for instance in std::mem::take(&mut self.moved) {
                // The old version ran there a moment ago. Should it fail now, the newer one goes on.
                let _ = self.fleet.deploy(&instance.name, &instance.version).await;
            }
            failure.rolled_back = true;
        }
        failure
    }

    async fn blue_green(&mut self, instances: &[InstanceStatus]) -> Result<(), Failure> {
        let (old, new): (Vec<_>, Vec<_>) = instances.iter().cloned().partition(|one| one.running);
        if let Err(mut failure) = self.batch(&new).await {
            // The old set serves on; what has started beside it is of no use.
            for instance in std::mem::take(&mut self.moved) {
                let _ = self.fleet.stop(&instance.name).await;
            }
            failure.rolled_back = true;
            return Err(failure);
        }
        let names = |set: &[InstanceStatus]| set.iter().map(|one| one.name.clone()).collect::<Vec<_>>();
        self.fleet.serve(&names(&new), true).await;
        self.fleet.serve(&names(&old), false).await;
        let stops: Vec<Line<'_>> =
            (old.iter()).map(|one| -> Line<'_> { Box::pin(stop(self.fleet.branch(), &one.name)) }).collect();
        all(stops).await;
        Ok(())
    }
}

/// Starts one instance on the version, again and again as the plan allows.
async fn start<F, S>(mut fleet: F, plan: &Release, startup: &S, instance: &str) -> Result<(), String>
where
    F: Fleet + Database + Branching,
    S: Startup<F>,
{
    let mut failures = 0;
    loop {
        let outcome = if startup.is_there() {
            match fleet.boot(instance, &plan.version).await {
                Ok(()) => {
                    let done = startup.run(fleet.branch(), instance).await;
                    fleet.admit(instance, done).await
                }
                Err(reason) => Err(reason),
            }
        } else {
            fleet.deploy(instance, &plan.version).await
        };
        failures += 1;
        if outcome.is_ok() || failures > plan.restarts {
            return outcome;
        }
        fleet.sleep(restart_pause(failures)).await;
    }
}

async fn stop(mut fleet: impl Fleet, instance: &str) -> Result<(), String> {
    fleet.stop(instance).await
}

fn not_moved(version: &str, failed: Vec<(String, String)>) -> Failure {
    let reasons: Vec<String> = failed.iter().map(|(name, why)| format!("{name} ({why})")).collect();
    let text = format!("not every instance runs {version}: {} could not be moved", reasons.join(", "));
    let mut failure = Failure::new(FailureKind::Precondition, text);
    failure.instances = failed.into_iter().map(|(name, _)| name).collect();
    failure
}
