//! The fast path for relation locks of reading and writing, as far as it can be seen from outside.
//!
//! Reading and writing take their relation locks by a *fast path* that the main lock table knows nothing of, as long
//! as nobody holds or wants the relation in a mode that could conflict (`README`, "Fast Path Locking"). It is here
//! because it shows: a session that waits in the main table is not known there to hold what it has in its fast path,
//! so the early deadlock test misses that.

use crate::hold::HoldId;
use crate::lock::{Lock, NIL};
use crate::table::Proc;
use crate::{LockMode, LockModes, LockTable, LockTag, RelationId, Scope, SessionId};

/// How many relations a session can lock by its fast path (`FP_LOCK_SLOTS_PER_BACKEND`; 18 has more).
const FAST_SLOTS: u8 = 16;

impl Lock {
    /// Notes that a session has taken the lock by its fast path.
    #[inline]
    pub(crate) fn enter_fast_path(&mut self, proc: &mut Proc) {
        proc.fast_slots += 1;
        self.fast_holds += 1;
    }

    /// Whether a session may take this lock in this mode by its fast path.
    #[inline]
    pub(crate) fn lets_pass(&self, mode: LockMode, proc: &Proc) -> bool {
        let strong = self.granted_modes.union(self.waiting_modes).intersects(LockModes::STRONG);
        let is_relation = matches!(self.tag, LockTag::Relation(_));
        !strong && is_relation && LockModes::WEAK.contains(mode) && proc.fast_slots < FAST_SLOTS
    }
}

impl LockTable {
    /// A first lock for reading or writing on a relation that nobody wants for more: nothing can conflict. What is
    /// asked for almost always, and `request_any` would do the same in more steps.
    #[inline]
    pub(crate) fn request_weak(
        &mut self,
        session: SessionId,
        tag: LockTag,
        mode: LockMode,
        scope: Scope,
    ) -> Option<HoldId> {
        let LockTag::Relation(RelationId(relation)) = tag else { return None };
        let id = *self.relations.get(relation as usize)?;
        let lock = self.locks.get_mut(id as usize)?;
        let proc = self.procs.get_mut(session.index())?;
        if !lock.lets_pass(mode, proc) {
            return None;
        }
        if proc.holds.len > 0 && self.holds.find(id, lock.holds, session, proc.holds).is_some() {
            return None;
        }
        let fast = LockModes::only(mode);
        let mut held = [LockModes::NONE; 2];
        held[scope as usize] = fast;
        lock.count_grant(mode);
        lock.enter_fast_path(proc);
        Some(HoldId(self.holds.add(id, lock, session, &mut proc.holds, held, fast)))
    }

    /// Who wants a strong mode first brings everybody's fast-path locks of the relation into the main table.
    pub(crate) fn leave_fast_path(&mut self, lock: u32) {
        let mut id = self.locks[lock as usize].holds.head;
        while id != NIL {
            let hold = self.holds.get_mut(id);
            if !std::mem::take(&mut hold.fast).is_empty() {
                self.procs[hold.session.index()].fast_slots -= 1;
            }
            id = self.holds.next_in_lock(id);
        }
        self.locks[lock as usize].fast_holds = 0;
    }
}
