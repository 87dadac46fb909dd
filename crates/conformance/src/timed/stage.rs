//! A recording on stage: the simulated server, the pool with its arrivals, the sessions, the migrations.
//!
//! ```text
//!   actor 0   LockManager           the tables of the recording
//!         1   Balancer              replays the arrivals
//!         2   AppInstance           the pool
//!         3…  Background            one for each session
//!         …   MigrationCoordinator  one for each migration
//! ```

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use sim_actors::coordinator::attempt::Backoff;
use sim_actors::coordinator::coroutine::Coroutine;
use sim_actors::{
    AppInstance, AppVersion, Background, Balancer, Connections, DeploymentSettings, Event, Failed,
    InstanceSettings, LockManager, MigrationCoordinator, Player, Recorded, Replayed, RequestScript, RunMode,
    Service, Step, Timing, run,
};
use sim_clock::{ActorId, ClosedInstant, Nanos, Scheduler, Seed, Stream};
use sql_engine::{Database, DatabaseConfig, StatementId};
use transactions::{Effects, EventKind, SessionId, SessionSettings};

use super::durations::Durations;
use super::fixture;
use super::outcome::{Ended, MigrationOutcome, Outcome};
use super::plan::{Diary, SharedDiary, carry_out};
use super::recording::{Arrival, Recording, RecordingError, Template, TemplateStatement, millis, span};

const SERVER: ActorId = ActorId(0);
const BALANCER: ActorId = ActorId(1);
const POOL: ActorId = ActorId(2);

/// When a run ends at the latest.
const HORIZON: Nanos = Nanos::from_secs(3_600);

/// How often somebody looks at who waits.
const SAMPLING: Nanos = Nanos::from_millis(50);

/// A run's outcome, and how long each of its migrations' statements waited for locks.
pub(super) struct Performance {
    pub(super) outcome: Outcome,
    /// By migration, step and place.
    pub(super) lock_waits: BTreeMap<(usize, usize, usize), Nanos>,
}

/// The recorded server with its tables, to be copied for each run.
pub(super) fn server(recording: &Recording) -> Result<Database, RecordingError> {
    let mut config = DatabaseConfig::default();
    config.version = recording.major().unwrap_or(config.version);
    let mut database = Database::new(config);
    let script = fixture::script(&recording.input);
    database.script(&script).map_err(|error| RecordingError::Fixture(error.to_string()))?;
    Ok(database)
}

/// Runs the recording's input with these durations.
pub(super) fn perform(
    recording: &Recording,
    server: &Database,
    durations: &Durations,
) -> Result<Performance, RecordingError> {
    let mut stage = Stage::new(recording, server.clone(), durations);
    stage.add_pool()?;
    stage.add_sessions()?;
    let (migrators, diaries) = stage.add_migrations();
    let open = u32::try_from(stage.clients.len()).unwrap_or(u32::MAX);
    let connections = Connections { limit: u32::MAX, open };
    let mut manager = LockManager::new(stage.database, stage.clients, &migrators, connections);
    for (sql, work) in &durations.migration {
        manager = manager.with_measured(sql, *work);
    }
    let mut players = vec![Player::Server(Box::new(manager))];
    players.append(&mut stage.players);

    let log = Rc::new(RefCell::new(Log::new(&recording.input.arrivals)));
    let sink = Rc::clone(&log);
    stage.scheduler.log.observe(Box::new(move |now, instant: ClosedInstant<'_, Event>| {
        let mut log = sink.borrow_mut();
        instant.events().for_each(|(_, event)| log.note(now, event));
    }));
    run(RunMode::Actors, players, &mut stage.scheduler);
    let log = log.take();
    let diaries: Vec<_> = diaries.iter().map(|diary| diary.take()).collect();
    let lock_waits = lock_waits(&diaries, &migrators, &log);
    let migrations = diaries.iter().map(outcome_of).collect();
    let outcome = Outcome { requests: log.requests, migrations, peak_waiters: log.peak };
    Ok(Performance { outcome, lock_waits })
}

struct Stage<'r> {
    recording: &'r Recording,
    durations: &'r Durations,
    database: Database,
    clients: Vec<ActorId>,
    players: Vec<Player<()>>,
    scheduler: Scheduler<Event>,
}

impl<'r> Stage<'r> {
    fn new(recording: &'r Recording, database: Database, durations: &'r Durations) -> Self {
        let (clients, players) = (Vec::new(), Vec::new());
        Self { recording, durations, database, clients, players, scheduler: Scheduler::new(HORIZON) }
    }

    /// The place of the next player; the server is not among them yet.
    fn next_place(&self) -> ActorId {
        ActorId(u32::try_from(self.players.len() + 1).unwrap_or(u32::MAX))
    }

