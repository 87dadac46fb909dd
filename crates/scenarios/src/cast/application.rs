//! The applications of a cast: their instances behind one balancer.

use std::rc::Rc;

use sim_actors::coordinator::attempt::Backoff;
use sim_actors::{
    AppInstance, AppVersion, Balancer, DeploymentSettings, Ejection, Event, HealthCheck, InstanceSettings,
    Player, RequestScript, Service, StartCheck, Step,
};
use sim_clock::{ActorId, Nanos, Scheduler, Seed};
use sql_engine::StatementId;
use transactions::SqlState;

use super::{BALANCER, Cast, RequestKind, SERVER, arrivals, backoff, request_kinds, sources, with_settings};
use crate::load::Loaded;
use crate::model::{
    ApplicationSpec, DeploymentSpec, DeploymentStrategy, HealthCheckConnection, Scenario, VersionSpec,
};
use crate::world::World;

/// An instance of an application.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    /// Its name.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) actor: ActorId,
    /// Its application, by its place: the migrated one, then the others.
    pub(crate) application: usize,
    /// The version that it runs at first, by its place in its application's list.
    pub(crate) version: usize,
    /// Whether it runs from the start on; the others are there for a blue-green deployment.
    pub(crate) running: bool,
}

/// What the instances of one application have in common.
struct Shared<'s> {
    scenario: &'s Scenario,
    application: usize,
    spec: &'s ApplicationSpec,
    versions: Rc<[AppVersion]>,
    rollback: StatementId,
    /// Whether it has been deployed: its statements fit the schema.
    deployed: bool,
    /// What it takes to be healthy at the start.
    start_check: StartCheck,
}

impl<R> Cast<R> {
    pub(super) fn add_applications(
        &mut self,
        loaded: &Loaded,
        world: &World,
        scheduler: &mut Scheduler<Event>,
    ) {
        let scenario = &loaded.scenario;
        let kinds = request_kinds(scenario);
        let rollback = self.prepare("ROLLBACK");
        let mut applications = Vec::new();
        for (application, spec) in scenario.all_applications().enumerate() {
            let versions: Rc<[AppVersion]> =
                spec.versions.iter().map(|version| self.version(version, application, &kinds)).collect();
            // An application whose statements the schema does not know yet has not been deployed.
            let statements = world
                .versions_of(scenario, application)
                .into_iter()
                .flat_map(|at| versions[at].statements.to_vec());
            let mut fits = statements.map(|one| self.database.check(one).is_ok());
            let deployed = fits.all(|one| one);
            let start_check = spec.start_check.map_or(self.start_check, Into::into);
            applications.push(Shared {
                scenario,
                application,
                spec,
                versions,
                rollback,
                deployed,
                start_check,
            });
        }
        let mut first = BALANCER.0 + 1;
        let mut fleets = Vec::new();
        for application in &applications {
            let running = first + application.spec.instances;
            let end = running + standing_by(scenario, application.spec);
            let takes_requests = |place| application.deployed && place < running;
            fleets
                .push((first..end).map(|place| (ActorId(place), takes_requests(place))).collect::<Vec<_>>());
            first = end;
        }
        let mut served_by: Vec<usize> = kinds.iter().map(|kind| kind.application).collect();
        let migrated = fleets.remove(0);
        let mut balancer = Balancer::new(arrivals(scenario, &kinds), sources(scenario, world), migrated);
        if let Some(survey) = &loaded.trace {
            let first = u32::try_from(kinds.len()).unwrap_or(u32::MAX);
            let recording = survey.recording(scenario, &world.database, first);
            balancer = balancer.replaying(recording.requests);
            self.told = (recording.assumptions, recording.not_modelled);
            let named = |name: &str| scenario.all_applications().position(|one| one.name == name);
            let serves = survey.application().and_then(named).unwrap_or(0);
            served_by.extend(std::iter::repeat_n(serves, survey.classes.len()));
        }
        balancer = balancer.with_applications(fleets, served_by);
        if applications.iter().any(|one| one.deployed) {
            for (at, key) in balancer.first_arrivals() {
                scheduler.set_timer(at, BALANCER, key);
            }
        }
        self.add("balancer".to_owned(), Player::Balancer(balancer));
        for application in &applications {
            let running = world.versions_of(scenario, application.application);
            let spares = standing_by(scenario, application.spec) as usize;
            let first = running.first().copied().unwrap_or(0);
            let running = running.into_iter().map(|version| (version, true));
            let all = running.chain(std::iter::repeat_n((first, false), spares));
            for (number, (version, runs)) in (1..).zip(all) {
                self.add_instance(application, (number, runs), version, scheduler);
            }
        }
    }

