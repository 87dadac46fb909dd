//! The cast of a rehearsal: actors made from a scenario and a world.

use std::collections::BTreeMap;
use std::rc::Rc;

use sim_actors::{
    AppInstance, AppVersion, Arrivals, Background, Balancer, DeploymentSettings, Event, InstanceSettings,
    KeySource, LockManager, Player, PoolTimeoutCheck, RequestScript, Service, Source, Step,
};
use sim_clock::{ActorId, Nanos, Scheduler, Seed};
use sql_engine::{Database, StatementId};
use transactions::{SessionId, SessionSettings};

use crate::load::Loaded;
use crate::model::{KeyChoice, Scenario, StatementSpec, Variation, VersionSpec};
use crate::world::World;

/// The actors so far, and what the rest of them need.
pub(crate) struct Cast<R> {
    database: Database,
    pub(crate) players: Vec<Player<R>>,
    /// The names of actors, by their place.
    pub(crate) names: Vec<String>,
    /// Whose each session is.
    clients: Vec<ActorId>,
    /// The instances: name and place.
    pub(crate) instances: Vec<(String, ActorId)>,
    settings: SessionSettings,
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
        let deadlock_timeout = scenario.database.deadlock_timeout.0;
        let mut cast = Self {
            database: world.database.clone(),
            players: Vec::new(),
            names: vec!["lock manager".to_owned()],
            clients: Vec::new(),
            instances: Vec::new(),
            settings: SessionSettings { deadlock_timeout, ..SessionSettings::default() },
        };
        if traffic {
            cast.add_application(scenario, world, scheduler);
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

    /// All actors, the server first. `questioner` is the session whose texts the server answers.
    pub(crate) fn take_stage(self, questioner: SessionId) -> Vec<Player<R>> {
        let server = LockManager::new(self.database, self.clients, questioner);
        std::iter::once(Player::Server(server)).chain(self.players).collect()
    }

    fn add(&mut self, name: String, player: Player<R>) {
        self.names.push(name);
        self.players.push(player);
    }

    fn add_application(&mut self, scenario: &Scenario, world: &World, scheduler: &mut Scheduler<Event>) {
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
        let places: Vec<ActorId> = (first..first + spec.instances).map(ActorId).collect();
        let mut balancer = Balancer::new(
            Source::Random(arrivals(scenario, &keys)),
            sources(scenario, world),
            places,
            deployed,
        );
        if deployed {
            for (at, key) in balancer.first_arrivals() {
                scheduler.set_timer(at, BALANCER, key);
            }
        }
        self.add("balancer".to_owned(), Player::Balancer(balancer));
        let rollback = self.prepare("ROLLBACK");
        for (number, version) in (1..).zip(&world.versions) {
            let name = format!("{}-{number}", spec.name);
            let place = self.next_actor();
            let sessions = (0..spec.pool_size).map(|_| self.connect(&name, place)).collect();
            let unhealthy = spec.fails_health_check.get(&name).map_or(&[][..], Vec::as_slice);
            let is_unhealthy = |at: &usize| unhealthy.contains(&spec.versions[*at].name);
            let settings = InstanceSettings {
                name: name.clone(),
                server: SERVER,
                balancer: BALANCER,
                versions: Rc::clone(&versions),
                acquire_timeout: spec.acquire_timeout.0,
                timeout_check: PoolTimeoutCheck::ByTimer,
                rollback,
                deployment: DeploymentSettings {
                    drain_timeout: spec.drain_timeout.0,
                    restart_time: spec.restart_time.0,
                    never_healthy: (0..spec.versions.len()).filter(is_unhealthy).collect(),
                },
            };
            let service = Seed(scenario.seed).stream(&format!("service/{name}"));
            self.instances.push((name.clone(), place));
            self.add(name, Player::Instance(AppInstance::new(settings, *version, sessions, service)));
        }
    }

    fn add_background(&mut self, scenario: &Scenario, scheduler: &mut Scheduler<Event>) {
        for spec in &scenario.background {
            let steps: Vec<Step> =
                spec.statements.iter().map(|statement| self.step(statement, &[])).collect();
            // A session whose tables are not there yet has nothing to do yet either.
            if steps.iter().any(|step| self.database.check(step.statement).is_err()) {
                continue;
            }
            let place = self.next_actor();
            let session = self.connect(&spec.name, place);
            let every = spec.every.map(|span| span.0);
            let rollback = self.plain_step("ROLLBACK");
            scheduler.set_timer(spec.start.0, place, 0);
            let player = Background::new(SERVER, session, steps, every, rollback);
            self.add(spec.name.clone(), Player::Background(player));
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
        let service = match (spec.takes, spec.varies) {
            (None, _) => Service::Modelled,
            (Some(span), Variation::Fixed) => Service::Fixed(span.0),
            (Some(span), Variation::Exponential) => Service::Exponential(span.0),
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
        self.database.prepare(sql).unwrap_or_else(|error| unreachable!("{error}: {sql}"))
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
    let of = |traffic: &crate::model::TrafficSpec| Arrivals {
        mean_gap: mean_gap(traffic.rate),
        stream: Seed(scenario.seed).stream(&format!("arrivals/{}", traffic.request)),
        keys: keys.get(&traffic.request).into_iter().flatten().filter_map(place).collect(),
    };
    scenario.traffic.iter().map(of).collect()
}

/// The mean time between arrivals; a rate of 0 means never.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
fn mean_gap(rate: f64) -> Nanos {
    Nanos((1e9 / rate) as u64)
}

fn sources(scenario: &Scenario, world: &World) -> Vec<KeySource> {
    let of = |(name, spec): (&String, &crate::model::KeySpec)| match (spec.choice, spec.last) {
        (KeyChoice::Uniform, Some(last)) => {
            let stream = Seed(scenario.seed).stream(&format!("keys/{name}"));
            KeySource::Uniform { first: spec.first, last, stream }
        }
        _ => KeySource::Sequence { next: world.sequences.get(name).copied().unwrap_or(spec.first) },
    };
    scenario.keys.iter().map(of).collect()
}

/// Remembers where the sequences go on.
pub(crate) fn keep_sequences(loaded: &Loaded, sources: Vec<KeySource>, into: &mut BTreeMap<String, i64>) {
    for (name, source) in loaded.scenario.keys.keys().zip(sources) {
        if let KeySource::Sequence { next } = source {
            into.insert(name.clone(), next);
        }
    }
}
