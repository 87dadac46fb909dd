//! The deadlock detector: looks for a cycle of waits, and for a better queue order if one would undo it.
//!
//! A waiter waits for two kinds of sessions. A **hard** edge leads to a session that *holds* the lock in a
//! conflicting mode; nothing but its release helps. A **soft** edge leads to a session that *waits ahead* in
//! the same queue for a conflicting mode; were the queue in another order, the edge would point the other way.
//!
//! ```text
//!      A holds t1, waits for t2 ──hard──► C holds t2, waits for t1 behind B
//!      ▲                                  │
//!      └──hard── B waits for t1 ◄──soft───┘         put C before B, and nobody waits in a circle
//! ```
//!
//! `check_deadlock` runs when a session has waited for its `deadlock_timeout`, once per wait. It follows the
//! edges from that session only, depth first, holders before waiters ahead. Three things can come of it:
//!
//! * no way leads back to the session: no deadlock, or one that does not include it and that another session
//!   will find;
//! * a cycle of hard edges only: the session that looked gives up its wait (it is the victim because its
//!   timer fired first, not because it closed the cycle);
//! * a cycle with soft edges: each is tried in turn as a *constraint*, "this waiter shall stand before that
//!   one". A topological sort turns the constraints on a queue into a new order, as close to the old one as
//!   they allow, and the search starts over against that order. A new order can close another cycle, so the
//!   sessions named in the constraints are searched from, too, and further constraints may be added. If no
//!   set of constraints helps, the deadlock is as hard as the first kind; if one does, the queues are put
//!   into their new order and whoever can now go on is woken.
//!
//! The rules are those of `deadlock.c` and the section "The Deadlock Detection Algorithm" of `README` in
//! PostgreSQL's `src/backend/storage/lmgr`, to the order in which edges are tried: that decides which of
//! several possible rearrangements is taken. Only the cost differs. PostgreSQL looks at every edge, n²/2 in a
//! queue of n that conflict with each other; here each (lock, mode) has a cursor per search, for who waits
//! for the same mode on the same lock has the same holders and the same waiters ahead: what one of them has
//! looked at leads nowhere new for the next. A session that nobody waits for cannot be in a cycle at all; nor can
//! one from whose lock no way leads back, as those who hold it, or hold what these wait for, tell. Nearly every
//! check ends there, and takes as long for the hundred thousandth in a queue as for the first.

use rustc_hash::FxHashSet;

use crate::hold::Hold;
use crate::lock::NIL;
use crate::search::{CycleEdge, Search};
use crate::views::EdgeKind;
use crate::{LockModes, LockTable, SessionId};

/// More constraints than this are not tried at once: the deadlock then counts as hard. PostgreSQL's limit is
/// the number of backends.
const MAX_CONSTRAINTS: usize = 256;

/// So many steps along a queue cost less than looking at it otherwise.
const FEW: u32 = 16;

/// What the detector found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeadlockState {
    /// The session is in no cycle.
    None,
    /// It was in cycles which a new order of wait queues has undone; who could go on has been woken.
    Soft,
    /// It is in a cycle that nothing undoes: edges from the session on, each to the next one's waiter.
    Hard(Vec<CycleEdge>),
    /// It is in no cycle, but an autovacuum worker holds what it waits for.
    BlockedByAutovacuum(SessionId),
}

/// "This waiter shall stand before that one in the queue of this lock": a soft edge turned around.
#[derive(Clone, Copy, Debug)]
struct Constraint {
    waiter: SessionId,
    blocker: SessionId,
    lock: u32,
}

/// A queue in the order that the constraints demand.
#[derive(Clone, Debug)]
pub(crate) struct WaitOrder {
    pub(crate) lock: u32,
    pub(crate) waiters: Vec<SessionId>,
}

/// The detector's memory between checks, so that a check allocates nothing in the usual case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) search: Search,
    orders: Vec<WaitOrder>,
    /// The locks that a way from the session leads to, and those of them that are still to be looked at.
    reached: FxHashSet<u32>,
    to_visit: Vec<u32>,
}

/// What came of trying a set of constraints.
enum Trial {
    /// No cycle is left.
    Solved,
    /// A cycle without soft edges, or constraints that contradict each other.
    Hopeless,
    /// A cycle is left, with these soft edges.
    Try(Vec<Constraint>),
}

