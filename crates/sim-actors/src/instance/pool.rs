//! A connection pool: connections, the requests that run on them, and the queue in front.

use std::collections::VecDeque;
use std::rc::Rc;

use rustc_hash::FxHashMap;
use sim_clock::Nanos;
use transactions::SessionId;

use crate::arrivals::{Recorded, SentText, Timing};
use crate::message::Keys;

/// A request that waits for a connection.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    /// Its place in the queue, ascending; 0 for none.
    pub(super) ticket: u64,
    pub(super) request: u32,
    /// Its number among all arrivals.
    pub(super) ordinal: u64,
    pub(super) keys: Keys,
    pub(super) recorded: Option<Recorded>,
    pub(super) arrived: Nanos,
    /// When it began to wait for a connection.
    pub(super) queued: Nanos,
    /// How often it has been tried.
    pub(super) failures: u32,
}

impl Waiting {
    pub(super) fn new(request: u32, keys: Keys, recorded: Option<Recorded>, now: Nanos) -> Self {
        Self { ticket: 0, request, ordinal: 0, keys, recorded, arrived: now, queued: now, failures: 0 }
    }
}

/// A request that has a connection.
#[derive(Clone, Debug)]
pub(super) struct Running {
    pub(super) request: u32,
    /// Its number among all arrivals.
    pub(super) ordinal: u64,
    pub(super) keys: Keys,
    pub(super) recorded: Option<Recorded>,
    pub(super) arrived: Nanos,
    pub(super) failures: u32,
    /// The statement that it is at.
    pub(super) at: usize,
    /// Its own work and its client's thinking so far.
    pub(super) own: Nanos,
}

impl Running {
    pub(super) fn new(waiting: Waiting) -> Self {
        let Waiting { request, ordinal, keys, recorded, arrived, failures, .. } = waiting;
        Self { request, ordinal, keys, recorded, arrived, failures, at: 0, own: Nanos::ZERO }
    }

    /// The times of its present step, if they were recorded.
    pub(super) fn timing(&self) -> Option<Timing> {
        match self.recorded.as_ref()? {
            Recorded::Timings(timings) => timings.get(self.at).copied(),
            Recorded::Texts(_) => None,
        }
    }

    /// All that it sends, if that was recorded.
    pub(super) fn texts(&self) -> Option<&Rc<[SentText]>> {
        match self.recorded.as_ref()? {
            Recorded::Timings(_) => None,
            Recorded::Texts(texts) => Some(texts),
        }
    }

    /// The request as it was before it got a connection.
    pub(super) fn again(self, now: Nanos) -> Waiting {
        let Self { request, ordinal, keys, recorded, arrived, failures, .. } = self;
        Waiting { ticket: 0, request, ordinal, keys, recorded, arrived, queued: now, failures: failures + 1 }
    }
}

#[derive(Debug)]
struct Connection {
    session: SessionId,
    running: Option<Running>,
}

/// The pool of one instance. A connection is idle, runs a request, or rolls one back.
#[derive(Debug)]
pub(super) struct Pool {
    connections: Vec<Connection>,
    of_session: FxHashMap<SessionId, usize>,
    /// The connection used last is taken first, as most pools do.
    idle: Vec<usize>,
    queue: VecDeque<Waiting>,
    next_ticket: u64,
}

impl Pool {
    pub(super) fn new(sessions: Vec<SessionId>) -> Self {
        let (connections, of_session, idle) = (Vec::new(), FxHashMap::default(), Vec::new());
        let mut pool = Self { connections, of_session, idle, queue: VecDeque::new(), next_ticket: 1 };
        pool.open(sessions);
        pool
    }

    /// Takes sessions in the place of those that were closed.
    pub(super) fn open(&mut self, sessions: Vec<SessionId>) {
        let first = self.connections.len();
        for session in sessions {
            self.of_session.insert(session, self.connections.len());
            self.connections.push(Connection { session, running: None });
        }
        self.idle.extend((first..self.connections.len()).rev());
    }

    /// Gives up every connection; nothing may run on them.
    pub(super) fn close(&mut self) -> Vec<SessionId> {
        self.idle.clear();
        self.of_session.clear();
        self.connections.drain(..).map(|connection| connection.session).collect()
    }

    /// Puts a new session in the place of one that the server has closed.
    pub(super) fn replace(&mut self, connection: usize, session: SessionId) {
        let place = &mut self.connections[connection];
        self.of_session.remove(&place.session);
        self.of_session.insert(session, connection);
        place.session = session;
    }

    pub(super) fn session(&self, connection: usize) -> SessionId {
        self.connections[connection].session
    }

    pub(super) fn connection_of(&self, session: SessionId) -> Option<usize> {
        self.of_session.get(&session).copied()
    }

    pub(super) fn running(&self, connection: usize) -> Option<&Running> {
        self.connections.get(connection)?.running.as_ref()
    }

    pub(super) fn running_mut(&mut self, connection: usize) -> Option<&mut Running> {
        self.connections.get_mut(connection)?.running.as_mut()
    }

    pub(super) fn begin(&mut self, connection: usize, running: Running) {
        self.connections[connection].running = Some(running);
    }

    pub(super) fn end(&mut self, connection: usize) -> Option<Running> {
        self.connections[connection].running.take()
    }

    pub(super) fn take_idle(&mut self) -> Option<usize> {
        self.idle.pop()
    }

    pub(super) fn give_back(&mut self, connection: usize) {
        self.idle.push(connection);
    }

    /// A ticket for a request in the queue.
    pub(super) fn ticket(&mut self) -> u64 {
        self.next_ticket += 1;
        self.next_ticket - 1
    }

    /// Puts a request at the end of the queue; tickets ascend.
    pub(super) fn queue(&mut self, waiting: Waiting) {
        self.queue.push_back(waiting);
    }

    pub(super) fn next_waiting(&mut self) -> Option<Waiting> {
        self.queue.pop_front()
    }

    /// Takes a request out of the queue, if it is still there.
    pub(super) fn give_up(&mut self, ticket: u64) -> Option<Waiting> {
        let at = self.queue.binary_search_by_key(&ticket, |waiting| waiting.ticket).ok()?;
        self.queue.remove(at)
    }

    /// Whether a request of a kind is running or queued.
    pub(super) fn runs(&self, request: u32) -> bool {
        let running = self.connections.iter().filter_map(|connection| connection.running.as_ref());
        let mut kinds = running.map(|one| one.request).chain(self.queue.iter().map(|one| one.request));
        kinds.any(|kind| kind == request)
    }

    /// Whether it has no connections at all.
    pub(super) fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// Whether no request is waiting, running or being rolled back.
    pub(super) fn is_quiet(&self) -> bool {
        self.queue.is_empty() && self.idle.len() == self.connections.len()
    }

    /// The sessions that are running a request.
    pub(super) fn busy(&self) -> impl Iterator<Item = SessionId> {
        self.connections
            .iter()
            .filter(|connection| connection.running.is_some())
            .map(|connection| connection.session)
    }
}
