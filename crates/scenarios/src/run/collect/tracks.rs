//! What background sessions and deployments did when: bars of a drawing.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use reports::{Bar, Track};
use sim_actors::{DeploymentPhase, StatementStep};
use sim_clock::{ActorId, Nanos};
use transactions::SessionId;

use super::ms;
use crate::cast::ScriptStep;

/// Bars that a track keeps; a job that runs every second for a day would have more.
const MOST_BARS: usize = 400;

/// The tracks so far.
#[derive(Default)]
pub(super) struct Tracks {
    tracks: BTreeMap<ActorId, Track>,
    /// The actors' names.
    names: Rc<[String]>,
    /// Whose each session is.
    owners: Vec<ActorId>,
    /// What the background sessions send.
    scripts: BTreeMap<ActorId, Vec<ScriptStep>>,
    /// Those who sit idle in a transaction.
    idle: BTreeSet<ActorId>,
}

impl Tracks {
    pub(super) fn new(
        names: Rc<[String]>,
        owners: Vec<ActorId>,
        scripts: BTreeMap<ActorId, Vec<ScriptStep>>,
    ) -> Self {
        Self { names, owners, scripts, ..Self::default() }
    }

    fn of(&mut self, actor: ActorId, kind: &str) -> &mut Vec<Bar> {
        let name = self.names.get(actor.0 as usize);
        let empty =
            || Track { name: name.cloned().unwrap_or_default(), kind: kind.to_owned(), bars: Vec::new() };
        &mut self.tracks.entry(actor).or_insert_with(empty).bars
    }

    #[cold]
    pub(super) fn background(&mut self, now: Nanos, actor: ActorId, statement: u32, step: StatementStep) {
        let script = self.scripts.get(&actor).and_then(|script| script.get(statement as usize)).cloned();
        let script = script.unwrap_or_default();
        self.idle.remove(&actor);
        let bars = self.of(actor, "background");
        close(bars, now);
        if bars.len() >= MOST_BARS {
            return;
        }
        match step {
            StatementStep::Begins => bars.push(open_bar(now, &script.sql, "works")),
            StatementStep::Fails(code) => {
                let label = format!("{code}: {}", script.sql);
                bars.push(Bar { to_ms: ms(now), ..open_bar(now, &label, "failed") });
            }
            StatementStep::Succeeds if script.leaves_open => {
                bars.push(open_bar(now, "idle in transaction", "idle"));
                self.idle.insert(actor);
            }
            StatementStep::Succeeds => {}
        }
    }

    /// A session's transaction has ended: it is not idle in it any more.
    pub(super) fn leaves(&mut self, now: Nanos, session: SessionId) {
        if self.idle.is_empty() {
            return;
        }
        let Some(actor) = self.owners.get(session.0 as usize) else { return };
        if self.idle.remove(actor)
            && let Some(track) = self.tracks.get_mut(actor)
        {
            close(&mut track.bars, now);
        }
    }

    #[cold]
    pub(super) fn deployment(&mut self, now: Nanos, actor: ActorId, phase: DeploymentPhase) {
        let bars = self.of(actor, "deployment");
        close(bars, now);
        let (label, state) = match phase {
            DeploymentPhase::Draining => ("draining", "draining"),
            DeploymentPhase::Starting => ("starting", "starting"),
            DeploymentPhase::Healthy => ("serving", "serving"),
            DeploymentPhase::Unhealthy => ("failed", "failed"),
            DeploymentPhase::Held => ("migrating", "starting"),
            DeploymentPhase::Stopped => ("stopped", "sleeps"),
        };
        bars.push(open_bar(now, label, state));
    }

    /// Ends every bar with the run.
    pub(super) fn finish(self, end: Nanos) -> Vec<Track> {
        let mut tracks: Vec<Track> = self.tracks.into_values().collect();
        for bar in tracks.iter_mut().flat_map(|track| &mut track.bars) {
            bar.to_ms = bar.to_ms.min(ms(end));
        }
        tracks
    }
}

/// A bar that has not ended yet.
fn open_bar(now: Nanos, label: &str, state: &str) -> Bar {
    Bar { from_ms: ms(now), to_ms: f64::INFINITY, label: label.to_owned(), state: state.to_owned() }
}

/// Ends the last bar, if it has not ended.
fn close(bars: &mut [Bar], now: Nanos) {
    if let Some(last) = bars.last_mut().filter(|bar| bar.to_ms.is_infinite()) {
        last.to_ms = ms(now);
    }
}
