//! What is collected while a scenario runs, from the event log: in memory that does not grow with
//! the time that is simulated.

use std::collections::{BTreeMap, BTreeSet};

use reports::{Bar, MigrationStatement, RequestClass, Series, Track};
use sim_actors::{DeploymentPhase, Event, Failed, StatementStep};
use sim_clock::{ActorId, Nanos};
use transactions::{EventKind, LockMode, LockTag, SessionId};

use super::histogram::Histogram;

/// Intervals of a series; when they are full their length doubles.
const INTERVALS: usize = 240;
/// The shortest interval.
const SHORTEST: Nanos = Nanos::from_millis(100);
/// What a request may take on top of its own work before it counts as delayed.
const DELAY: Nanos = Nanos::from_millis(100);

pub(super) fn ms(span: Nanos) -> f64 {
    span.as_secs_f64() * 1e3
}

/// A class of requests so far.
#[derive(Default)]
struct Class {
    arrived: u64,
    served: u64,
    delayed: u64,
    failed: BTreeMap<String, u64>,
    latency: Histogram,
    in_flight: u64,
    stalled_since: Option<Nanos>,
    stall: (Nanos, Nanos),
}

impl Class {
    fn arrives(&mut self, now: Nanos) {
        self.arrived += 1;
        self.in_flight += 1;
        self.stalled_since.get_or_insert(now);
    }

    fn ends(&mut self, now: Nanos, latency: Nanos, own: Nanos, failed: Option<String>) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.latency.record(latency);
        self.delayed += u64::from(latency - own > DELAY);
        match failed {
            Some(cause) => *self.failed.entry(cause).or_default() += 1,
            None => {
                self.served += 1;
                self.close_stall(now);
                self.stalled_since = (self.in_flight > 0).then_some(now);
            }
        }
    }

    /// A stall ends with a success, or with the run.
    fn close_stall(&mut self, now: Nanos) {
        if let Some(since) = self.stalled_since
            && now - since > self.stall.0
        {
            self.stall = (now - since, since);
        }
    }

    fn report(mut self, name: String, end: Nanos) -> RequestClass {
        self.close_stall(end);
        RequestClass {
            name,
            arrived: self.arrived,
            served: self.served,
            failed: self.failed,
            delayed: self.delayed,
            p50_ms: ms(self.latency.quantile(50, 100)),
            p95_ms: ms(self.latency.quantile(95, 100)),
            p99_ms: ms(self.latency.quantile(99, 100)),
            max_ms: ms(self.latency.max()),
            longest_stall_ms: ms(self.stall.0),
            stall_from_ms: ms(self.stall.1),
        }
    }
}

/// One interval of the series.
#[derive(Clone, Default)]
struct Interval {
    arrived: u64,
    served: u64,
    failed: u64,
    latency: Histogram,
    lock_queue: u32,
    in_use: u32,
    queued: u32,
}

impl Interval {
    fn absorb(&mut self, other: &Self) {
        self.arrived += other.arrived;
        self.served += other.served;
        self.failed += other.failed;
        self.latency.absorb(&other.latency);
        self.lock_queue = self.lock_queue.max(other.lock_queue);
        self.in_use = self.in_use.max(other.in_use);
        self.queued = self.queued.max(other.queued);
    }
}

/// An instance's pool so far.
#[derive(Clone, Default)]
pub(super) struct PoolTally {
    in_use: u32,
    queued: u32,
    pub(super) peak_in_use: u32,
    pub(super) peak_queue: u32,
    changed: Nanos,
    /// Connection-time in use.
    pub(super) used: u128,
    /// Request-time queued.
    pub(super) waited: Nanos,
    pub(super) exhausted: Nanos,
    pub(super) first_exhausted: Option<Nanos>,
}

impl PoolTally {
    fn changes(&mut self, now: Nanos) {
        let span = now - self.changed;
        self.used += u128::from(span.0) * u128::from(self.in_use);
        if self.queued > 0 {
            self.waited += Nanos(span.0 * u64::from(self.queued));
            self.exhausted += span;
        }
        self.changed = now;
    }

    fn settle(&mut self, now: Nanos) {
        self.peak_in_use = self.peak_in_use.max(self.in_use);
        self.peak_queue = self.peak_queue.max(self.queued);
        if self.queued > 0 {
            self.first_exhausted.get_or_insert(now);
        }
    }
}

