//! An application instance: a pool of connections, the requests on them, and its deployments.
//!
//! ```text
//!   Arrive ─► [pool queue] ─► connection ─► Execute … Completed ─► next statement ─► … ─► idle
//!                                 Deploy ─► draining ─► starting ─► health check ─► in rotation
//! ```
//!
//! Many sessions live in one actor as plain state machines. A request keeps the version with which
//! it began: a deployment drains before it changes versions.

mod deployment;
mod pool;

use std::collections::BTreeMap;
use std::rc::Rc;

use sim_clock::{Actor, ActorId, Context, Nanos, Stream};
use sql_engine::StatementId;
use transactions::SessionId;

use deployment::Deployment;
pub use deployment::DeploymentSettings;
use pool::{Pool, Running, Waiting};

use crate::event::{Event, Failed};
use crate::message::{Keys, Message};
use crate::request::{AppVersion, RequestScript};

/// What an instance needs to know of its surroundings.
#[derive(Clone, Debug)]
pub struct InstanceSettings {
    /// Its name.
    pub name: String,
    /// The lock manager.
    pub server: ActorId,
    /// The load balancer.
    pub balancer: ActorId,
    /// All versions of the application.
    pub versions: Rc<[AppVersion]>,
    /// How long a request waits for a connection.
    pub acquire_timeout: Nanos,
    /// When the pool looks at that.
    pub timeout_check: PoolTimeoutCheck,
    /// What `ROLLBACK` was prepared as.
    pub rollback: StatementId,
    /// How deployments go.
    pub deployment: DeploymentSettings,
}

/// When a pool notices that a request has waited too long for a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PoolTimeoutCheck {
    /// When the time has passed: the caller waits with a timeout, as HikariCP's and most others do.
    #[default]
    ByTimer,
    /// When a connection would take the request: a plain queue in front of workers.
    AtHandover,
}

/// What became of one kind of request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestStats {
    /// How many ended well.
    pub served: u64,
    /// How many failed, by cause.
    pub failed: BTreeMap<Failed, u64>,
    /// The longest time from arrival to end.
    pub latency_max: Nanos,
}

/// An application instance.
#[derive(Debug)]
pub struct AppInstance {
    settings: InstanceSettings,
    version: usize,
    pool: Pool,
    service: Stream,
    deployment: Deployment,
    stats: Vec<RequestStats>,
}

/// The high byte of a timer's key tells what it is for; the rest tells for whom.
const THINK: u64 = 0;
const ACQUIRE: u64 = 1 << 56;
const DEPLOY: u64 = 2 << 56;
const FOR_WHOM: u64 = (1 << 56) - 1;

