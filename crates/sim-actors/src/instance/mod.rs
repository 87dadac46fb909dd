//! An application instance: a pool of connections, the requests on them, its health and deployments.
//!
//! ```text
//!   Arrive ─► [pool queue] ─► connection ─► Execute … Completed ─► next statement ─► … ─► idle
//!                                 Deploy ─► draining ─► starting ─► health check ─► in rotation
//! ```
//!
//! Many sessions live in one actor as plain state machines. A request keeps the version with which
//! it began: a deployment drains before it changes versions.

mod deployment;
mod health;
mod pool;

use std::collections::BTreeMap;
use std::rc::Rc;

use sim_clock::{Actor, ActorId, Context, Nanos, Stream};
use sql_engine::StatementId;
use transactions::{SessionId, SessionSettings, SqlState};

use deployment::Deployment;
pub use deployment::{DeploymentSettings, StartCheck};
use health::Health;
pub use health::{Ejection, HealthCheck};
use pool::{Pool, Running, Waiting};

use crate::arrivals::{Recorded, SentText};
use crate::coordinator::attempt::Backoff;
use crate::event::{Event, Failed};
use crate::message::{Keys, Message};
use crate::request::{AppVersion, Step};

/// What an instance needs to know of its surroundings.
#[derive(Clone, Debug)]
pub struct InstanceSettings {
    /// Its name.
    pub name: Rc<str>,
    /// The lock manager.
    pub server: ActorId,
    /// The load balancer.
    pub balancer: ActorId,
    /// All versions of the application.
    pub versions: Rc<[AppVersion]>,
    /// How many connections it opens.
    pub pool_size: u32,
    /// What its connections are opened with.
    pub session: SessionSettings,
    /// How long a request waits for a connection.
    pub acquire_timeout: Nanos,
    /// Whether only a request that gets a connection finds out that it has waited for too long.
    pub times_out_at_handover: bool,
    /// Tries of a request whose failure is worth another one.
    pub attempts: u32,
    /// After which SQLSTATEs it is tried again; `None`: after any failure, one of the pool too.
    pub retries_on: Option<Rc<[SqlState]>>,
    /// The pause between them.
    pub backoff: Backoff,
    /// What `ROLLBACK` was prepared as.
    pub rollback: StatementId,
    /// How deployments go.
    pub deployment: DeploymentSettings,
    /// How it is checked, if it is.
    pub health_check: Option<HealthCheck>,
    /// When it is taken out because of the requests that fail.
    pub ejection: Option<Ejection>,
}

impl InstanceSettings {
    /// The step that a request is at, if it has not come to its end.
    #[inline]
    fn step(&self, version: usize, request: u32, at: usize) -> Option<&Step> {
        if request == health::CHECK {
            let check = self.health_check.as_ref()?;
            return check.step.as_ref().filter(|_| at == 0);
        }
        self.versions[version].requests.get(request as usize)?.as_ref()?.steps.get(at)
    }
}

/// An application instance.
#[derive(Debug)]
pub struct AppInstance {
    settings: InstanceSettings,
    version: usize,
    pool: Pool,
    service: Stream,
    deployment: Deployment,
    health: Health,
    /// Whether its fleet is the one that serves.
    in_rotation: bool,
    /// Requests that wait for their next try, by ticket.
    retrying: BTreeMap<u64, Waiting>,
    /// Requests served and failed since it started.
    tally: (u64, u64),
    /// The connection of the health check, if it has one of its own.
    check_session: Option<SessionId>,
}

/// The high byte of a timer's key tells what it is for; the rest tells for whom.
const THINK: u64 = 0;
const ACQUIRE: u64 = 1 << 56;
const DEPLOY: u64 = 2 << 56;
const RETRY: u64 = 3 << 56;
const HEALTH: u64 = 4 << 56;
const EJECTED: u64 = 5 << 56;
const FOR_WHOM: u64 = (1 << 56) - 1;

