//! How an instance moves to another version: drained, restarted, health-checked.
//!
//! ```text
//!   Serving ─Deploy─► Draining ─► Starting ─► (Held ─Admit─►) Checking ─► Serving
//!      │                                         └──── failed ────┴─► GoingBack ─► Serving, as before
//!      └─Stop─► Draining ─► Stopped ─Deploy─► Starting ─► … and back to Stopped if that fails
//! ```
//!
//! What it takes to be healthy at the start is a setting ([`StartCheck`]). An instance that does not pass goes back to
//! what it did before.

use std::rc::Rc;

use sim_clock::{ActorId, Context, Nanos};
use transactions::{SessionId, SqlState};

use super::{AppInstance, DEPLOY};
use crate::coordinator::database::Vitals;
use crate::event::{DeploymentPhase, Event};
use crate::message::Message;

/// How deployments of an instance go.
#[derive(Clone, Debug, Default)]
pub struct DeploymentSettings {
    /// How long requests in flight may take before they are cancelled.
    pub drain_timeout: Nanos,
    /// How long a start takes.
    pub restart_time: Nanos,
    /// Versions that drain or start in another time: which, the drain timeout, the time that a start takes.
    pub of_version: Vec<(usize, Option<Nanos>, Option<Nanos>)>,
    /// Versions that never become healthy here, by their place in the list.
    pub never_healthy: Vec<usize>,
    /// What it takes to be healthy at the start.
    pub start_check: StartCheck,
}

impl DeploymentSettings {
    fn drain_timeout(&self, version: usize) -> Nanos {
        let own = self.of_version.iter().find(|one| one.0 == version).and_then(|one| one.1);
        own.unwrap_or(self.drain_timeout)
    }

    fn restart_time(&self, version: usize) -> Nanos {
        let own = self.of_version.iter().find(|one| one.0 == version).and_then(|one| one.2);
        own.unwrap_or(self.restart_time)
    }
}

/// What it takes to be healthy at the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartCheck {
    /// Every statement of the version can be planned against the schema as it is: what an application does that
    /// prepares its statements, or validates its model, when it starts.
    #[default]
    Statements,
    /// The health check passes, if there is one: what its version needs of the schema shows in its requests only.
    HealthCheck,
}

#[derive(Debug, Default)]
pub(super) struct Deployment {
    phase: Phase,
    /// Counts deployments, so that an old one's timers are known as such.
    generation: u64,
    /// Whether it had been stopped before the present one.
    was_stopped: bool,
    /// Why it goes back.
    reason: Box<str>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Serving,
    Draining(Order),
    Starting(Order),
    /// Started; what comes before its health check is under way.
    Held(Order),
    Checking(Order),
    /// The restart on the old version, after the new one proved unhealthy.
    GoingBack(Order),
    Stopped,
}

/// Who asked for which version; for none, to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Order {
    by: ActorId,
    version: Option<usize>,
    /// Whether it waits once it has started.
    hold: bool,
}

/// After the drain timeout statements are cancelled, and again after that: a request may have been between two of them.
const CANCEL_AGAIN: Nanos = Nanos::from_secs(1);

impl AppInstance {
    /// An instance that does not run yet: a deployment starts it, and [`Message::Serve`] puts it into rotation.
    #[must_use]
    pub fn stopped(mut self) -> Self {
        self.deployment.phase = Phase::Stopped;
        self.in_rotation = false;
        self
    }

    pub(super) fn deploy(
        &mut self,
        orderer: ActorId,
        version: Option<usize>,
        hold: bool,
        cx: &mut Context<'_, Message, Event>,
    ) {
        let order = Order { by: orderer, version, hold };
        self.deployment.generation += 1;
        self.deployment.was_stopped = self.deployment.phase == Phase::Stopped;
        if self.deployment.was_stopped {
            return self.leave(order, cx);
        }
        self.enter(Phase::Draining(order), cx);
        self.rotate(cx);
        let timeout = cx.now() + self.settings.deployment.drain_timeout(version.unwrap_or(self.version));
        cx.set_timer(timeout, DEPLOY | self.deployment.generation << 8);
        self.drained(cx);
    }

    /// Goes on with a deployment once nothing is in flight.
    pub(super) fn drained(&mut self, cx: &mut Context<'_, Message, Event>) {
        let Phase::Draining(order) = self.deployment.phase else { return };
        if self.pool.is_quiet() && self.retrying.is_empty() {
            self.leave(order, cx);
        }
    }

