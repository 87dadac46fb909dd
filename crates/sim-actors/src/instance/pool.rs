//! A connection pool: connections, the requests that run on them, and the queue in front.

use std::collections::VecDeque;

use sim_clock::Nanos;
use transactions::SessionId;

use crate::message::Keys;

/// A request that waits for a connection.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    /// Its place in the queue, ascending.
    pub(super) ticket: u64,
    pub(super) request: u32,
    pub(super) keys: Keys,
    pub(super) service: Nanos,
    pub(super) ordinal: u64,
    pub(super) arrived: Nanos,
}

/// A request that has a connection.
#[derive(Clone, Debug)]
pub(super) struct Running {
    pub(super) request: u32,
    pub(super) keys: Keys,
    /// How long it works, for statements that leave that to their request.
    pub(super) service: Nanos,
    /// Its number among all arrivals.
    pub(super) ordinal: u64,
    pub(super) arrived: Nanos,
    /// The statement that it is at.
    pub(super) at: usize,
}

impl Running {
    pub(super) fn new(waiting: Waiting) -> Self {
        let Waiting { request, keys, service, ordinal, arrived, .. } = waiting;
        Self { request, keys, service, ordinal, arrived, at: 0 }
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
    /// The connection used last is taken first, as most pools do.
    idle: Vec<usize>,
    queue: VecDeque<Waiting>,
    next_ticket: u64,
}

impl Pool {
    pub(super) fn new(sessions: Vec<SessionId>) -> Self {
        let idle = (0..sessions.len()).rev().collect();
        let connections = sessions.into_iter().map(|session| Connection { session, running: None }).collect();
        Self { connections, idle, queue: VecDeque::new(), next_ticket: 0 }
    }

    pub(super) fn session(&self, connection: usize) -> SessionId {
        self.connections[connection].session
    }

    /// Sessions are connected in ascending order, so they can be searched.
    pub(super) fn connection_of(&self, session: SessionId) -> Option<usize> {
        self.connections.binary_search_by_key(&session, |connection| connection.session).ok()
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

    /// Puts a request at the end of the queue and gives its ticket.
    pub(super) fn queue(&mut self, waiting: Waiting) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.queue.push_back(Waiting { ticket, ..waiting });
        ticket
    }

    pub(super) fn next_waiting(&mut self) -> Option<Waiting> {
        self.queue.pop_front()
    }

    /// Takes a request out of the queue, if it is still there.
    pub(super) fn give_up(&mut self, ticket: u64) -> Option<Waiting> {
        let at = self.queue.binary_search_by_key(&ticket, |waiting| waiting.ticket).ok()?;
        self.queue.remove(at)
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
