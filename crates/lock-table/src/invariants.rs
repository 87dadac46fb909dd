//! What always holds of a lock, asserted after every change in debug builds.

use crate::lock::NIL;
use crate::{LockModes, LockTable, SessionId};

/// Longer lists than this are not looked through after every change: it would make them quadratic.
const LONG: u32 = 64;

impl LockTable {
    /// Asserts the invariants of a lock.
    pub(crate) fn check(&self, lock: u32) {
        if cfg!(debug_assertions) {
            let state = &self.locks[lock as usize];
            debug_assert!(state.counts_agree(), "counts and masks of {:?} disagree", state.tag);
            if state.holds.len + state.queue.len <= LONG {
                self.check_holders(lock);
                self.check_queue(lock);
            }
        }
    }

    /// Modes that conflict are held by one session only, which has them all.
    fn check_holders(&self, lock: u32) {
        let state = &self.locks[lock as usize];
        let holds: Vec<_> = self.holds.of_lock(state.holds).collect();
        for (at, one) in holds.iter().enumerate() {
            debug_assert!(one.fast.without(one.modes()).is_empty(), "the fast path holds what is held");
            for other in &holds[..at] {
                debug_assert!(one.session != other.session, "{} holds {:?} twice", one.session, state.tag);
                let conflict = one.modes().iter().any(|mode| mode.conflicts().intersects(other.modes()));
                debug_assert!(
                    !conflict,
                    "{} and {} hold {:?} in conflict",
                    one.session, other.session, state.tag
                );
            }
        }
    }

    /// Each waiter has a reason to wait: a holder, or a waiter ahead of it.
    fn check_queue(&self, lock: u32) {
        let state = &self.locks[lock as usize];
        let (mut waiter, mut prev, mut ahead) = (state.queue.head, NIL, LockModes::NONE);
        while waiter != NIL {
            let proc = &self.procs[waiter as usize];
            debug_assert_eq!(proc.prev, prev, "the queue's links agree");
            let Some(wait) = proc.wait else {
                debug_assert!(false, "{} is in a queue and waits for nothing", SessionId(waiter));
                return;
            };
            let own = self.holds.get(wait.hold).modes();
            let has_reason =
                wait.mode.conflicts().intersects(ahead) || state.conflicts_with_others(wait.mode, own);
            debug_assert!(has_reason, "{} waits for {:?} without a reason", SessionId(waiter), state.tag);
            ahead.insert(wait.mode);
            (prev, waiter) = (waiter, proc.next);
        }
        debug_assert_eq!(state.queue.tail, prev, "the queue ends at its tail");
    }
}
