//! The wait queue of a lock: where a newcomer stands, and who goes on when something was given back.
//!
//! `README` and `proc.c` in PostgreSQL's `src/backend/storage/lmgr` describe both. A waiter blocks later
//! requests that conflict with its own, so the queue is fair; a session that already holds the lock stands
//! before the first waiter that it blocks, as that one could not go on before it anyway.

use crate::hold::HoldId;
use crate::lock::NIL;
use crate::table::Wait;
use crate::{LockMode, LockModes, LockTable, Request, Scope, SessionId};

/// Where a request that cannot be granted at once has its place.
enum Place {
    /// Before this waiter, or at the end (`NIL`).
    Before(u32),
    /// Nowhere: those who would have to go first do not keep it from having the lock.
    Granted,
    /// Nowhere: it would wait for a waiter that waits for it.
    Deadlock,
}

impl LockTable {
    /// Gives the request its place in the queue (`ProcSleep`, from version 17 on `JoinWaitQueue`).
    pub(crate) fn join_wait_queue(
        &mut self,
        session: SessionId,
        hold: u32,
        mode: LockMode,
        scope: Scope,
        wait: bool,
    ) -> Request {
        match self.place_in_queue(hold, mode) {
            Place::Granted => {
                self.grant(hold, mode, scope);
                Request::Granted(HoldId(hold))
            }
            _ if !wait => Request::Unavailable,
            Place::Deadlock => Request::Deadlock,
            Place::Before(next) => {
                self.enter_queue(session, hold, mode, scope, next);
                Request::Queued(HoldId(hold))
            }
        }
    }

    /// The holder's jump: a session that holds the lock goes before the first waiter that must wait for it.
    /// If nobody before that place and no holder conflicts with the request, it needs not wait at all; if
    /// that waiter's own holds keep the session waiting too, neither could ever go on.
    fn place_in_queue(&self, hold: u32, mode: LockMode) -> Place {
        let own = self.holds.get(hold);
        let lock = &self.locks[own.lock as usize];
        // Most who wait hold nothing here, or nothing that any waiter wants: their place is the end.
        let held = own.shared_modes();
        if held.iter().all(|held| !held.conflicts().intersects(lock.waiting_modes)) {
            return Place::Before(NIL);
        }
        let mut ahead = LockModes::NONE;
        let mut other = lock.queue.head;
        while other != NIL {
            let proc = &self.procs[other as usize];
            let Some(theirs) = proc.wait else { break };
            if theirs.mode.conflicts().intersects(held) {
                if mode.conflicts().intersects(theirs.held) {
                    return Place::Deadlock;
                }
                let is_free =
                    !mode.conflicts().intersects(ahead) && !lock.conflicts_with_others(mode, own.modes());
                return if is_free { Place::Granted } else { Place::Before(other) };
            }
            ahead.insert(theirs.mode);
            other = proc.next;
        }
        Place::Before(NIL)
    }

    fn enter_queue(&mut self, session: SessionId, hold: u32, mode: LockMode, scope: Scope, next: u32) {
        let own = self.holds.get(hold);
        let lock = &mut self.locks[own.lock as usize];
        let prev = if next == NIL { lock.queue.tail } else { self.procs[next as usize].prev };
        let proc = &mut self.procs[session.index()];
        let (held, is_holder) = (own.shared_modes(), !own.modes().is_empty());
        proc.wait = Some(Wait { lock: own.lock, mode, scope, hold, held, is_holder });
        (proc.prev, proc.next) = (prev, next);
        lock.count_wait(mode, is_holder);
        lock.queue.len += 1;
        match prev {
            NIL => lock.queue.head = session.0,
            prev => self.procs[prev as usize].next = session.0,
        }
        match next {
            NIL => lock.queue.tail = session.0,
            next => self.procs[next as usize].prev = session.0,
        }
    }

    /// Takes the session out of the queue that it waits in.
    pub(crate) fn leave_queue(&mut self, session: SessionId) {
        let proc = &mut self.procs[session.index()];
        let Some(wait) = proc.wait.take() else { return };
        let (prev, next) = (proc.prev, proc.next);
        (proc.prev, proc.next) = (NIL, NIL);
        let lock = &mut self.locks[wait.lock as usize];
        lock.count_unwait(wait.mode, wait.is_holder);
        lock.queue.len -= 1;
        match prev {
            NIL => lock.queue.head = next,
            prev => self.procs[prev as usize].next = next,
        }
        match next {
            NIL => lock.queue.tail = prev,
            next => self.procs[next as usize].prev = prev,
        }
    }

    /// Grants, in queue order, every waiter that conflicts neither with what others hold nor with a waiter
    /// passed over before it (`ProcLockWakeup`), and appends it to `woken`.
    ///
    /// The scan stops as soon as no mode still waited for can be granted. The grants are the same as those
    /// of a full scan, but draining a queue of n self-conflicting waiters takes n steps instead of n²/2.
    pub(crate) fn wake_waiters(&mut self, lock: u32, woken: &mut Vec<SessionId>) {
        let mut ahead = LockModes::NONE;
        let mut waiter = self.locks[lock as usize].queue.head;
        while waiter != NIL && !self.locks[lock as usize].all_hopeless(ahead) {
            let proc = &self.procs[waiter as usize];
            let next = proc.next;
            let Some(Wait { mode, scope, hold, .. }) = proc.wait else { break };
            let own = self.holds.get(hold).modes();
            if mode.conflicts().intersects(ahead)
                || self.locks[lock as usize].conflicts_with_others(mode, own)
            {
                ahead.insert(mode);
            } else {
                self.leave_queue(SessionId(waiter));
                self.grant(hold, mode, scope);
                woken.push(SessionId(waiter));
            }
            waiter = next;
        }
    }

    /// Puts the waiters of a lock into another order, as the deadlock detector found it.
    pub(crate) fn reorder_queue(&mut self, lock: u32, order: &[SessionId]) {
        let mut prev = NIL;
        for (place, &session) in order.iter().enumerate() {
            let next = order.get(place + 1).map_or(NIL, |next| next.0);
            let proc = &mut self.procs[session.index()];
            (proc.prev, proc.next) = (prev, next);
            prev = session.0;
        }
        let queue = &mut self.locks[lock as usize].queue;
        queue.head = order.first().map_or(NIL, |first| first.0);
        queue.tail = prev;
        debug_assert_eq!(queue.len as usize, order.len(), "a new order holds the same waiters");
    }
}
