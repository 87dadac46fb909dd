//! The cast of a rehearsal: actors made from a scenario and a world.

mod application;
mod background;
mod kinds;

use std::collections::BTreeMap;

use sim_actors::coordinator::attempt::Backoff;
use sim_actors::{
    Arrivals, Burst, Connections, Event, KeySource, LockManager, Player, RateProfile, Service, Spacing,
    StartCheck, Step, Witness, Zipf,
};
use sim_clock::{ActorId, Nanos, Scheduler, Seed, Stream};
use sql_engine::{Database, StatementId};
use transactions::{SessionId, SessionSettings};

use crate::load::Loaded;
use crate::model::{
    Arrivals as Arriving, Backoff as SpecifiedBackoff, KeySpec, Scenario, ServiceTime, SettingsSpec,
    StatementSpec,
};
use crate::units::Span;
use crate::world::World;

pub(crate) use application::Instance;
pub(crate) use background::ScriptStep;
pub(crate) use kinds::{RequestKind, request_kinds};

/// The actors so far, and what the rest of them need.
pub(crate) struct Cast<R> {
    database: Database,
    pub(crate) players: Vec<Player<R>>,
    /// The names of actors, by their place.
    pub(crate) names: Vec<String>,
    /// Whose each session is.
    pub(crate) clients: Vec<ActorId>,
    /// The instances of all applications, those of the migrated one first.
    pub(crate) instances: Vec<Instance>,
    pub(crate) settings: SessionSettings,
    /// How many connections the server has for clients.
    limit: u32,
    /// How many it refused before the start.
    pub(crate) refused: u32,
    /// Whether the server watches who waits for whom.
    pub(crate) watched: bool,
    /// Whether nobody will look at transitions that are of no wait.
    pub(crate) is_terse: bool,
    /// What it takes to be healthy at the start, where the scenario does not say.
    start_check: StartCheck,
    /// What has to be said about the recording: what it rests on, what is left out.
    pub(crate) told: (Vec<reports::Assumption>, Vec<String>),
    /// Who is told of every statement and wait.
    pub(crate) witness: Option<Witness>,
    /// What each background session sends.
    pub(crate) scripts: BTreeMap<ActorId, Vec<ScriptStep>>,
    /// The text of each prepared statement.
    pub(crate) texts: BTreeMap<StatementId, String>,
}

/// The lock manager comes first: all others send to it.
pub(crate) const SERVER: ActorId = ActorId(0);
const BALANCER: ActorId = ActorId(1);

impl<R> Cast<R> {
    /// Everybody but the coordinator. Without `traffic` the server stands alone.
    pub(crate) fn gather(
        loaded: &Loaded,
        world: &World,
        traffic: bool,
        start_check: StartCheck,
        scheduler: &mut Scheduler<Event>,
    ) -> Self {
        let scenario = &loaded.scenario;
        let mut cast = Self {
            database: world.database.clone(),
            players: Vec::new(),
            names: vec!["lock manager".to_owned()],
            clients: Vec::new(),
            instances: Vec::new(),
            settings: with_settings(SessionSettings::default(), &scenario.database.settings()),
            limit: scenario
                .database
                .max_connections
                .saturating_sub(scenario.database.superuser_reserved_connections),
            refused: 0,
            watched: false,
            is_terse: false,
            start_check,
            told: (Vec::new(), Vec::new()),
            witness: None,
            scripts: BTreeMap::new(),
            texts: BTreeMap::new(),
        };
        if traffic {
            cast.add_applications(loaded, world, scheduler);
            cast.add_background(scenario, scheduler);
        }
        cast
    }

    /// The place of the next actor that is added.
    pub(crate) fn next_actor(&self) -> ActorId {
        ActorId(u32::try_from(self.names.len()).unwrap_or(u32::MAX))
    }