    fn settings(&self, given: &BTreeMap<String, f64>) -> SessionSettings {
        let deadlock_timeout = span(self.recording.input.deadlock_timeout_ms);
        let mut all = SessionSettings { deadlock_timeout, ..SessionSettings::default() };
        for (name, value) in given {
            let value = span(*value);
            match name.as_str() {
                "lock_timeout" => all.lock_timeout = value,
                "statement_timeout" => all.statement_timeout = value,
                "deadlock_timeout" => all.deadlock_timeout = value,
                "transaction_timeout" => all.transaction_timeout = value,
                "idle_in_transaction_session_timeout" => all.idle_in_transaction_session_timeout = value,
                _ => {}
            }
        }
        all
    }

    fn connect(&mut self, name: &str, client: ActorId, settings: &BTreeMap<String, f64>) -> SessionId {
        let settings = self.settings(settings);
        let session = self.database.connect(Nanos::ZERO, name, settings);
        self.clients.push(client);
        session
    }

    fn prepare(&mut self, sql: &str) -> Result<StatementId, RecordingError> {
        let prepared = self.database.prepare(sql);
        prepared.map_err(|error| RecordingError::Statement { sql: sql.to_owned(), reason: error.to_string() })
    }

    fn add_pool(&mut self) -> Result<(), RecordingError> {
        let input = &self.recording.input;
        let mut requests = Vec::new();
        for template in &input.templates {
            requests.push(Some(RequestScript { steps: self.script(template)? }));
        }
        let all = requests.iter().flatten().flat_map(|script: &RequestScript| &script.steps);
        let statements = all.map(|step| step.statement).collect();
        let version = AppVersion { name: "recorded".to_owned(), requests, statements };

        let arrivals: Vec<Replayed> = input.arrivals.iter().map(|arrival| self.replayed(arrival)).collect();
        let mut balancer = Balancer::new(Vec::new(), Vec::new(), vec![(POOL, true)])
            .replaying(Box::new(arrivals.into_iter()));
        for (at, key) in balancer.first_arrivals() {
            self.scheduler.set_timer(at, BALANCER, key);
        }
        self.players.push(Player::Balancer(balancer));

        let sessions = (0..input.pool).map(|_| self.connect("pool", POOL, &input.app)).collect();
        let settings = InstanceSettings {
            name: "pool".into(),
            server: SERVER,
            balancer: BALANCER,
            versions: Rc::from([version]),
            acquire_timeout: input.pool_timeout_ms.map_or(Nanos::MAX, span),
            times_out_at_handover: true,
            pool_size: u32::try_from(input.pool).unwrap_or(u32::MAX),
            session: self.settings(&input.app),
            attempts: 1,
            retries_on: None,
            backoff: Backoff::Fixed(Nanos::ZERO),
            health_check: None,
            ejection: None,
            rollback: self.prepare("ROLLBACK")?,
            deployment: DeploymentSettings {
                drain_timeout: Nanos::ZERO,
                restart_time: Nanos::ZERO,
                ..DeploymentSettings::default()
            },
        };
        let instance = AppInstance::new(settings, 0, sessions, unused_chance(), true);
        self.players.push(Player::Instance(instance));
        Ok(())
    }

    /// A request as it was recorded: a statement that sleeps does so as long as this very request has it.
    fn replayed(&self, arrival: &Arrival) -> Replayed {
        let template = &self.recording.input.templates[arrival.1];
        let timing = |(at, statement): (usize, &TemplateStatement)| {
            let asleep = if statement.ms.is_some() { span(arrival.3) } else { Nanos::ZERO };
            let work = Some(asleep + self.durations.of_template(template, at));
            Timing { work, think: self.durations.round_trip }
        };
        Replayed {
            at: span(arrival.0) + self.durations.hand_over,
            request: u32::try_from(arrival.1).unwrap_or(u32::MAX),
            keys: smallvec::smallvec![arrival.2, whole_millis(arrival.3)],
            recorded: Some(Recorded::Timings(Rc::new(
                template.stmts.iter().enumerate().map(timing).collect(),
            ))),
        }
    }

    /// A request's statements. Locks are held during the client's own time between them, too.
    fn script(&mut self, template: &Template) -> Result<Vec<Step>, RecordingError> {
        let mut steps = Vec::new();
        for (at, statement) in template.stmts.iter().enumerate() {
            let sql = statement.sql.replace("$row", "$1").replace("$svc", "$2");
            steps.push(Step {
                statement: self.prepare(&sql)?,
                params: vec![0, 1],
                service: Service::Fixed(self.durations.of_template(template, at)),
                think: self.durations.round_trip,
            });
        }
        Ok(steps)
    }

    fn add_sessions(&mut self) -> Result<(), RecordingError> {
        for script in &self.recording.input.sessions {
            let place = self.next_place();
            let session = self.connect("session", place, &script.settings);
            let mut steps = Vec::new();
            for statement in &script.stmts {
                steps.push(Step {
                    statement: self.prepare(&statement.sql)?,
                    params: Vec::new(),
                    service: Service::Fixed(span(statement.ms.unwrap_or(0.0)) + self.durations.plain),
                    think: span(statement.think_ms) + self.durations.round_trip,
                });
            }
            let (service, think) = (Service::Fixed(Nanos::ZERO), Nanos::ZERO);
            let rollback = Step { statement: self.prepare("ROLLBACK")?, params: Vec::new(), service, think };
            self.scheduler.set_timer(span(script.start_ms), place, 0);
            let player = Background::new(SERVER, session, steps, None, rollback, unused_chance());
            self.players.push(Player::Background(player));
        }
        Ok(())
    }

