//! Giving locks back: one, those of a transaction, or the place in a queue.

use crate::hold::{Hold, HoldId};
use crate::lock::NIL;
use crate::{LockMode, LockModes, LockTable, Scope, SessionId};

impl LockTable {
    /// Gives one mode back, unless the session keeps it in the other scope; those whom it kept waiting are
    /// granted and appended to `woken`, in order.
    pub fn release(&mut self, hold: HoldId, mode: LockMode, scope: Scope, woken: &mut Vec<SessionId>) {
        self.release_modes(hold.0, LockModes::only(mode), scope, woken);
    }

    /// Gives back everything but what is kept for the session: advisory locks last, as `ProcReleaseLocks`
    /// in `proc.c` does, and otherwise in the order in which the locks were taken.
    pub fn release_transaction(&mut self, session: SessionId, woken: &mut Vec<SessionId>) {
        if self.release_kind::<false>(session, woken) {
            self.release_advisory(session, woken);
        }
    }

    #[cold]
    fn release_advisory(&mut self, session: SessionId, woken: &mut Vec<SessionId>) {
        self.release_kind::<true>(session, woken);
    }

    /// Gives back the advisory locks, or all others; says whether there are locks of the other kind.
    #[inline(always)]
    fn release_kind<const ADVISORY: bool>(&mut self, session: SessionId, woken: &mut Vec<SessionId>) -> bool {
        let mut others = false;
        let mut id = self.procs[session.index()].holds.head;
        while id != NIL {
            let next = self.holds.next_in_session(id);
            let hold = self.holds.get(id);
            if hold.is_advisory == ADVISORY {
                self.release_modes(id, hold.by_scope[0], Scope::Transaction, woken);
            } else {
                others = true;
            }
            id = next;
        }
        others
    }

    /// Ends the session's wait without the lock: a timeout, a cancel, a deadlock's victim.
    pub fn cancel_wait(&mut self, session: SessionId, woken: &mut Vec<SessionId>) {
        let Some(wait) = self.procs[session.index()].wait else { return };
        self.leave_queue(session);
        self.remove_hold_if_empty(wait.hold);
        // Whoever stood behind may be free now, even if the waiter conflicted with nobody that waits: the
        // queue is looked through as a whole.
        self.wake_waiters(wait.lock, woken);
        self.check(wait.lock);
        self.drop_if_unused(wait.lock);
    }

    #[inline(always)]
    fn release_modes(&mut self, id: u32, modes: LockModes, scope: Scope, woken: &mut Vec<SessionId>) {
        let hold = self.holds.get_mut(id);
        let lock_id = hold.lock;
        let lock = &mut self.locks[lock_id as usize];
        let proc = &mut self.procs[hold.session.index()];
        debug_assert!(modes.without(hold.by_scope[scope as usize]).is_empty(), "what is released is held");
        let before = hold.modes();
        hold.by_scope[scope as usize] = hold.by_scope[scope as usize].without(modes);
        let kept = hold.modes();
        let given_back = before.without(kept);
        if !hold.fast.is_empty() {
            hold.fast = hold.fast.without(given_back);
            if hold.fast.is_empty() {
                proc.fast_slots -= 1;
                lock.fast_holds -= 1;
            }
        }
        let mut wakes = false;
        for mode in given_back.iter() {
            lock.count_ungrant(mode);
            wakes |= mode.conflicts().intersects(lock.waiting_modes);
        }
        if kept.is_empty() && proc.wait.is_none_or(|wait| wait.hold != id) {
            self.holds.remove(id, &mut lock.holds, &mut proc.holds);
        }
        if wakes {
            self.wake_waiters(lock_id, woken);
        }
        self.check(lock_id);
        if self.locks[lock_id as usize].is_unused() {
            self.drop_if_unused(lock_id);
        }
    }

    pub(crate) fn remove_hold_if_empty(&mut self, id: u32) {
        let Hold { lock, session, .. } = *self.holds.get(id);
        let proc = &mut self.procs[session.index()];
        let waits = proc.wait.is_some_and(|wait| wait.hold == id);
        if self.holds.get(id).modes().is_empty() && !waits {
            self.holds.remove(id, &mut self.locks[lock as usize].holds, &mut proc.holds);
        }
    }
}
