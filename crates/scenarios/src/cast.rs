//! The cast of a rehearsal: actors made from a scenario and a world.

mod background;

use std::collections::BTreeMap;
use std::rc::Rc;

use sim_actors::coordinator::attempt::Backoff;
use sim_actors::{
    AppInstance, AppVersion, Arrivals, Balancer, Burst, Connections, DeploymentSettings, Ejection, Event,
    HealthCheck, InstanceSettings, KeySource, LockManager, Player, RateProfile, RequestScript, Service,
    Spacing, Step, Witness, Zipf,
};
use sim_clock::{ActorId, Nanos, Scheduler, Seed, Stream};
use sql_engine::{Database, StatementId};
use transactions::{SessionId, SessionSettings};

use crate::load::Loaded;
use crate::model::{
    Arrivals as Arriving, Backoff as SpecifiedBackoff, KeySpec, Scenario, ServiceTime, SettingsSpec,
    StatementSpec, VersionSpec,
};
use crate::units::Span;
use crate::world::World;

pub(crate) use background::ScriptStep;

/// The actors so far, and what the rest of them need.
pub(crate) struct Cast<R> {
    database: Database,
    pub(crate) players: Vec<Player<R>>,
    /// The names of actors, by their place.
    pub(crate) names: Vec<String>,
    /// Whose each session is.
    pub(crate) clients: Vec<ActorId>,
    /// The instances: name and place.
    pub(crate) instances: Vec<(String, ActorId)>,
    settings: SessionSettings,
    /// How many connections the server has for clients.
    limit: u32,
    /// How many it refused before the start.
    pub(crate) refused: u32,
    /// Whether the server watches who waits for whom.
    pub(crate) watched: bool,
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
            told: (Vec::new(), Vec::new()),
            witness: None,
            scripts: BTreeMap::new(),
            texts: BTreeMap::new(),
        };
        if traffic {
            cast.add_application(loaded, world, scheduler);
            cast.add_background(scenario, scheduler);
        }
        cast
    }

    /// The place of the next actor that is added.
    pub(crate) fn next_actor(&self) -> ActorId {
        ActorId(u32::try_from(self.names.len()).unwrap_or(u32::MAX))
    }

    /// Whose each session is, by its number.
    pub(crate) fn session_names(&self, names: &[String]) -> Vec<(String, ActorId)> {
        let of = |client: &ActorId| (names.get(client.0 as usize).cloned().unwrap_or_default(), *client);
        self.clients.iter().map(of).collect()
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
        if self.watched {
            server = server.watched();
        }
        if let Some(witness) = self.witness {
            server = server.witnessed(witness);
        }
        std::iter::once(Player::Server(server)).chain(self.players).collect()
    }

    fn add(&mut self, name: String, player: Player<R>) {
        self.names.push(name);
        self.players.push(player);
    }

    fn add_application(&mut self, loaded: &Loaded, world: &World, scheduler: &mut Scheduler<Event>) {
        let scenario = &loaded.scenario;
        let spec = &scenario.application;
        let kinds: Vec<&str> = scenario.traffic.iter().map(|traffic| traffic.request.as_str()).collect();
        let keys = request_keys(scenario, &kinds);
        let versions: Rc<[AppVersion]> =
            spec.versions.iter().map(|version| self.version(version, &kinds, &keys)).collect();
        // An application whose statements the schema does not know yet has not been deployed.
        let deployed = world
            .versions
            .iter()
            .all(|at| versions[*at].statements.iter().all(|one| self.database.check(*one).is_ok()));
        let first = BALANCER.0 + 1;
        let places = (first..first + spec.instances).map(|place| (ActorId(place), deployed)).collect();
        let mut balancer = Balancer::new(arrivals(scenario, &keys), sources(scenario, world), places);
        if let Some(survey) = &loaded.trace {
            let first = u32::try_from(kinds.len()).unwrap_or(u32::MAX);
            let recording = survey.recording(scenario, &world.database, first);
            balancer = balancer.replaying(recording.requests);
            self.told = (recording.assumptions, recording.not_modelled);
        }
        if deployed {
            for (at, key) in balancer.first_arrivals() {
                scheduler.set_timer(at, BALANCER, key);
            }
        }
        self.add("balancer".to_owned(), Player::Balancer(balancer));
        let rollback = self.prepare("ROLLBACK");
        let session = with_settings(self.settings, &spec.settings);
        let health_check = spec.health_check.as_ref().map(|check| HealthCheck {
            step: Some(Step { service: Service::Modelled, ..self.plain_step(&check.statement) }),
            every: check.every.0,
            timeout: check.timeout.0,
            unhealthy_after: check.unhealthy_after,
            healthy_after: check.healthy_after,
        });
        for (number, version) in (1..).zip(&world.versions) {
            let name = format!("{}-{number}", spec.name);
            let place = self.next_actor();
            let sessions = (0..spec.pool_size).filter_map(|_| self.admit(&name, place, session)).collect();
            let unhealthy = spec.fails_health_check.get(&name).map_or(&[][..], Vec::as_slice);
            let is_unhealthy = |at: &usize| unhealthy.contains(&spec.versions[*at].name);
            let settings = InstanceSettings {
                name: name.as_str().into(),
                server: SERVER,
                balancer: BALANCER,
                versions: Rc::clone(&versions),
                pool_size: spec.pool_size,
                session,
                acquire_timeout: spec.acquire_timeout.0,
                times_out_at_handover: false,
                attempts: spec.retries.as_ref().map_or(1, |retries| retries.attempts),
                backoff: spec
                    .retries
                    .as_ref()
                    .map_or(Backoff::Fixed(Nanos::ZERO), |retries| backoff(retries.backoff)),
                health_check: health_check.clone(),
                ejection: spec
                    .ejection
                    .as_ref()
                    .map(|one| Ejection { after: one.after, length: one.lasts.0 }),
                rollback,
                deployment: DeploymentSettings {
                    drain_timeout: spec.drain_timeout.0,
                    restart_time: spec.restart_time.0,
                    never_healthy: (0..spec.versions.len()).filter(is_unhealthy).collect(),
                },
            };
            let service = Seed(scenario.seed).stream(&format!("service/{name}"));
            self.instances.push((name.clone(), place));
            let instance = AppInstance::new(settings, *version, sessions, service, true);
            if let Some((at, key)) = instance.first_check().filter(|_| deployed) {
                scheduler.set_timer(at, place, key);
            }
            self.add(name, Player::Instance(instance));
        }
    }

    fn version(
        &mut self,
        version: &VersionSpec,
        kinds: &[&str],
        keys: &BTreeMap<String, Vec<String>>,
    ) -> AppVersion {
        let mut requests = Vec::new();
        for kind in kinds {
            let spec = version.requests.iter().find(|request| request.name == *kind);
            requests.push(spec.map(|spec| {
                let of_request = keys.get(*kind).map_or(&[][..], Vec::as_slice);
                let own = spec.statements.iter().map(|one| self.step(one, of_request));
                let mut steps: Vec<Step> = own.collect();
                if spec.transaction {
                    steps.insert(0, self.plain_step("BEGIN"));
                    steps.push(self.plain_step("COMMIT"));
                }
                RequestScript { steps }
            }));
        }
        let all = requests.iter().flatten().flat_map(|script: &RequestScript| &script.steps);
        let statements = all.map(|step| step.statement).collect();
        AppVersion { name: version.name.clone(), requests, statements }
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

/// The keys that each kind of request needs, in any version.
fn request_keys(scenario: &Scenario, kinds: &[&str]) -> BTreeMap<String, Vec<String>> {
    let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let requests = scenario.application.versions.iter().flat_map(|version| &version.requests);
    for request in requests.filter(|request| kinds.contains(&request.name.as_str())) {
        let of_request = keys.entry(request.name.clone()).or_default();
        for name in request.statements.iter().flat_map(|statement| &statement.params) {
            if !of_request.contains(name) {
                of_request.push(name.clone());
            }
        }
    }
    keys
}

fn arrivals(scenario: &Scenario, keys: &BTreeMap<String, Vec<String>>) -> Vec<Arrivals> {
    let place = |name: &String| scenario.keys.keys().position(|key| key == name);
    let of = |(request, traffic): (u32, &crate::model::TrafficSpec)| {
        let (rate, spacing) = process(&traffic.arrivals);
        Arrivals {
            request,
            rate,
            spacing,
            stream: Seed(scenario.seed).stream(&format!("arrivals/{}", traffic.request)),
            keys: keys.get(&traffic.request).into_iter().flatten().filter_map(place).collect(),
        }
    };
    (0..).zip(&scenario.traffic).map(of).collect()
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