    /// The migrations' sessions and diaries. The server answers at least one questioner.
    fn add_migrations(&mut self) -> (Vec<SessionId>, Vec<SharedDiary>) {
        let (mut sessions, mut diaries) = (Vec::new(), Vec::new());
        for script in &self.recording.input.migrations {
            let place = self.next_place();
            let session = self.connect("migration", place, &script.settings);
            if self.recording.input.mig_index_scan {
                let sql = "SET enable_seqscan = off; SET enable_bitmapscan = off";
                self.database.submit(Nanos::ZERO, session, sql, &mut Effects::default());
            }
            let (plan, diary) = (script.plan.clone().into(), SharedDiary::default());
            let (own, round_trip) = (Rc::clone(&diary), self.durations.round_trip);
            let story = Coroutine::new(unused_chance(), move |port| carry_out(port, plan, round_trip, own));
            self.scheduler.set_timer(span(script.t0_ms), place, 0);
            let coordinator = MigrationCoordinator::new(story, SERVER, session, Vec::new());
            self.players.push(Player::Coordinator(coordinator.beside_others()));
            sessions.push(session);
            diaries.push(diary);
        }
        if sessions.is_empty() {
            sessions.push(self.connect("nobody", SERVER, &BTreeMap::new()));
        }
        (sessions, diaries)
    }
}

/// Nothing here is left to chance: all durations are given.
fn unused_chance() -> Stream {
    Seed(0).stream("service")
}

#[allow(clippy::cast_possible_truncation, reason = "`as` saturates")]
fn whole_millis(ms: f64) -> i64 {
    ms.round() as i64
}

fn outcome_of(diary: &Diary) -> MigrationOutcome {
    MigrationOutcome {
        attempts: diary.attempts,
        ok: diary.ended.is_some_and(|(_, ok)| ok),
        total_ms: diary.ended.map_or(f64::INFINITY, |(at, _)| millis(at - diary.began)),
    }
}

/// How long each statement that succeeded had waited for locks.
fn lock_waits(
    diaries: &[Diary],
    sessions: &[SessionId],
    log: &Log,
) -> BTreeMap<(usize, usize, usize), Nanos> {
    let mut found = BTreeMap::new();
    for (migration, (diary, session)) in diaries.iter().zip(sessions).enumerate() {
        for &(step, place, start, end) in &diary.statements {
            let within =
                log.waits.iter().filter(|wait| wait.0 == *session && wait.1 >= start && wait.2 <= end);
            let waited = within.fold(Nanos::ZERO, |sum, wait| sum + (wait.2 - wait.1));
            found.insert((migration, step, place), waited);
        }
    }
    found
}

/// What is kept of the event log.
#[derive(Default)]
struct Log {
    requests: Vec<Option<Ended>>,
    arrivals: Vec<f64>,
    /// Who waits now, and since when.
    waiting: BTreeMap<SessionId, Nanos>,
    /// Waits that are over: whose, from when, to when.
    waits: Vec<(SessionId, Nanos, Nanos)>,
    next_sample: Nanos,
    peak: u64,
}

impl Log {
    fn new(arrivals: &[Arrival]) -> Self {
        let arrivals: Vec<f64> = arrivals.iter().map(|arrival| arrival.0).collect();
        Self { requests: vec![None; arrivals.len()], arrivals, ..Self::default() }
    }

    fn note(&mut self, now: Nanos, event: &Event) {
        match event {
            Event::Request { ordinal, latency, failed, .. } => {
                let Ok(place) = usize::try_from(*ordinal) else { return };
                let Some(request) = self.requests.get_mut(place) else { return };
                // Who waited in vain for a connection was gone when the pool noticed.
                let at = match failed {
                    Some(Failed::PoolTimeout) => self.arrivals[place] + millis(*latency),
                    _ => millis(now),
                };
                *request = Some(Ended { at, failure: failed.map(name_of) });
            }
            Event::Server(event) => {
                if self.next_sample < now {
                    self.peak = self.peak.max(self.waiting.len() as u64);
                    self.next_sample = Nanos((now.0 / SAMPLING.0 + 1) * SAMPLING.0);
                }
                match event.kind {
                    EventKind::Waits => {
                        self.waiting.insert(event.session, now);
                    }
                    EventKind::Released | EventKind::Rearranged => {}
                    _ => {
                        if let Some(since) = self.waiting.remove(&event.session) {
                            self.waits.push((event.session, since, now));
                        }
                    }
                }
            }
            _ => {}
        }
    }
}

fn name_of(failed: Failed) -> String {
    match failed {
        Failed::Database(state) => state.to_string(),
        Failed::PoolTimeout => "POOL".to_owned(),
        Failed::NotServed => "404".to_owned(),
    }
}