    /// A session of the next actor.
    pub(crate) fn connect(&mut self, application_name: &str, client: ActorId) -> SessionId {
        let session = self.database.connect(Nanos::ZERO, application_name, self.settings);
        self.clients.push(client);
        session
    }

    /// A session of an instance, unless the server has no more to give.
    fn admit(&mut self, name: &str, client: ActorId, settings: SessionSettings) -> Option<SessionId> {
        if self.clients.len() >= self.limit as usize {
            self.refused += 1;
            return None;
        }
        self.clients.push(client);
        Some(self.database.connect(Nanos::ZERO, name, settings))
    }

    /// All actors, the server first. `questioner` is the session whose texts the server answers.
    pub(crate) fn take_stage(self, questioner: SessionId) -> Vec<Player<R>> {
        let open = u32::try_from(self.clients.len()).unwrap_or(u32::MAX);
        let connections = Connections { limit: self.limit, open };
        let mut server = LockManager::new(self.database, self.clients, &[questioner], connections);
        if self.is_terse {
            server = server.terse();
        }
        if self.watched {
            server = server.watched();
        }
        if let Some(witness) = self.witness {
            server = server.witnessed(witness);
        }
        std::iter::once(Player::Server(Box::new(server))).chain(self.players).collect()
    }

    fn add(&mut self, name: String, player: Player<R>) {
        self.names.push(name);
        self.players.push(player);
    }

    fn step(&mut self, spec: &StatementSpec, keys: &[String]) -> Step {
        let service = match spec.service_time() {
            ServiceTime::Modelled => Service::Modelled,
            ServiceTime::Fixed(span) => Service::Fixed(span.0),
            ServiceTime::Lognormal { p50, p99 } => Service::lognormal(p50.0, p99.0),
            ServiceTime::Exponential(span) => Service::Exponential(span.0),
        };
        let place = |name: &String| keys.iter().position(|key| key == name);
        Step {
            statement: self.prepare(&spec.sql),
            params: spec.params.iter().filter_map(place).collect(),
            service,
            think: spec.think.0,
        }
    }

    fn plain_step(&mut self, sql: &str) -> Step {
        let (service, think) = (Service::Fixed(Nanos::ZERO), Nanos::ZERO);
        Step { statement: self.prepare(sql), params: Vec::new(), service, think }
    }

    fn prepare(&mut self, sql: &str) -> StatementId {
        // The text was parsed when the scenario was checked.
        let id = self.database.prepare(sql).unwrap_or_else(|error| unreachable!("{error}: {sql}"));
        self.texts.insert(id, sql.split_whitespace().collect::<Vec<_>>().join(" "));
        id
    }
}

fn arrivals(scenario: &Scenario, kinds: &[RequestKind]) -> Vec<Arrivals> {
    let place = |name: &String| scenario.keys.keys().position(|key| key == name);
    let of = |(at, traffic): (usize, &crate::model::TrafficSpec)| {
        let kind = kinds.iter().position(|kind| kind.is_meant_by(scenario, traffic))?;
        let (rate, spacing) = process(&traffic.arrivals);
        Some(Arrivals {
            request: u32::try_from(kind).unwrap_or(u32::MAX),
            rate,
            spacing,
            stream: Seed(scenario.seed).stream(&format!("arrivals/{}", stream_name(scenario, at))),
            keys: kinds[kind].keys.iter().filter_map(place).collect(),
        })
    };
    scenario.traffic.iter().enumerate().filter_map(of).collect()
}

/// What the stream of a traffic entry is called: its request; with the application's name if it is not the one that is
/// migrated, and a number if the request has entries before it.
fn stream_name(scenario: &Scenario, at: usize) -> String {
    let entry = &scenario.traffic[at];
    let alike = |one: &&crate::model::TrafficSpec| {
        (&one.request, &one.application) == (&entry.request, &entry.application)
    };
    let earlier = scenario.traffic[..at].iter().filter(alike).count();
    let mut name = entry.request.clone();
    if let Some(application) = entry.application.as_ref().filter(|one| **one != scenario.application.name) {
        name = format!("{application}/{name}");
    }
    if earlier > 0 { format!("{name}/{}", earlier + 1) } else { name }
}