    fn add_instance(
        &mut self,
        of: &Shared<'_>,
        (number, running): (u32, bool),
        version: usize,
        scheduler: &mut Scheduler<Event>,
    ) {
        let (spec, place) = (of.spec, self.next_actor());
        let name = format!("{}-{number}", spec.name);
        let settings = self.instance_settings(of, &name);
        let own = settings.health_check.as_ref().is_some_and(|check| check.own_connection);
        let connections = if running { spec.pool_size + u32::from(own) } else { 0 };
        let sessions = (0..connections).filter_map(|_| self.admit(&name, place, settings.session)).collect();
        let service = Seed(of.scenario.seed).stream(&format!("service/{name}"));
        let application = of.application;
        self.instances.push(Instance { name: name.clone(), actor: place, application, version, running });
        let mut instance = AppInstance::new(settings, version, sessions, service, true);
        if !running {
            instance = instance.stopped();
        }
        if let Some((at, key)) = instance.first_check().filter(|_| of.deployed) {
            scheduler.set_timer(at, place, key);
        }
        self.add(name, Player::Instance(instance));
    }

    fn instance_settings(&mut self, of: &Shared<'_>, name: &str) -> InstanceSettings {
        let spec = of.spec;
        let health_check = spec.health_check.as_ref().map(|check| HealthCheck {
            step: Some(Step { service: Service::Modelled, ..self.plain_step(&check.statement) }),
            own_connection: check.connection == HealthCheckConnection::Own,
            every: check.every.0,
            timeout: check.timeout.0,
            unhealthy_after: check.unhealthy_after,
            healthy_after: check.healthy_after,
        });
        let unhealthy = spec.fails_health_check.get(name).map_or(&[][..], Vec::as_slice);
        let bad = |name: &String| {
            deployments_of(of.scenario, spec).any(|one| one.fails_health_check && one.to == *name)
        };
        let is_unhealthy = |at: &usize| {
            let name = &spec.versions[*at].name;
            unhealthy.contains(name) || bad(name)
        };
        InstanceSettings {
            name: name.into(),
            server: SERVER,
            balancer: BALANCER,
            versions: Rc::clone(&of.versions),
            pool_size: spec.pool_size,
            session: with_settings(self.settings, &spec.settings),
            acquire_timeout: spec.acquire_timeout.0,
            times_out_at_handover: false,
            attempts: spec.retries.as_ref().map_or(1, |retries| retries.attempts),
            retries_on: spec
                .retries
                .as_ref()
                .and_then(|retries| retries.on.as_ref())
                .map(|states| states.iter().map(|state| SqlState::new(state)).collect()),
            backoff: spec
                .retries
                .as_ref()
                .map_or(Backoff::Fixed(Nanos::ZERO), |retries| backoff(retries.backoff)),
            health_check,
            ejection: spec.ejection.as_ref().map(|one| Ejection { after: one.after, length: one.lasts.0 }),
            rollback: of.rollback,
            deployment: DeploymentSettings {
                drain_timeout: spec.drain_timeout.0,
                restart_time: spec.restart_time.0,
                of_version: of_version(of.scenario, spec),
                never_healthy: (0..spec.versions.len()).filter(is_unhealthy).collect(),
                start_check: of.start_check,
            },
        }
    }

    /// A version's statements, prepared. It knows the requests of its own application.
    fn version(&mut self, version: &VersionSpec, application: usize, kinds: &[RequestKind]) -> AppVersion {
        let mut requests = Vec::new();
        for kind in kinds {
            let own = kind.application == application;
            let spec = version.requests.iter().find(|request| own && request.name == kind.request);
            requests.push(spec.map(|spec| {
                let mut steps: Vec<Step> =
                    spec.statements.iter().map(|one| self.step(one, &kind.keys)).collect();
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
}

fn deployments_of<'s>(
    scenario: &'s Scenario,
    application: &'s ApplicationSpec,
) -> impl Iterator<Item = &'s DeploymentSpec> {
    let named = |one: &&DeploymentSpec| {
        one.application.as_ref().unwrap_or(&scenario.application.name) == &application.name
    };
    scenario.deployments.iter().filter(named)
}

/// How many instances wait to be started beside those that run.
fn standing_by(scenario: &Scenario, application: &ApplicationSpec) -> u32 {
    let blue_green = |one: &DeploymentSpec| matches!(one.strategy, DeploymentStrategy::BlueGreen {});
    if deployments_of(scenario, application).any(blue_green) { application.instances } else { 0 }
}

/// The versions whose deployments drain or start in a time of their own.
fn of_version(
    scenario: &Scenario,
    application: &ApplicationSpec,
) -> Vec<(usize, Option<Nanos>, Option<Nanos>)> {
    let of = |one: &DeploymentSpec| {
        let at = application.versions.iter().position(|version| version.name == one.to)?;
        let nanos = |span: Option<crate::units::Span>| span.map(|span| span.0);
        Some((at, nanos(one.drain_timeout), nanos(one.restart_time)))
    };
    deployments_of(scenario, application).filter_map(of).collect()
}