/// Waits for one kind of lock.
#[derive(Clone, Copy, Default)]
pub(super) struct Waits {
    pub(super) count: u64,
    pub(super) total: Nanos,
    pub(super) longest: Nanos,
}

/// Everything collected so far.
#[derive(Default)]
pub(super) struct Collector {
    classes: Vec<Class>,
    overall: Class,
    intervals: Vec<Interval>,
    length: Option<Nanos>,
    pub(super) pools: BTreeMap<ActorId, PoolTally>,
    /// Connections in use and requests queued, over all pools.
    in_pools: (u32, u32),
    waiting: BTreeMap<SessionId, (Nanos, LockTag, LockMode)>,
    pub(super) waits: Vec<(LockTag, LockMode, Waits)>,
    /// What the sessions that run migrations have waited since their statements began.
    migration_waits: BTreeMap<SessionId, Nanos>,
    /// Whose statement each is.
    pub(super) statement_sessions: Vec<SessionId>,
    pub(super) statements: Vec<MigrationStatement>,
    /// The migration's pauses: from when, for how long.
    pub(super) pauses: Vec<(Nanos, Nanos)>,
    tracks: BTreeMap<ActorId, Track>,
    /// Whose each session is.
    owners: Vec<ActorId>,
    /// The background sessions that are in a transaction, by actor.
    in_transaction: BTreeSet<ActorId>,
    pub(super) connections: (u32, u64),
}

impl Collector {
    pub(super) fn new(classes: usize, owners: Vec<ActorId>, refused: u32) -> Self {
        let connections = u32::try_from(owners.len()).unwrap_or(u32::MAX);
        Self {
            classes: (0..classes).map(|_| Class::default()).collect(),
            connections: (connections, u64::from(refused)),
            owners,
            ..Self::default()
        }
    }

    /// The interval of an instant; when there are too many, pairs of them become one.
    #[allow(clippy::cast_possible_truncation, reason = "fewer than INTERVALS")]
    fn interval(&mut self, now: Nanos) -> &mut Interval {
        let mut length = *self.length.get_or_insert(SHORTEST);
        while now.0 / length.0 >= INTERVALS as u64 {
            let halves = std::mem::take(&mut self.intervals);
            self.intervals = halves
                .chunks(2)
                .map(|pair| {
                    let mut whole = pair[0].clone();
                    pair.get(1).into_iter().for_each(|other| whole.absorb(other));
                    whole
                })
                .collect();
            length = Nanos(length.0 * 2);
            self.length = Some(length);
        }
        let at = (now.0 / length.0) as usize;
        if self.intervals.len() <= at {
            let lock_queue = u32::try_from(self.waiting.len()).unwrap_or(u32::MAX);
            let level = Interval { lock_queue, ..Interval::default() };
            self.intervals.resize(at + 1, level);
        }
        &mut self.intervals[at]
    }

    fn pool(&mut self, now: Nanos, actor: ActorId, change: impl FnOnce(&mut PoolTally)) {
        let pool = self.pools.entry(actor).or_default();
        pool.changes(now);
        let before = (pool.in_use, pool.queued);
        change(pool);
        pool.settle(now);
        let after = (pool.in_use, pool.queued);
        let sum = |sum: u32, before: u32, after: u32| (sum + after).saturating_sub(before);
        let in_use = sum(self.in_pools.0, before.0, after.0);
        let queued = sum(self.in_pools.1, before.1, after.1);
        self.in_pools = (in_use, queued);
        let interval = self.interval(now);
        interval.in_use = interval.in_use.max(in_use);
        interval.queued = interval.queued.max(queued);
    }