impl LockTable {
    /// Looks for deadlocks that the waiting session is part of, and undoes the soft ones. Sessions that go on
    /// because of a new queue order are appended to `woken`.
    ///
    /// After `Hard`, the caller ends the session's wait with `cancel_wait`.
    pub fn check_deadlock(&mut self, session: SessionId, woken: &mut Vec<SessionId>) -> DeadlockState {
        if !self.is_waited_for(session) {
            return self.blocked_by_autovacuum(session);
        }
        let mut scratch = std::mem::take(&mut self.detector);
        if !self.may_be_in_cycle(session, &mut scratch) {
            self.detector = scratch;
            return self.blocked_by_autovacuum(session);
        }
        scratch.orders.clear();
        let state = if self.solve(session, &mut Vec::new(), &mut scratch) {
            for order in &scratch.orders {
                self.reorder_queue(order.lock, &order.waiters);
                self.wake_waiters(order.lock, woken);
                self.check(order.lock);
            }
            if scratch.orders.is_empty() { self.blocked_by_autovacuum(session) } else { DeadlockState::Soft }
        } else {
            scratch.search.find_cycle(self, &[], session);
            DeadlockState::Hard(scratch.search.cycle(self))
        };
        self.detector = scratch;
        state
    }

    /// Whether anybody may wait for this session: at a lock that it holds, or behind it in its queue.
    fn is_waited_for(&self, session: SessionId) -> bool {
        let proc = &self.procs[session.index()];
        let holds_wanted = self.holds.of_session(proc.holds).any(|hold| self.is_wanted(hold));
        holds_wanted || self.is_waited_for_behind(session)
    }

    /// Whether somebody waits for what the session holds here.
    fn is_wanted(&self, hold: &Hold) -> bool {
        let wanted = self.locks[hold.lock as usize].waiting_modes;
        !wanted.is_empty() && hold.modes().iter().any(|mode| mode.conflicts().intersects(wanted))
    }

    /// Whether anybody behind this session in its queue may wait for it: if not all whose requests conflict with
    /// its own stand ahead. Of the readers and writers behind one ALTER TABLE, which is found at once, nobody is
    /// waited for. Who is not done with a few steps along the queue does not go on: it may be.
    fn is_waited_for_behind(&self, session: SessionId) -> bool {
        let Some(own) = self.procs[session.index()].wait else { return false };
        let lock = &self.locks[own.lock as usize];
        let conflicts = own.mode.conflicts();
        let mut left = lock.waiting_in(conflicts) - u32::from(conflicts.contains(own.mode));
        let mut ahead = lock.queue.head;
        for _ in 0..FEW {
            if left == 0 || ahead == NIL || ahead == session.0 {
                break;
            }
            let other = &self.procs[ahead as usize];
            left -= u32::from(other.wait.is_some_and(|wait| conflicts.contains(wait.mode)));
            ahead = other.next;
        }
        left > 0
    }

    /// Whether a way of waits may lead from the session back to it, seen from so far that whole queues are points.
    ///
    /// Those who wait for the same lock lead nowhere but to its holders: the way leaves a queue only by a holder
    /// that waits elsewhere. So it goes from lock to lock, however long their queues are. It may come back to the
    /// session where that holds something wanted, or by somebody who waits in its own queue. Modes and places are
    /// left out of account, so this may see a way where there is none, never the other way round.
    fn may_be_in_cycle(&self, session: SessionId, scratch: &mut Scratch) -> bool {
        let Some(own) = self.procs[session.index()].wait else { return false };
        scratch.reached.clear();
        scratch.reached.insert(own.lock);
        scratch.to_visit.clear();
        scratch.to_visit.push(own.lock);
        while let Some(id) = scratch.to_visit.pop() {
            let lock = &self.locks[id as usize];
            let mut grants_left = lock.granted_in(LockModes::ALL);
            for hold in self.holds.of_lock(lock.holds) {
                if grants_left == 0 {
                    break;
                }
                grants_left -= hold.modes().len();
                if hold.session == session {
                    if self.is_wanted(hold) {
                        return true;
                    }
                    continue;
                }
                let wait = self.procs[hold.session.index()].wait.filter(|_| !hold.modes().is_empty());
                let Some(wait) = wait else { continue };
                if wait.lock == own.lock {
                    return true;
                }
                if scratch.reached.insert(wait.lock) {
                    scratch.to_visit.push(wait.lock);
                }
            }
        }
        false
    }

