//! How an instance moves to another version: drained, restarted, health-checked.
//!
//! The health check is what applications do when they start: prepare every statement of the version
//! against the schema as it is. An instance that does not pass goes back to the version that it ran.

use std::rc::Rc;

use sim_clock::{ActorId, Context, Nanos};
use transactions::{SessionId, SqlState};

use super::{AppInstance, DEPLOY};
use crate::event::{DeploymentPhase, Event};
use crate::message::Message;

/// How deployments of an instance go.
#[derive(Clone, Debug, Default)]
pub struct DeploymentSettings {
    /// How long requests in flight may take before they are cancelled.
    pub drain_timeout: Nanos,
    /// How long a start takes.
    pub restart_time: Nanos,
    /// Versions that never become healthy here, by their place in the list.
    pub never_healthy: Vec<usize>,
}

#[derive(Debug, Default)]
pub(super) struct Deployment {
    phase: Phase,
    /// Counts deployments, so that an old one's timers are known as such.
    generation: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Serving,
    Draining(Order),
    Starting(Order),
    Checking(Order),
    /// The restart on the old version, after the new one proved unhealthy.
    GoingBack(Order, Option<SqlState>),
}

/// Who asked for which version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Order {
    by: ActorId,
    version: usize,
}

impl AppInstance {
    pub(super) fn deploy(&mut self, by: ActorId, version: usize, cx: &mut Context<'_, Message, Event>) {
        self.deployment.generation += 1;
        self.enter(Phase::Draining(Order { by, version }), cx);
        self.rotate(cx);
        let timeout = cx.now() + self.settings.deployment.drain_timeout;
        cx.set_timer(timeout, DEPLOY | self.deployment.generation << 8);
        self.drained(cx);
    }

    /// Goes on with a deployment once nothing is in flight.
    pub(super) fn drained(&mut self, cx: &mut Context<'_, Message, Event>) {
        let Phase::Draining(order) = self.deployment.phase else { return };
        if self.pool.is_quiet() && self.retrying.is_empty() {
            self.enter(Phase::Starting(order), cx);
            self.restart(cx);
        }
    }

    /// Whether it is not being deployed.
    pub(super) fn is_serving(&self) -> bool {
        self.deployment.phase == Phase::Serving
    }

    /// The process ends and its connections with it; a new one starts.
    fn restart(&mut self, cx: &mut Context<'_, Message, Event>) {
        let sessions = self.pool.close();
        if !sessions.is_empty() {
            cx.send(self.settings.server, Message::Disconnect { sessions });
        }
        let started = cx.now() + self.settings.deployment.restart_time;
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
            }
            (1, Phase::Starting(order)) => {
                self.connect(cx);
                self.deployment.phase = Phase::Checking(order);
                let statements = self.settings.versions[order.version].statements.clone();
                cx.send(self.settings.server, Message::Probe { statements });
            }
            (1, Phase::GoingBack(order, failure)) => {
                self.connect(cx);
                let version = &self.settings.versions[order.version].name;
                let reason = match failure {
                    Some(state) => format!("health check of {version} failed: SQLSTATE {state}"),
                    None => format!("health check of {version} failed"),
                };
                self.serve(order.by, Err(reason.into()), cx);
            }
            _ => {}
        }
    }

    fn connect(&self, cx: &mut Context<'_, Message, Event>) {
        let (application_name, settings) = (Rc::clone(&self.settings.name), Box::new(self.settings.session));
        let (count, instead_of) = (self.settings.pool_size, None);
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
            (None, _) => self.pool.open(sessions),
        }
    }

    pub(super) fn probed(&mut self, failure: Option<SqlState>, cx: &mut Context<'_, Message, Event>) {
        let Phase::Checking(order) = self.deployment.phase else { return };
        let never = self.settings.deployment.never_healthy.contains(&order.version);
        if failure.is_some() || never {
            self.enter(Phase::GoingBack(order, failure), cx);
            return self.restart(cx);
        }
        self.version = order.version;
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

    fn enter(&mut self, phase: Phase, cx: &mut Context<'_, Message, Event>) {
        let (version, shown) = match phase {
            Phase::Serving => (self.version, DeploymentPhase::Healthy),
            Phase::Draining(order) => (order.version, DeploymentPhase::Draining),
            Phase::Starting(order) | Phase::Checking(order) => (order.version, DeploymentPhase::Starting),
            Phase::GoingBack(order, _) => (order.version, DeploymentPhase::Unhealthy),
        };
        self.deployment.phase = phase;
        let version = u32::try_from(version).unwrap_or(u32::MAX);
        cx.log(Event::Deployment { version, phase: shown });
    }
}
