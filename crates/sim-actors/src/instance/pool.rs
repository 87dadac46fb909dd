//! A connection pool: connections, the requests that run on them, and the queue in front.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

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
    pub(super) at: u32,
    /// Its own work and its client's thinking so far.
    pub(super) own: Nanos,
}

impl Running {
    /// A request that has just arrived.
    pub(super) fn new(
        request: u32,
        ordinal: u64,
        keys: Keys,
        recorded: Option<Recorded>,
        arrived: Nanos,
    ) -> Self {
        Self { request, ordinal, keys, recorded, arrived, failures: 0, at: 0, own: Nanos::ZERO }
    }

    /// A request that has waited, or was tried before.
    pub(super) fn of(waiting: Waiting) -> Self {
        let Waiting { request, ordinal, keys, recorded, arrived, failures, .. } = waiting;
        Self { failures, ..Self::new(request, ordinal, keys, recorded, arrived) }
    }

    /// The times of its present step, if they were recorded.
    pub(super) fn timing(&self) -> Option<Timing> {
        match self.recorded.as_ref()? {
            Recorded::Timings(timings) => timings.get(self.at as usize).copied(),
            Recorded::Texts(_) => None,
        }
    }

    /// All that it sends, if that was recorded.
    pub(super) fn texts(&self) -> Option<&Rc<Vec<SentText>>> {
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

/// Most connections of a big pool are idle: what runs on the others stands elsewhere.
#[derive(Clone, Copy, Debug)]
struct Connection {
    session: SessionId,
    /// The place of its request.
    place: u32,
}

/// The place of no request.
const NOWHERE: u32 = u32::MAX;

/// The pool of one instance. A connection is idle, runs a request, or rolls one back.
#[derive(Debug)]
pub(super) struct Pool {
    connections: Vec<Connection>,
    running: Vec<Option<Running>>,
    /// Places for requests that nobody needs now.
    free: Vec<u32>,
    /// The first of the sessions that it was opened with: their numbers follow one another as its connections do.
    first: u32,
    /// Where the sessions are whose number does not tell.
    strays: BTreeMap<SessionId, usize>,
    /// The connection used last is taken first, as most pools do.
    idle: Vec<u32>,
    queue: VecDeque<Waiting>,
    next_ticket: u64,
}

impl Pool {
    pub(super) fn new(sessions: Vec<SessionId>) -> Self {
        let mut pool = Self {
            connections: Vec::new(),
            running: Vec::new(),
            free: Vec::new(),
            first: 0,
            strays: BTreeMap::new(),
            idle: Vec::new(),
            queue: VecDeque::new(),
            next_ticket: 1,
        };
        pool.open(sessions);
        pool
    }

    /// Takes sessions in the place of those that were closed.
    pub(super) fn open(&mut self, sessions: Vec<SessionId>) {
        let first = self.connections.len();
        if first == 0 {
            self.first = sessions.first().map_or(0, |session| session.0);
        }
        self.connections.reserve_exact(sessions.len());
        self.idle.reserve_exact(sessions.len());
        for session in sessions {
            self.connections.push(Connection { session, place: NOWHERE });
            self.find_again(self.connections.len() - 1);
        }
        let added = (0..).take(self.connections.len()).skip(first);
        let added: Vec<u32> = added.collect();
        self.idle.extend(added.into_iter().rev());
    }

    /// Gives up every connection; nothing may run on them.
    pub(super) fn close(&mut self) -> Vec<SessionId> {
        self.idle.clear();
        self.strays.clear();
        self.connections.drain(..).map(|connection| connection.session).collect()
    }

    /// Puts a new session in the place of one that the server has closed.
    pub(super) fn replace(&mut self, connection: usize, session: SessionId) {
        let old = std::mem::replace(&mut self.connections[connection].session, session);
        self.strays.remove(&old);
        self.find_again(connection);
    }

    /// Notes where a session is, if its number does not tell.
    fn find_again(&mut self, connection: usize) {
        let session = self.connections[connection].session;
        if self.place_by_number(session) != Some(connection) {
            self.strays.insert(session, connection);
        }
    }

    fn place_by_number(&self, session: SessionId) -> Option<usize> {
        let place = session.0.checked_sub(self.first)? as usize;
        (self.connections.get(place)?.session == session).then_some(place)
    }

    pub(super) fn session(&self, connection: usize) -> SessionId {
        self.connections[connection].session
    }

    pub(super) fn connection_of(&self, session: SessionId) -> Option<usize> {
        self.place_by_number(session).or_else(|| self.strays.get(&session).copied())
    }

    /// The session of a connection and the request that runs on it, if one does.
    pub(super) fn running(&mut self, connection: usize) -> Option<(SessionId, &mut Running)> {
        let Connection { session, place } = *self.connections.get(connection)?;
        Some((session, self.running.get_mut(place as usize)?.as_mut()?))
    }

    #[inline]
    pub(super) fn begin(&mut self, connection: usize, running: Running) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.running.push(None);
            u32::try_from(self.running.len() - 1).unwrap_or(NOWHERE)
        });
        self.connections[connection].place = place;
        self.running[place as usize] = Some(running);
    }

    /// Takes the request of a connection.
    pub(super) fn take(&mut self, connection: usize) -> Option<Running> {
        let place = self.leave(connection)?;
        self.running[place].take()
    }

    /// Forgets the request of a connection.
    #[inline]
    pub(super) fn end(&mut self, connection: usize) {
        if let Some(place) = self.leave(connection) {
            self.running[place] = None;
        }
    }

    /// The connection has no use any more for the place of its request.
    #[inline]
    fn leave(&mut self, connection: usize) -> Option<usize> {
        let place = std::mem::replace(&mut self.connections[connection].place, NOWHERE);
        if place == NOWHERE {
            return None;
        }
        self.free.push(place);
        Some(place as usize)
    }

    pub(super) fn take_idle(&mut self) -> Option<usize> {
        self.idle.pop().map(|connection| connection as usize)
    }

    pub(super) fn give_back(&mut self, connection: usize) {
        self.idle.push(u32::try_from(connection).unwrap_or(u32::MAX));
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
        let running = self.running.iter().flatten();
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
            .filter(|connection| connection.place != NOWHERE)
            .map(|connection| connection.session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_found_whatever_its_number_is() {
        let sessions = |numbers: &[u32]| numbers.iter().copied().map(SessionId).collect::<Vec<_>>();
        let mut pool = Pool::new(sessions(&[7, 8, 9]));
        pool.replace(1, SessionId(20));
        pool.replace(1, SessionId(21));
        pool.replace(0, SessionId(8));
        pool.open(sessions(&[30, 11]));
        let found =
            |pool: &Pool| [7, 8, 9, 20, 21, 30, 11].map(|number| pool.connection_of(SessionId(number)));
        assert_eq!(found(&pool), [None, Some(0), Some(2), None, Some(1), Some(3), Some(4)]);
        pool.close();
        assert_eq!(found(&pool), [None; 7]);
        pool.open(sessions(&[21, 30]));
        assert_eq!(found(&pool), [None, None, None, None, Some(0), Some(1), None]);
    }
}