const DAY: Nanos = Nanos::from_secs(86_400);

fn process(arrivals: &Arriving) -> (RateProfile, Spacing) {
    match arrivals {
        Arriving::Poisson { rate } => (RateProfile::flat(*rate), Spacing::Poisson),
        Arriving::Constant { rate } => (RateProfile::flat(*rate), Spacing::Constant),
        Arriving::Burst { at, lasts, rate } => {
            let burst = Burst { at: at.0, length: lasts.0, rate: *rate };
            (RateProfile { bursts: vec![burst], ..RateProfile::default() }, Spacing::Poisson)
        }
        Arriving::Daily { points, starts_at } => {
            let since_start = |at: Nanos| Nanos((at.0 + DAY.0 - starts_at.0.0 % DAY.0) % DAY.0);
            let mut curve: Vec<(Nanos, f64)> =
                points.iter().map(|point| (since_start(point.0.0), point.1)).collect();
            curve.sort_by_key(|point| point.0);
            (RateProfile { curve, period: DAY, ..RateProfile::default() }, Spacing::Poisson)
        }
    }
}

fn sources(scenario: &Scenario, world: &World) -> Vec<KeySource> {
    let of = |(name, spec): (&String, &KeySpec)| match *spec {
        KeySpec::Uniform { first, last } => {
            KeySource::Uniform { first, last, stream: key_stream(scenario, name) }
        }
        KeySpec::Zipf { first, last, exponent } => {
            let law = Zipf::new(last.abs_diff(first).saturating_add(1), exponent);
            KeySource::Zipf { first, law, stream: key_stream(scenario, name) }
        }
        KeySpec::Sequence { first } => {
            KeySource::Sequence { next: world.sequences.get(name).copied().unwrap_or(first) }
        }
    };
    scenario.keys.iter().map(of).collect()
}

fn key_stream(scenario: &Scenario, name: &str) -> Stream {
    Seed(scenario.seed).stream(&format!("keys/{name}"))
}

/// Settings with those that a specification gives.
pub(crate) fn with_settings(base: SessionSettings, spec: &SettingsSpec) -> SessionSettings {
    let or = |value: Nanos, given: Option<Span>| given.map_or(value, |span| span.0);
    SessionSettings {
        lock_timeout: or(base.lock_timeout, spec.lock_timeout),
        statement_timeout: or(base.statement_timeout, spec.statement_timeout),
        idle_in_transaction_session_timeout: or(
            base.idle_in_transaction_session_timeout,
            spec.idle_in_transaction_session_timeout,
        ),
        transaction_timeout: or(base.transaction_timeout, spec.transaction_timeout),
        deadlock_timeout: or(base.deadlock_timeout, spec.deadlock_timeout),
        ..base
    }
}

/// A backoff as the coordinator and the instances take it.
#[allow(clippy::cast_precision_loss, reason = "shares are in millionths")]
fn backoff(spec: SpecifiedBackoff) -> Backoff {
    match spec {
        SpecifiedBackoff::Fixed(span) => Backoff::Fixed(span.0),
        SpecifiedBackoff::Exponential { base, factor, cap, jitter } => Backoff::Exponential {
            base: base.0,
            factor,
            cap: cap.map_or(Nanos(u64::MAX), |cap| cap.0),
            jitter: 1.0 - jitter.from.0 as f64 / jitter.to.0.max(1) as f64,
        },
    }
}

/// Remembers where the sequences go on.
pub(crate) fn keep_sequences(loaded: &Loaded, sources: Vec<KeySource>, into: &mut BTreeMap<String, i64>) {
    for (name, source) in loaded.scenario.keys.keys().zip(sources) {
        if let KeySource::Sequence { next } = source {
            into.insert(name.clone(), next);
        }
    }
}
