//! The depth-first search for a cycle of waits through one session (`FindLockCycle` in `deadlock.c`), with an
//! explicit stack, so that the longest chain of waiters overflows nothing.

use rustc_hash::FxHashMap;

use crate::deadlock::WaitOrder;
use crate::lock::NIL;
use crate::views::EdgeKind;
use crate::{LockMode, LockTable, LockTag, SessionId};

/// One wait of a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CycleEdge {
    /// Who waits.
    pub waiter: SessionId,
    /// What for.
    pub tag: LockTag,
    /// In which mode.
    pub mode: LockMode,
    /// For whom.
    pub blocker: SessionId,
    /// Because that one holds the lock or because it waits ahead.
    pub kind: EdgeKind,
}

/// A waiter on the way from the start, and the edge by which the way goes on.
#[derive(Clone, Copy, Debug)]
struct Step {
    session: SessionId,
    mode: LockMode,
    /// The lock waited for, as index into `Search::locks`.
    lock: usize,
    /// The start's own cursor over holders: it passes over its own hold, which others must see.
    own_cursor: Option<u32>,
    edge: EdgeKind,
}

/// What this search has looked at of one lock.
#[derive(Clone, Debug)]
struct Seen {
    lock: u32,
    /// The waiters in their (real or supposed) order: a range of `Search::waiters`.
    from: usize,
    /// By mode: the next hold to look at.
    holds: [u32; LockMode::COUNT],
    /// By mode: the next place in the queue to look at.
    places: [usize; LockMode::COUNT],
}

/// The search and its memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Search {
    round: u32,
    /// By session: the round in which it was last visited, and its place in the queue it waits in.
    visited: Vec<u32>,
    place: Vec<usize>,
    locks: Vec<Seen>,
    lock_index: FxHashMap<u32, usize>,
    waiters: Vec<SessionId>,
    path: Vec<Step>,
}

impl Search {
    /// Whether a way of waits leads from the session back to it. The way is kept for [`Self::cycle`].
    pub(crate) fn find_cycle(&mut self, table: &LockTable, orders: &[WaitOrder], start: SessionId) -> bool {
        self.begin(table);
        self.visit(table, orders, start);
        while let Some(&step) = self.path.last() {
            let Some((next, edge)) = self.next_edge(table, step) else {
                self.path.pop();
                continue;
            };
            if let Some(last) = self.path.last_mut() {
                last.edge = edge;
            }
            if next == start {
                return true;
            }
            if self.visited[next.index()] != self.round {
                self.visit(table, orders, next);
            }
        }
        false
    }

    /// The cycle that was found, from the start on.
    pub(crate) fn cycle(&self, table: &LockTable) -> Vec<CycleEdge> {
        let sessions = self.path.iter().map(|step| step.session);
        let blockers = sessions.clone().skip(1).chain(sessions.clone().take(1));
        let edge = |(step, blocker): (&Step, SessionId)| CycleEdge {
            waiter: step.session,
            tag: table.locks[self.locks[step.lock].lock as usize].tag,
            mode: step.mode,
            blocker,
            kind: step.edge,
        };
        self.path.iter().zip(blockers).map(edge).collect()
    }

    fn begin(&mut self, table: &LockTable) {
        self.round = self.round.wrapping_add(1);
        if self.visited.len() < table.procs.len() || self.round == 0 {
            self.round = 1;
            self.visited.clear();
            self.visited.resize(table.procs.len(), 0);
            self.place.resize(table.procs.len(), 0);
        }
        self.locks.clear();
        self.lock_index.clear();
        self.waiters.clear();
        self.path.clear();
    }

    /// Goes to a session; if it waits, its edges are looked at next.
    fn visit(&mut self, table: &LockTable, orders: &[WaitOrder], session: SessionId) {
        self.visited[session.index()] = self.round;
        let Some(wait) = table.procs[session.index()].wait else { return };
        let lock = self.seen(table, orders, wait.lock);
        let is_start = self.path.is_empty();
        let own_cursor = is_start.then(|| table.locks[wait.lock as usize].holds.head);
        self.path.push(Step { session, mode: wait.mode, lock, own_cursor, edge: EdgeKind::Hard });
    }

    /// The next session that the waiter on top of the path waits for: holders first, then waiters ahead.
    fn next_edge(&mut self, table: &LockTable, step: Step) -> Option<(SessionId, EdgeKind)> {
        let conflicts = step.mode.conflicts();
        let seen = &mut self.locks[step.lock];
        let mut cursor = step.own_cursor.unwrap_or(seen.holds[step.mode as usize]);
        while cursor != NIL {
            let hold = table.holds.get(cursor);
            cursor = table.holds.next_in_lock(cursor);
            if hold.session != step.session && hold.modes().intersects(conflicts) {
                self.move_cursor(step, cursor);
                return Some((hold.session, EdgeKind::Hard));
            }
        }
        self.move_cursor(step, cursor);
        let seen = &mut self.locks[step.lock];
        let place = &mut seen.places[step.mode as usize];
        while *place < self.place[step.session.index()] {
            let ahead = self.waiters[seen.from + *place];
            *place += 1;
            let mode = table.procs[ahead.index()].wait.map(|wait| wait.mode);
            if mode.is_some_and(|mode| conflicts.contains(mode)) {
                return Some((ahead, EdgeKind::Soft));
            }
        }
        None
    }

    fn move_cursor(&mut self, step: Step, cursor: u32) {
        match self.path.last_mut() {
            Some(Step { own_cursor: Some(own), .. }) => *own = cursor,
            _ => self.locks[step.lock].holds[step.mode as usize] = cursor,
        }
    }

    /// The notes on a lock, made when the search first comes to it: its queue is numbered then.
    fn seen(&mut self, table: &LockTable, orders: &[WaitOrder], lock: u32) -> usize {
        if let Some(&index) = self.lock_index.get(&lock) {
            return index;
        }
        let from = self.waiters.len();
        match orders.iter().find(|order| order.lock == lock) {
            Some(order) => self.waiters.extend_from_slice(&order.waiters),
            None => {
                let mut waiter = table.locks[lock as usize].queue.head;
                while waiter != NIL {
                    self.waiters.push(SessionId(waiter));
                    waiter = table.procs[waiter as usize].next;
                }
            }
        }
        for (place, waiter) in self.waiters[from..].iter().enumerate() {
            self.place[waiter.index()] = place;
        }
        let first = table.locks[lock as usize].holds.head;
        self.locks.push(Seen { lock, from, holds: [first; LockMode::COUNT], places: [0; LockMode::COUNT] });
        self.lock_index.insert(lock, self.locks.len() - 1);
        self.locks.len() - 1
    }
}