    /// Takes an event; `name` is its actor's.
    pub(super) fn take(&mut self, now: Nanos, actor: ActorId, name: &str, event: &Event) {
        match event {
            Event::Arrived { request } => {
                self.interval(now).arrived += 1;
                self.overall.arrives(now);
                self.class(*request).arrives(now);
            }
            Event::TurnedAway { request } => {
                self.end(now, *request, (Nanos::ZERO, Nanos::ZERO), Some("no instance".to_owned()));
            }
            Event::Queued { .. } => self.pool(now, actor, |pool| pool.queued += 1),
            Event::Started { queued, .. } => self.pool(now, actor, |pool| {
                pool.queued = pool.queued.saturating_sub(u32::from(*queued));
                pool.in_use += 1;
            }),
            Event::Freed { .. } => self.pool(now, actor, |pool| pool.in_use = pool.in_use.saturating_sub(1)),
            Event::GaveUp { .. } => self.pool(now, actor, |pool| pool.queued = pool.queued.saturating_sub(1)),
            Event::Request { request, latency, own, failed, .. } => {
                let cause = failed.map(|failed| match failed {
                    Failed::Database(state) => state.to_string(),
                    Failed::PoolTimeout => "pool timeout".to_owned(),
                    Failed::NotServed => "not served".to_owned(),
                });
                self.end(now, *request, (*latency, *own), cause);
            }
            Event::Server(event) => self.lock(now, event),
            Event::Connections { open, refused } => {
                self.connections.0 = self.connections.0.max(*open);
                self.connections.1 += u64::from(*refused);
            }
            Event::Migration { session, statement, step } => {
                self.migration(now, *session, *statement as usize, *step);
            }
            Event::Background { step, .. } => self.background(now, actor, name, *step),
            Event::Deployment { phase, .. } => self.deployment(now, actor, name, *phase),
            Event::Pauses { span } => {
                if self.pauses.len() < MOST_BARS {
                    self.pauses.push((now, *span));
                }
            }
            Event::Rotation { .. } | Event::Blocked { .. } => {}
        }
    }

    fn class(&mut self, request: u32) -> &mut Class {
        let at = (request as usize).min(self.classes.len().saturating_sub(1));
        &mut self.classes[at]
    }

    fn end(&mut self, now: Nanos, request: u32, spans: (Nanos, Nanos), failed: Option<String>) {
        let interval = self.interval(now);
        interval.latency.record(spans.0);
        *if failed.is_some() { &mut interval.failed } else { &mut interval.served } += 1;
        self.overall.ends(now, spans.0, spans.1, failed.clone());
        self.class(request).ends(now, spans.0, spans.1, failed);
    }

    fn lock(&mut self, now: Nanos, event: &transactions::Event) {
        if matches!(event.kind, EventKind::Committed | EventKind::RolledBack | EventKind::Terminated) {
            self.leaves(now, event.session);
        }
        match event.kind {
            EventKind::Waits => {
                self.waiting.insert(event.session, (now, event.tag, event.mode));
                let count = u32::try_from(self.waiting.len()).unwrap_or(u32::MAX);
                let interval = self.interval(now);
                interval.lock_queue = interval.lock_queue.max(count);
            }
            EventKind::Granted | EventKind::Released | EventKind::RowLocked | EventKind::Rearranged => {}
            _ => {
                let Some((since, tag, mode)) = self.waiting.remove(&event.session) else { return };
                let span = now - since;
                if let Some(waits) = self.migration_waits.get_mut(&event.session) {
                    *waits += span;
                }
                let kind = kind_of(tag);
                let known = self.waits.iter_mut().find(|one| one.1 == mode && kind_of(one.0) == kind);
                let waits = match known {
                    Some(one) => &mut one.2,
                    None => {
                        self.waits.push((tag, mode, Waits::default()));
                        let at = self.waits.len() - 1;
                        &mut self.waits[at].2
                    }
                };
                waits.count += 1;
                waits.total += span;
                waits.longest = waits.longest.max(span);
            }
        }
    }

    fn migration(&mut self, now: Nanos, session: SessionId, number: usize, step: StatementStep) {
        if step == StatementStep::Begins {
            self.migration_waits.insert(session, Nanos::ZERO);
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
            let waited = self.migration_waits.remove(&session).unwrap_or_default();
            (last.end_ms, last.waited_ms) = (Some(ms(now)), ms(waited));
            if let StatementStep::Fails(state) = step {
                last.failure = Some(state.to_string());
            }
        }
    }

    fn track(&mut self, actor: ActorId, name: &str, kind: &str) -> &mut Vec<Bar> {
        let empty = || Track { name: name.to_owned(), kind: kind.to_owned(), bars: Vec::new() };
        &mut self.tracks.entry(actor).or_insert_with(empty).bars
    }