    /// The process ends, or another one takes its place.
    fn leave(&mut self, order: Order, cx: &mut Context<'_, Message, Event>) {
        match order.version {
            Some(version) => {
                self.enter(Phase::Starting(order), cx);
                self.restart(version, cx);
            }
            None => {
                self.close(cx);
                self.enter(Phase::Stopped, cx);
                cx.send(order.by, Message::Deployed(Ok(())));
            }
        }
    }

    /// Whether it is not being deployed.
    pub(super) fn is_serving(&self) -> bool {
        self.deployment.phase == Phase::Serving
    }

    /// Whether its health check decides if it may serve.
    pub(super) fn is_starting_up(&self) -> bool {
        matches!(self.deployment.phase, Phase::Checking(_))
            && self.settings.deployment.start_check == StartCheck::HealthCheck
    }

    fn close(&mut self, cx: &mut Context<'_, Message, Event>) {
        let mut sessions = self.pool.close();
        sessions.extend(self.check_session.take());
        if !sessions.is_empty() {
            cx.send(self.settings.server, Message::Disconnect { sessions });
        }
    }

    /// The process ends and its connections with it; a new one starts.
    fn restart(&mut self, version: usize, cx: &mut Context<'_, Message, Event>) {
        self.close(cx);
        self.health.begin_anew();
        let started = cx.now() + self.settings.deployment.restart_time(version);
        cx.set_timer(started, DEPLOY | self.deployment.generation << 8 | 1);
    }

    pub(super) fn deployment_timer(&mut self, whom: u64, cx: &mut Context<'_, Message, Event>) {
        if whom >> 8 != self.deployment.generation {
            return;
        }
        match (whom & 0xff, self.deployment.phase) {
            (0, Phase::Draining(_)) => {
                for session in self.pool.busy() {
                    cx.send(self.settings.server, Message::Cancel { session });
                }
                cx.set_timer(cx.now() + CANCEL_AGAIN, DEPLOY | self.deployment.generation << 8);
            }
            (1, Phase::Starting(order)) if order.hold => {
                self.enter(Phase::Held(order), cx);
                cx.send(order.by, Message::Deployed(Ok(())));
            }
            (1, Phase::Starting(order)) => self.check(order, cx),
            (1, Phase::GoingBack(order)) => {
                self.connect(cx);
                let reason = std::mem::take(&mut self.deployment.reason);
                self.serve(order.by, Err(reason), cx);
            }
            _ => {}
        }
    }

    /// What came before its health check has ended.
    pub(super) fn admit_to_check(
        &mut self,
        orderer: ActorId,
        start: Result<(), Box<str>>,
        cx: &mut Context<'_, Message, Event>,
    ) {
        let Phase::Held(order) = self.deployment.phase else { return };
        let order = Order { by: orderer, ..order };
        match start {
            Ok(()) => self.check(order, cx),
            Err(reason) => self.go_back(order, reason, cx),
        }
    }

    /// Connects and finds out whether the new version is healthy.
    fn check(&mut self, order: Order, cx: &mut Context<'_, Message, Event>) {
        self.connect(cx);
        self.deployment.phase = Phase::Checking(order);
        let statements = match (self.settings.deployment.start_check, order.version) {
            (StartCheck::Statements, Some(version)) => Rc::clone(&self.settings.versions[version].statements),
            // Asked all the same, so that the answer comes after the connections.
            _ => Rc::from([]),
        };
        cx.send(self.settings.server, Message::Probe { statements });
    }

    fn connect(&self, cx: &mut Context<'_, Message, Event>) {
        let (application_name, settings) = (Rc::clone(&self.settings.name), Box::new(self.settings.session));
        let own = self.settings.health_check.as_ref().is_some_and(|check| check.own_connection);
        let (count, instead_of) = (self.settings.pool_size + u32::from(own), None);
        let message = Message::Connect { application_name, settings, count, instead_of };
        cx.send(self.settings.server, message);
    }

    /// The server has opened connections: fewer than asked for when it has no more to give.
    pub(super) fn connected(
        &mut self,
        sessions: Vec<SessionId>,
        instead_of: Option<SessionId>,
        cx: &mut Context<'_, Message, Event>,
    ) {
        if instead_of.is_some() && instead_of == self.check_session {
            self.check_session = sessions.first().copied().or(instead_of);
            return;
        }
        let place = instead_of.and_then(|old| self.pool.connection_of(old));
        match (place, sessions.first()) {
            (Some(connection), Some(session)) => {
                self.pool.replace(connection, *session);
                self.free(connection, cx);
            }
            (Some(connection), None) => {
                // Refused: the place stays, with the closed session; its next use fails and asks again.
                self.free(connection, cx);
            }
            (None, _) => self.open(sessions),
        }
    }