impl AppInstance {
    /// An instance that runs a version on connections of its own, in rotation or not.
    #[must_use]
    pub fn new(
        settings: InstanceSettings,
        version: usize,
        sessions: Vec<SessionId>,
        service: Stream,
        in_rotation: bool,
    ) -> Self {
        Self {
            settings,
            version,
            pool: Pool::new(Vec::new()),
            service,
            deployment: Deployment::default(),
            health: Health::default(),
            in_rotation,
            retrying: BTreeMap::new(),
            tally: (0, 0),
            check_session: None,
        }
        .opened(sessions)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// The version that it runs, by its place in the list.
    #[must_use]
    pub fn version(&self) -> usize {
        self.version
    }

    /// A request has arrived: it gets a connection, or a place in the queue.
    fn receive(
        &mut self,
        (request, ordinal): (u32, u64),
        keys: Keys,
        recorded: Option<Recorded>,
        cx: &mut Context<'_, Message, Event>,
    ) {
        let now = cx.now();
        if let Some(connection) = self.pool.take_idle() {
            cx.log(Event::Started { request, waited: Nanos::ZERO, queued: false });
            self.pool.begin(connection, Running::new(request, ordinal, keys, recorded, now));
            return self.proceed(connection, cx);
        }
        self.queue(Waiting { ordinal, ..Waiting::new(request, keys, recorded, now) }, cx);
    }

    /// Gives a request a connection, or a place in the queue.
    fn admit(&mut self, waiting: Waiting, cx: &mut Context<'_, Message, Event>) -> u64 {
        if let Some(connection) = self.pool.take_idle() {
            self.begin(connection, waiting, cx);
            return 0;
        }
        self.queue(waiting, cx)
    }

    fn queue(&mut self, mut waiting: Waiting, cx: &mut Context<'_, Message, Event>) -> u64 {
        cx.log(Event::Queued { request: waiting.request });
        waiting.ticket = self.pool.ticket();
        let ticket = waiting.ticket;
        if !self.settings.times_out_at_handover {
            cx.set_timer(waiting.queued + self.settings.acquire_timeout, ACQUIRE | ticket);
        }
        self.pool.queue(waiting);
        ticket
    }

    fn begin(&mut self, connection: usize, waiting: Waiting, cx: &mut Context<'_, Message, Event>) {
        let (waited, queued) = (cx.now() - waiting.queued, waiting.ticket != 0);
        cx.log(Event::Started { request: waiting.request, waited, queued });
        self.pool.begin(connection, Running::of(waiting));
        self.proceed(connection, cx);
    }

    /// Sends the connection's next statement, or ends its request.
    fn proceed(&mut self, connection: usize, cx: &mut Context<'_, Message, Event>) {
        let Some((session, running)) = self.pool.running(connection) else { return };
        let at = running.at as usize;
        if let Some(texts) = running.texts() {
            let own = |text: &SentText| Nanos(text.work.unwrap_or_default().0 * u64::from(text.statements));
            let Some(own) = texts.get(at).map(own) else {
                return self.end(connection, None, cx);
            };
            let texts = Rc::clone(texts);
            cx.send(self.settings.server, Message::Replay { session, texts, at });
            running.own += own;
            return;
        }
        let Some(step) = self.settings.step(self.version, running.request, at) else {
            return self.end(connection, None, cx);
        };
        let work = match running.timing() {
            Some(timing) => timing.work,
            None => step.service.draw(&mut self.service),
        };
        cx.send(self.settings.server, step.execute(session, &running.keys, work));
        running.own += work.unwrap_or_default();
    }

    fn completed(
        &mut self,
        session: SessionId,
        outcome: Result<(), SqlState>,
        cx: &mut Context<'_, Message, Event>,
    ) {
        if Some(session) == self.check_session {
            return self.check_completed(session, outcome, cx);
        }
        let Some(connection) = self.pool.connection_of(session) else { return };
        let Some((_, running)) = self.pool.running(connection) else {
            // The ROLLBACK of a request that has failed: its connection is free again.
            return self.free(connection, cx);
        };
        if let Err(state) = outcome {
            return self.end(connection, Some(Failed::Database(state)), cx);
        }
        let at = running.at as usize;
        let think = match (running.texts(), running.timing()) {
            (Some(texts), _) => texts.get(at).map_or(Nanos::ZERO, |text| text.think),
            (None, Some(timing)) => timing.think,
            (None, None) => {
                let step = self.settings.step(self.version, running.request, at);
                step.map_or(Nanos::ZERO, |step| step.think)
            }
        };
        running.at += 1;
        running.own += think;
        if think > Nanos::ZERO {
            cx.set_timer(cx.now() + think, THINK | connection as u64);
        } else {
            self.proceed(connection, cx);
        }
    }

    fn end(&mut self, connection: usize, failed: Option<Failed>, cx: &mut Context<'_, Message, Event>) {
        let Some((_, running)) = self.pool.running(connection) else { return };
        let (request, ordinal, failures) = (running.request, running.ordinal, running.failures);
        let (latency, own) = (cx.now() - running.arrived, running.own);
        cx.log(Event::Freed { request });
        match failed {
            Some(cause) if self.will_try_again(request, failures, cause) => {
                if let Some(running) = self.pool.take(connection) {
                    self.try_later(running.again(cx.now()), cx);
                }
            }
            _ => {
                self.pool.end(connection);
                self.settle((request, ordinal), latency, own, failed, cx);
            }
        }
        match failed {
            None => self.free(connection, cx),
            Some(Failed::Database(state)) if closes_session(state) => {
                self.replace_session(self.pool.session(connection), cx);
            }
            Some(_) => {
                let (session, statement) = (self.pool.session(connection), self.settings.rollback);
                let (params, work) = (Keys::new(), Some(Nanos::ZERO));
                cx.send(self.settings.server, Message::Execute { session, statement, params, work });
            }
        }
    }

    /// Asks for a connection in the place of one that the server has closed.
    fn replace_session(&self, closed: SessionId, cx: &mut Context<'_, Message, Event>) {
        let (application_name, settings) = (Rc::clone(&self.settings.name), Box::new(self.settings.session));
        let instead_of = Some(closed);
        let message = Message::Connect { application_name, settings, count: 1, instead_of };
        cx.send(self.settings.server, message);
    }

    fn will_try_again(&self, request: u32, failures: u32, cause: Failed) -> bool {
        let worth = match (&self.settings.retries_on, cause) {
            (None, cause) => cause != Failed::NotServed,
            (Some(states), Failed::Database(state)) => states.contains(&state),
            (Some(_), Failed::PoolTimeout | Failed::NotServed) => false,
        };
        request != health::CHECK && failures + 1 < self.settings.attempts && worth
    }

    /// Puts a request, with its failures counted, back for a while.
    fn try_later(&mut self, mut waiting: Waiting, cx: &mut Context<'_, Message, Event>) {
        let pause = self.settings.backoff.pause(waiting.failures, || self.service.unit());
        let ticket = self.pool.ticket();
        waiting.queued = cx.now() + pause;
        self.retrying.insert(ticket, waiting);
        cx.set_timer(cx.now() + pause, RETRY | ticket);
    }

    /// A request has ended for good.
    fn settle(
        &mut self,
        (request, ordinal): (u32, u64),
        latency: Nanos,
        own: Nanos,
        failed: Option<Failed>,
        cx: &mut Context<'_, Message, Event>,
    ) {
        if request == health::CHECK {
            return self.checked(failed.is_none(), cx);
        }
        cx.log(Event::Request { request, ordinal, latency, own, failed });
        let counter = if failed.is_some() { &mut self.tally.1 } else { &mut self.tally.0 };
        *counter += 1;
        self.note_outcome(failed.is_some(), cx);
    }

    /// A connection is free: the next request in the queue takes it.
    fn free(&mut self, connection: usize, cx: &mut Context<'_, Message, Event>) {
        while let Some(waiting) = self.pool.next_waiting() {
            let limit = waiting.queued + self.settings.acquire_timeout;
            if self.settings.times_out_at_handover && cx.now() > limit {
                self.gave_up(waiting, cx);
                continue;
            }
            return self.begin(connection, waiting, cx);
        }
        self.pool.give_back(connection);
        self.drained(cx);
    }

    fn gave_up(&mut self, waiting: Waiting, cx: &mut Context<'_, Message, Event>) {
        cx.log(Event::GaveUp { request: waiting.request });
        if self.will_try_again(waiting.request, waiting.failures, Failed::PoolTimeout) {
            return self.try_later(Waiting { ticket: 0, failures: waiting.failures + 1, ..waiting }, cx);
        }
        // However late the pool looked: its caller was gone when the time had passed.
        let given_up = cx.now().min(waiting.queued + self.settings.acquire_timeout);
        let (of, latency) = ((waiting.request, waiting.ordinal), given_up - waiting.arrived);
        self.settle(of, latency, Nanos::ZERO, Some(Failed::PoolTimeout), cx);
    }
}

/// Whether the server closes the session with such an error: FATAL ones, class 57P and the timeouts
/// of idle sessions and whole transactions (PostgreSQL manual, appendix A).
pub(crate) fn closes_session(state: SqlState) -> bool {
    matches!(state.as_str(), "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25P04")
}

impl Actor<Message, Event> for AppInstance {
    fn on_timer(&mut self, key: u64, cx: &mut Context<'_, Message, Event>) {
        let whom = key & FOR_WHOM;
        match key & !FOR_WHOM {
            THINK => self.proceed(usize::try_from(whom).unwrap_or(usize::MAX), cx),
            ACQUIRE => {
                if let Some(waiting) = self.pool.give_up(whom) {
                    self.gave_up(waiting, cx);
                    self.drained(cx);
                }
            }
            RETRY => {
                if let Some(waiting) = self.retrying.remove(&whom) {
                    self.admit(waiting, cx);
                }
            }
            HEALTH => self.health_timer(whom, cx),
            EJECTED => self.readmit(cx),
            _ => self.deployment_timer(whom, cx),
        }
    }

    fn on_message(&mut self, from: ActorId, message: Message, cx: &mut Context<'_, Message, Event>) {
        match message {
            Message::Arrive { request, keys, recorded, ordinal } => {
                if recorded.is_none() && self.settings.step(self.version, request, 0).is_none() {
                    let (of, none) = ((request, ordinal), Nanos::ZERO);
                    return self.settle(of, none, none, Some(Failed::NotServed), cx);
                }
                self.receive((request, ordinal), keys, recorded, cx);
            }
            Message::Completed { session, outcome } => self.completed(session, outcome, cx),
            Message::Connected { sessions, instead_of } => self.connected(sessions, instead_of, cx),
            Message::Deploy { version, hold } => self.deploy(from, Some(version), hold, cx),
            Message::Stop => self.deploy(from, None, false, cx),
            Message::Admit(start) => self.admit_to_check(from, start, cx),
            Message::Examine => cx.send(from, Message::Vitals(self.vitals())),
            Message::Probed(failure) => self.probed(failure, cx),
            Message::Serve(serves) => {
                self.in_rotation = serves;
                self.rotate(cx);
            }
            _ => {}
        }
    }
}
