//! The depth-first search for a cycle of waits through one session (`FindLockCycle` in `deadlock.c`), with an
//! explicit stack, so that the longest chain of waiters overflows nothing.

use rustc_hash::FxHashMap;

use crate::deadlock::WaitOrder;
use crate::lock::{Lock, NIL};
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
    own_cursor: Option<Cursor>,
    edge: EdgeKind,
}

/// How far the holds of a lock have been looked at. Those who wait are on that list, too: once all grants that
/// conflict have been met, the rest of it is not gone through.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    next: u32,
    grants_left: u32,
}

/// What this search has looked at of one lock.
#[derive(Clone, Debug)]
struct Seen {
    lock: u32,
    /// The waiters in their (real or supposed) order, as far as they have been numbered.
    waiters: Vec<SessionId>,
    /// The next one in the queue that has not.
    rest: u32,
    /// By mode: the next hold to look at.
    holds: [Cursor; LockMode::COUNT],
    /// By mode: the next place in the queue to look at.
    places: [usize; LockMode::COUNT],
}

/// The search and its memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Search {
    round: u32,
    /// By session: the round in which it was last visited; and that in which it was last numbered, with its place
    /// in the queue that it waits in.
    visited: Vec<u32>,
    place: Vec<(u32, usize)>,
    locks: Vec<Seen>,
    lock_index: FxHashMap<u32, usize>,
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
            self.place.clear();
            self.place.resize(table.procs.len(), (0, 0));
        }
        self.locks.clear();
        self.lock_index.clear();
        self.path.clear();
    }

    /// Goes to a session; if it waits, its edges are looked at next.
    fn visit(&mut self, table: &LockTable, orders: &[WaitOrder], session: SessionId) {
        self.visited[session.index()] = self.round;
        let Some(wait) = table.procs[session.index()].wait else { return };
        let lock = self.seen(table, orders, wait.lock);
        let is_start = self.path.is_empty();
        let own_cursor = is_start.then(|| cursor(&table.locks[wait.lock as usize], wait.mode));
        self.path.push(Step { session, mode: wait.mode, lock, own_cursor, edge: EdgeKind::Hard });
    }

    /// The next session that the waiter on top of the path waits for: holders first, then waiters ahead.
    fn next_edge(&mut self, table: &LockTable, step: Step) -> Option<(SessionId, EdgeKind)> {
        let conflicts = step.mode.conflicts();
        let seen = &mut self.locks[step.lock];
        let mut cursor = step.own_cursor.unwrap_or(seen.holds[step.mode as usize]);
        while cursor.next != NIL && cursor.grants_left > 0 {
            let hold = table.holds.get(cursor.next);
            cursor.next = table.holds.next_in_lock(cursor.next);
            let met = conflicts.intersection(hold.modes()).iter().count();
            cursor.grants_left = cursor.grants_left.saturating_sub(u32::try_from(met).unwrap_or(u32::MAX));
            if hold.session != step.session && met > 0 {
                self.move_cursor(step, cursor);
                return Some((hold.session, EdgeKind::Hard));
            }
        }
        self.move_cursor(step, cursor);
        while let Some(ahead) = self.next_ahead(table, step) {
            let mode = table.procs[ahead.index()].wait.map(|wait| wait.mode);
            if mode.is_some_and(|mode| conflicts.contains(mode)) {
                return Some((ahead, EdgeKind::Soft));
            }
        }
        None
    }

    /// The next waiter ahead, whatever it waits for. The queue is numbered as it is walked along, no further: of a
    /// long one most often its head alone matters.
    fn next_ahead(&mut self, table: &LockTable, step: Step) -> Option<SessionId> {
        let seen = &mut self.locks[step.lock];
        let at = seen.places[step.mode as usize];
        if at == seen.waiters.len() {
            if seen.rest == NIL {
                return None;
            }
            let next = SessionId(seen.rest);
            seen.waiters.push(next);
            seen.rest = table.procs[next.index()].next;
            self.place[next.index()] = (self.round, at);
        }
        let (round, own) = self.place[step.session.index()];
        if round == self.round && at >= own {
            return None;
        }
        seen.places[step.mode as usize] += 1;
        Some(seen.waiters[at])
    }

    fn move_cursor(&mut self, step: Step, cursor: Cursor) {
        match self.path.last_mut() {
            Some(Step { own_cursor: Some(own), .. }) => *own = cursor,
            _ => self.locks[step.lock].holds[step.mode as usize] = cursor,
        }
    }

    /// The notes on a lock, made when the search first comes to it.
    fn seen(&mut self, table: &LockTable, orders: &[WaitOrder], lock: u32) -> usize {
        if let Some(&index) = self.lock_index.get(&lock) {
            return index;
        }
        let state = &table.locks[lock as usize];
        let (mut waiters, mut rest) = (Vec::new(), state.queue.head);
        if let Some(order) = orders.iter().find(|order| order.lock == lock) {
            (waiters, rest) = (order.waiters.clone(), NIL);
            for (place, waiter) in waiters.iter().enumerate() {
                self.place[waiter.index()] = (self.round, place);
            }
        }
        let holds = LockMode::ALL.map(|mode| cursor(state, mode));
        self.locks.push(Seen { lock, waiters, rest, holds, places: [0; LockMode::COUNT] });
        self.lock_index.insert(lock, self.locks.len() - 1);
        self.locks.len() - 1
    }
}

/// The beginning of the way along a lock's holds for a waiter of this mode.
fn cursor(lock: &Lock, mode: LockMode) -> Cursor {
    Cursor { next: lock.holds.head, grants_left: lock.granted_in(mode.conflicts()) }
}
