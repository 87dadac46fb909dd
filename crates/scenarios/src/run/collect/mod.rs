//! What is collected while a scenario runs, from the event log: in memory that does not grow with
//! the time that is simulated.
//!
//! Every event of every request comes by here, so most are dealt with by indexes and sums; names and texts wait for the
//! report.

mod class;
mod histogram;
mod locks;
mod pools;
mod series;
mod tracks;

use std::collections::BTreeMap;
use std::rc::Rc;

use reports::{MigrationStatement, RequestClass, Series, Track};
use sim_actors::{Event, StatementStep};
use sim_clock::{ActorId, Nanos};
use transactions::{EventKind, SessionId};

use crate::cast::ScriptStep;

use class::{Cause, Classes, End};
use histogram::Place;
pub(super) use locks::{LockWaiting, Waits, kind_of};
use pools::Change;
pub(super) use pools::{PoolTally, Pools};
use series::Timeline;
use tracks::Tracks;

pub(super) fn ms(span: Nanos) -> f64 {
    span.as_secs_f64() * 1e3
}

/// Whether the report needs an event: of most transitions of the server it needs to know nothing.
#[inline]
pub(super) fn is_collected(event: &Event) -> bool {
    !matches!(event, Event::Server(event) if event.kind.is_of_no_wait())
}

/// Everything collected so far.
#[derive(Default)]
pub(super) struct Collector {
    classes: Classes,
    timeline: Timeline,
    pub(super) pools: Pools,
    pub(super) locks: LockWaiting,
    tracks: Tracks,
    /// Whose statement each is.
    pub(super) statement_sessions: Vec<SessionId>,
    pub(super) statements: Vec<MigrationStatement>,
    /// The most connections at once, and how many were refused.
    pub(super) connections: (u32, u64),
}

impl Collector {
    /// For so many classes of requests, and sessions that belong to these actors.
    pub(super) fn new(
        classes: usize,
        names: Rc<[String]>,
        owners: Vec<ActorId>,
        scripts: BTreeMap<ActorId, Vec<ScriptStep>>,
        refused: u32,
    ) -> Self {
        let connections = u32::try_from(owners.len()).unwrap_or(u32::MAX);
        Self {
            classes: Classes::new(classes),
            connections: (connections, u64::from(refused)),
            tracks: Tracks::new(names, owners, scripts),
            ..Self::default()
        }
    }

    /// Takes an event of an actor, if it [is collected](is_collected).
    #[inline(never)]
    pub(super) fn take(&mut self, now: Nanos, actor: ActorId, event: &Event) {
        match event {
            Event::Server(event) => self.lock(now, event),
            Event::Arrived { request } => {
                self.timeline.at(now, self.locks.len()).arrived += 1;
                self.classes.arrives(now, *request);
            }
            Event::Started { queued, .. } => self.pool(now, actor, Change::Starts { queued: *queued }),
            Event::Freed { .. } => self.pool(now, actor, Change::Frees),
            Event::Request { request, latency, own, failed, .. } => {
                self.end(now, *request, *latency, *own, failed.map(Cause::Failed));
            }
            Event::Queued { .. } => self.pool(now, actor, Change::Queues),
            Event::GaveUp { .. } => self.pool(now, actor, Change::GivesUp),
            Event::TurnedAway { request } => {
                self.end(now, *request, Nanos::ZERO, Nanos::ZERO, Some(Cause::NoInstance));
            }
            Event::Connections { open, refused } => {
                self.connections.0 = self.connections.0.max(*open);
                self.connections.1 += u64::from(*refused);
            }
            Event::Migration { session, statement, step } => {
                self.migration(now, *session, *statement as usize, *step);
            }
            Event::Background { statement, step } => self.tracks.background(now, actor, *statement, *step),
            Event::Deployment { phase, .. } => self.tracks.deployment(now, actor, *phase),
            Event::Pauses { .. } | Event::Rotation { .. } | Event::Blocked { .. } => {}
        }
    }

    #[inline(never)]
    fn end(&mut self, now: Nanos, request: u32, latency: Nanos, own: Nanos, failed: Option<Cause>) {
        let end = End { at: now, latency: Place::of(latency), delay: latency - own, failed };
        self.timeline.at(now, self.locks.len()).ends(end.latency, failed.is_none());
        self.classes.ends(request, end);
    }

    #[inline(never)]
    fn pool(&mut self, now: Nanos, actor: ActorId, change: Change) {
        let (in_use, queued) = self.pools.changes(now, actor, change);
        self.timeline.at(now, self.locks.len()).pools(in_use, queued);
    }

    #[inline(never)]
    fn lock(&mut self, now: Nanos, event: &transactions::Event) {
        if event.kind.is_of_no_wait() {
            return;
        }
        if event.kind == EventKind::Waits {
            self.locks.begins(now, event);
            let count = self.locks.len();
            self.timeline.at(now, count).lock_queue(u32::try_from(count).unwrap_or(u32::MAX));
            return;
        }
        if matches!(event.kind, EventKind::Committed | EventKind::RolledBack | EventKind::Terminated) {
            self.tracks.leaves(now, event.session);
        }
        self.locks.ends(now, event.session);
    }

    #[cold]
    fn migration(&mut self, now: Nanos, session: SessionId, number: usize, step: StatementStep) {
        if step == StatementStep::Begins {
            self.locks.migration_begins(session);
            self.statement_sessions.push(session);
            let (sql, by, failure) = (String::new(), String::new(), None);
            self.statements.push(MigrationStatement {
                sql,
                by,
                start_ms: ms(now),
                end_ms: None,
                waited_ms: 0.0,
                failure,
            });
        } else if let Some(last) = number.checked_sub(1).and_then(|at| self.statements.get_mut(at)) {
            let waited = self.locks.migration_ends(session);
            (last.end_ms, last.waited_ms) = (Some(ms(now)), ms(waited));
            if let StatementStep::Fails(state) = step {
                last.failure = Some(state.to_string());
            }
        }
    }

    /// Ends everything that is under way and gives classes, the whole, the series and the tracks.
    pub(super) fn finish(
        &mut self,
        end: Nanos,
        names: &[String],
    ) -> (Vec<RequestClass>, RequestClass, Series, Vec<Track>) {
        self.locks.finish(end);
        self.pools.finish(end);
        let (classes, overall) = std::mem::take(&mut self.classes).report(names, end);
        let series = std::mem::take(&mut self.timeline).series();
        (classes, overall, series, std::mem::take(&mut self.tracks).finish(end))
    }
}