    pub(super) fn probed(&mut self, failure: Option<SqlState>, cx: &mut Context<'_, Message, Event>) {
        let Phase::Checking(order) = self.deployment.phase else { return };
        if self.pool.is_empty() {
            return self.found_unhealthy(order, "no connection to be had: SQLSTATE 53300", cx);
        }
        if let Some(state) = failure {
            return self.found_unhealthy(order, &format!("SQLSTATE {state}"), cx);
        }
        if self.settings.deployment.start_check == StartCheck::HealthCheck
            && self.settings.health_check.is_some()
        {
            return self.check_now(cx);
        }
        if self.never_healthy(order) {
            return self.found_unhealthy(order, "", cx);
        }
        self.arrive(order, cx);
    }

    /// The health check of an instance that starts has been passed, or failed so often in a row.
    pub(super) fn start_checked(
        &mut self,
        passed: bool,
        failures: u32,
        cx: &mut Context<'_, Message, Event>,
    ) {
        let Phase::Checking(order) = self.deployment.phase else { return };
        let most = self.settings.health_check.as_ref().map_or(1, |check| check.unhealthy_after);
        if passed {
            self.arrive(order, cx);
        } else if failures >= most {
            self.found_unhealthy(order, &format!("{failures} times in a row"), cx);
        }
    }

    /// Whether the version under deployment never passes a health check here.
    pub(super) fn starts_in_vain(&self) -> bool {
        matches!(self.deployment.phase, Phase::Checking(order) if self.never_healthy(order))
    }

    fn never_healthy(&self, order: Order) -> bool {
        order.version.is_some_and(|version| self.settings.deployment.never_healthy.contains(&version))
    }

    fn found_unhealthy(&mut self, order: Order, detail: &str, cx: &mut Context<'_, Message, Event>) {
        let name = order.version.and_then(|version| self.settings.versions.get(version));
        let name = name.map_or("", |version| version.name.as_str());
        let detail = if detail.is_empty() { String::new() } else { format!(": {detail}") };
        self.go_back(order, format!("health check of {name} failed{detail}").into(), cx);
    }

    fn go_back(&mut self, order: Order, reason: Box<str>, cx: &mut Context<'_, Message, Event>) {
        self.enter(Phase::GoingBack(order), cx);
        if self.deployment.was_stopped {
            self.close(cx);
            self.enter(Phase::Stopped, cx);
            return cx.send(order.by, Message::Deployed(Err(reason)));
        }
        self.deployment.reason = reason;
        self.restart(self.version, cx);
    }

    /// The new version serves.
    fn arrive(&mut self, order: Order, cx: &mut Context<'_, Message, Event>) {
        self.version = order.version.unwrap_or(self.version);
        self.tally = (0, 0);
        self.serve(order.by, Ok(()), cx);
    }

    fn serve(
        &mut self,
        orderer: ActorId,
        outcome: Result<(), Box<str>>,
        cx: &mut Context<'_, Message, Event>,
    ) {
        self.enter(Phase::Serving, cx);
        self.rotate(cx);
        cx.send(orderer, Message::Deployed(outcome));
    }

    /// How it does since it started.
    pub(super) fn vitals(&self) -> Vitals {
        let healthy = self.is_serving() && self.health.takes_requests();
        Vitals { healthy, served: self.tally.0, failed: self.tally.1 }
    }

    fn enter(&mut self, phase: Phase, cx: &mut Context<'_, Message, Event>) {
        let of = |order: Order| order.version.unwrap_or(self.version);
        let (version, shown) = match phase {
            Phase::Serving => (self.version, DeploymentPhase::Healthy),
            Phase::Draining(order) => (of(order), DeploymentPhase::Draining),
            Phase::Starting(order) | Phase::Checking(order) => (of(order), DeploymentPhase::Starting),
            Phase::Held(order) => (of(order), DeploymentPhase::Held),
            Phase::GoingBack(order) => (of(order), DeploymentPhase::Unhealthy),
            Phase::Stopped => (self.version, DeploymentPhase::Stopped),
        };
        self.deployment.phase = phase;
        let version = u32::try_from(version).unwrap_or(u32::MAX);
        cx.log(Event::Deployment { version, phase: shown });
    }
}