    /// The last of the holders that keep the session waiting that is an autovacuum worker.
    fn blocked_by_autovacuum(&self, session: SessionId) -> DeadlockState {
        let wait = self.procs[session.index()].wait.filter(|_| self.autovacuum_workers > 0);
        let Some(wait) = wait else { return DeadlockState::None };
        self.holds
            .of_lock(self.locks[wait.lock as usize].holds)
            .filter(|hold| hold.session != session && self.procs[hold.session.index()].is_autovacuum)
            .filter(|hold| hold.modes().intersects(wait.mode.conflicts()))
            .last()
            .map_or(DeadlockState::None, |hold| DeadlockState::BlockedByAutovacuum(hold.session))
    }

    /// Adds constraints until no cycle is left; `false` if none helps (`DeadLockCheckRecurse`).
    fn solve(&self, start: SessionId, constraints: &mut Vec<Constraint>, scratch: &mut Scratch) -> bool {
        let candidates = match self.try_constraints(start, constraints, scratch) {
            Trial::Solved => return true,
            Trial::Hopeless => return false,
            Trial::Try(_) if constraints.len() >= MAX_CONSTRAINTS => return false,
            Trial::Try(candidates) => candidates,
        };
        for constraint in candidates {
            constraints.push(constraint);
            if self.solve(start, constraints, scratch) {
                return true;
            }
            constraints.pop();
        }
        false
    }

    /// Looks for cycles under these constraints, first through the sessions that they move, then through
    /// `start`; of several cycles the last one found is the one to be undone next (`TestConfiguration`).
    fn try_constraints(&self, start: SessionId, constraints: &[Constraint], scratch: &mut Scratch) -> Trial {
        if !self.expand(constraints, &mut scratch.orders) {
            return Trial::Hopeless;
        }
        let moved = constraints.iter().flat_map(|it| [it.waiter, it.blocker]);
        let mut left = Trial::Solved;
        for session in moved.chain([start]) {
            if !scratch.search.find_cycle(self, &scratch.orders, session) {
                continue;
            }
            // The edge nearest the end of the way back is tried first.
            let edges = scratch.search.cycle(self);
            let soft: Vec<_> = edges.iter().rev().filter(|it| it.kind == EdgeKind::Soft).collect();
            if soft.is_empty() {
                return Trial::Hopeless;
            }
            let turned = |it: &&CycleEdge| {
                let lock = self.procs[it.waiter.index()].wait.map_or(NIL, |wait| wait.lock);
                Constraint { waiter: it.waiter, blocker: it.blocker, lock }
            };
            left = Trial::Try(soft.iter().map(turned).collect());
        }
        left
    }

    /// Works out the order of every queue that constraints are about; `false` if they contradict each other
    /// (`ExpandConstraints`). The latest constraint's queue comes first.
    fn expand(&self, constraints: &[Constraint], orders: &mut Vec<WaitOrder>) -> bool {
        orders.clear();
        for latest in constraints.iter().rev() {
            if orders.iter().any(|order| order.lock == latest.lock) {
                continue;
            }
            let queue: Vec<_> = self.queue(self.locks[latest.lock as usize].tag).map(|(it, _)| it).collect();
            let about_it: Vec<_> = constraints.iter().filter(|it| it.lock == latest.lock).copied().collect();
            let Some(waiters) = sort(queue, &about_it) else { return false };
            orders.push(WaitOrder { lock: latest.lock, waiters });
        }
        true
    }
}

/// Sorts a queue so that each constraint's waiter stands before its blocker, filling the new order from its
/// end with the last waiter of the old one who may stand there (`TopoSort`).
fn sort(queue: Vec<SessionId>, constraints: &[Constraint]) -> Option<Vec<SessionId>> {
    let mut open = constraints.to_vec();
    let mut left: Vec<Option<SessionId>> = queue.into_iter().map(Some).collect();
    let mut order = Vec::with_capacity(left.len());
    loop {
        while left.last().is_some_and(Option::is_none) {
            left.pop();
        }
        if left.is_empty() {
            break;
        }
        let may_be_last = |it: &Option<SessionId>| it.is_some_and(|it| open.iter().all(|c| c.waiter != it));
        let chosen = left.iter().rposition(may_be_last)?;
        let session = left[chosen].take()?;
        open.retain(|constraint| constraint.blocker != session);
        order.push(session);
    }
    order.reverse();
    Some(order)
}