impl AppInstance {
    /// An instance that runs a version on connections of its own.
    #[must_use]
    pub fn new(
        settings: InstanceSettings,
        version: usize,
        sessions: Vec<SessionId>,
        service: Stream,
    ) -> Self {
        let kinds = settings.versions.iter().map(|version| version.requests.len()).max().unwrap_or(0);
        Self {
            settings,
            version,
            pool: Pool::new(sessions),
            service,
            deployment: Deployment::default(),
            stats: vec![RequestStats::default(); kinds],
        }
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

    /// What became of its requests, by kind.
    #[must_use]
    pub fn stats(&self) -> &[RequestStats] {
        &self.stats
    }

    fn script(&self, request: u32) -> Option<&RequestScript> {
        self.settings.versions[self.version].requests.get(request as usize)?.as_ref()
    }

    fn arrive(&mut self, waiting: Waiting, cx: &mut Context<'_, Message, Event>) {
        if let Some(connection) = self.pool.take_idle() {
            return self.begin(connection, waiting, cx);
        }
        let ticket = self.pool.queue(waiting);
        if self.settings.timeout_check == PoolTimeoutCheck::ByTimer {
            cx.set_timer(cx.now() + self.settings.acquire_timeout, ACQUIRE | ticket);
        }
    }

    fn begin(&mut self, connection: usize, waiting: Waiting, cx: &mut Context<'_, Message, Event>) {
        self.pool.begin(connection, Running::new(waiting));
        self.proceed(connection, cx);
    }

    /// Sends the connection's next statement, or ends its request.
    fn proceed(&mut self, connection: usize, cx: &mut Context<'_, Message, Event>) {
        let Some(running) = self.pool.running(connection) else { return };
        let (request, at, service) = (running.request, running.at, running.service);
        let script = self.settings.versions[self.version].requests.get(request as usize);
        let step = script.and_then(|script| script.as_ref()?.steps.get(at));
        let Some(step) = step else { return self.end(connection, None, cx) };
        let work = step.draw_work(service, &mut self.service);
        let session = self.pool.session(connection);
        if let Some(running) = self.pool.running(connection) {
            cx.send(self.settings.server, step.execute(session, &running.keys, work));
        }
    }

    fn completed(
        &mut self,
        session: SessionId,
        outcome: Result<(), transactions::SqlState>,
        cx: &mut Context<'_, Message, Event>,
    ) {
        let Some(connection) = self.pool.connection_of(session) else { return };
        let Some(running) = self.pool.running_mut(connection) else {
            // The ROLLBACK of a request that has failed: its connection is free again.
            return self.free(connection, cx);
        };
        let (request, at) = (running.request, running.at);
        running.at += 1;
        match outcome {
            Err(state) => self.end(connection, Some(Failed::Database(state)), cx),
            Ok(()) => {
                let step = self.script(request).and_then(|script| script.steps.get(at));
                match step.map(|step| step.think) {
                    Some(think) if think > Nanos::ZERO => {
                        cx.set_timer(cx.now() + think, THINK | connection as u64);
                    }
                    _ => self.proceed(connection, cx),
                }
            }
        }
    }

    fn end(&mut self, connection: usize, failed: Option<Failed>, cx: &mut Context<'_, Message, Event>) {
        let Some(running) = self.pool.end(connection) else { return };
        self.count(running.request, running.ordinal, cx.now() - running.arrived, failed, cx);
        match failed {
            None => self.free(connection, cx),
            Some(_) => {
                let (session, statement) = (self.pool.session(connection), self.settings.rollback);
                let (params, work) = (Keys::new(), Some(Nanos::ZERO));
                cx.send(self.settings.server, Message::Execute { session, statement, params, work });
            }
        }
    }

    fn count(
        &mut self,
        request: u32,
        ordinal: u64,
        latency: Nanos,
        failed: Option<Failed>,
        cx: &mut Context<'_, Message, Event>,
    ) {
        if let Some(stats) = self.stats.get_mut(request as usize) {
            stats.latency_max = stats.latency_max.max(latency);
            match failed {
                None => stats.served += 1,
                Some(cause) => *stats.failed.entry(cause).or_default() += 1,
            }
        }
        cx.log(Event::Request { request, ordinal, latency, failed });
    }

    /// The next request in the queue that has not waited too long.
    fn next_waiting(&mut self, cx: &mut Context<'_, Message, Event>) -> Option<Waiting> {
        let longest = self.settings.acquire_timeout;
        loop {
            let waiting = self.pool.next_waiting()?;
            if cx.now() - waiting.arrived <= longest {
                return Some(waiting);
            }
            // Its caller was told when the time had passed, however late the pool notices.
            self.count(waiting.request, waiting.ordinal, longest, Some(Failed::PoolTimeout), cx);
        }
    }

    /// A connection is free: the next request in the queue takes it.
    fn free(&mut self, connection: usize, cx: &mut Context<'_, Message, Event>) {
        match self.next_waiting(cx) {
            Some(waiting) => self.begin(connection, waiting, cx),
            None => {
                self.pool.give_back(connection);
                self.drained(cx);
            }
        }
    }
}

impl Actor<Message, Event> for AppInstance {
    fn on_timer(&mut self, key: u64, cx: &mut Context<'_, Message, Event>) {
        let whom = key & FOR_WHOM;
        match key & !FOR_WHOM {
            THINK => self.proceed(usize::try_from(whom).unwrap_or(usize::MAX), cx),
            ACQUIRE => {
                if let Some(waiting) = self.pool.give_up(whom) {
                    let (waited, cause) = (cx.now() - waiting.arrived, Some(Failed::PoolTimeout));
                    self.count(waiting.request, waiting.ordinal, waited, cause, cx);
                    self.drained(cx);
                }
            }
            _ => self.deployment_timer(whom, cx),
        }
    }

    fn on_message(&mut self, from: ActorId, message: Message, cx: &mut Context<'_, Message, Event>) {
        match message {
            Message::Arrive { request, keys, service, ordinal } => {
                let waiting = Waiting { ticket: 0, request, keys, service, ordinal, arrived: cx.now() };
                self.arrive(waiting, cx);
            }
            Message::Completed { session, outcome } => self.completed(session, outcome, cx),
            Message::Deploy { version } => self.deploy(from, version, cx),
            Message::Probed(failure) => self.probed(failure, cx),
            _ => {}
        }
    }
}