    fn background(&mut self, now: Nanos, actor: ActorId, name: &str, step: StatementStep) {
        if step == StatementStep::Begins {
            self.in_transaction.insert(actor);
        }
        let stays = self.in_transaction.contains(&actor);
        let bars = self.track(actor, name, "background");
        close(bars, now);
        if bars.len() >= MOST_BARS {
            return;
        }
        if let StatementStep::Fails(code) = step {
            bars.push(Bar { to_ms: ms(now), ..open_bar(now, &code.to_string(), "failed") });
        }
        match step {
            StatementStep::Begins => bars.push(open_bar(now, "statement", "works")),
            _ if stays => bars.push(open_bar(now, "idle in transaction", "idle")),
            _ => {}
        }
    }

    /// A session's transaction has ended: if its statement has, too, it is not idle in it any more.
    fn leaves(&mut self, now: Nanos, session: SessionId) {
        let Some(actor) = self.owners.get(session.0 as usize) else { return };
        if self.in_transaction.remove(actor)
            && let Some(track) = self.tracks.get_mut(actor)
            && track.bars.last().is_some_and(|bar| bar.state == "idle")
        {
            close(&mut track.bars, now);
        }
    }

    fn deployment(&mut self, now: Nanos, actor: ActorId, name: &str, phase: DeploymentPhase) {
        let bars = self.track(actor, name, "deployment");
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

    /// Ends everything that is under way and gives classes, the whole, the series and the tracks.
    pub(super) fn finish(
        &mut self,
        end: Nanos,
        names: &[String],
    ) -> (Vec<RequestClass>, RequestClass, Series, Vec<Track>) {
        let waiting: Vec<SessionId> = self.waiting.keys().copied().collect();
        for session in waiting {
            let (_, tag, mode) = self.waiting[&session];
            self.lock(end, &transactions::Event { session, kind: EventKind::Cancelled, mode, tag });
        }
        for pool in self.pools.values_mut() {
            pool.changes(end);
        }
        let mut tracks: Vec<Track> = std::mem::take(&mut self.tracks).into_values().collect();
        for bar in tracks.iter_mut().flat_map(|track| &mut track.bars) {
            bar.to_ms = bar.to_ms.min(ms(end));
        }
        let classes = std::mem::take(&mut self.classes);
        let classes = classes.into_iter().zip(names).map(|(class, name)| class.report(name.clone(), end));
        let overall = std::mem::take(&mut self.overall).report("all requests".to_owned(), end);
        (classes.collect(), overall, self.series(), tracks)
    }

    fn series(&self) -> Series {
        let latency = |of: fn(&Histogram) -> Nanos| -> Vec<Option<f64>> {
            let some =
                |interval: &Interval| (!interval.latency.is_empty()).then(|| ms(of(&interval.latency)));
            self.intervals.iter().map(some).collect()
        };
        Series {
            interval_ms: ms(self.length.unwrap_or(SHORTEST)),
            arrived: self.intervals.iter().map(|one| one.arrived).collect(),
            served: self.intervals.iter().map(|one| one.served).collect(),
            failed: self.intervals.iter().map(|one| one.failed).collect(),
            p50_ms: latency(|histogram| histogram.quantile(50, 100)),
            p99_ms: latency(|histogram| histogram.quantile(99, 100)),
            max_ms: latency(Histogram::max),
            lock_queue: self.intervals.iter().map(|one| one.lock_queue).collect(),
            pool_in_use: self.intervals.iter().map(|one| one.in_use).collect(),
            pool_queue: self.intervals.iter().map(|one| one.queued).collect(),
        }
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

/// Bars that a track keeps; a job that runs every second for a day would have more.
const MOST_BARS: usize = 400;

/// What waits are put together by: the relation where there is one.
pub(super) fn kind_of(tag: LockTag) -> (&'static str, u64) {
    match tag {
        LockTag::Relation(relation) => ("table", u64::from(relation.0)),
        LockTag::Tuple { relation, .. } => ("row", u64::from(relation.0)),
        LockTag::Transaction(_) => ("transaction", 0),
        LockTag::VirtualTransaction { .. } => ("virtual transaction", 0),
        LockTag::Object { class, .. } => ("object", u64::from(class)),
        LockTag::Advisory(key) => ("advisory", key.cast_unsigned()),
    }
}
