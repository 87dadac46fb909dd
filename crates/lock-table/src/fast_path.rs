//! The fast path for relation locks of reading and writing, as far as it can be seen from outside.

use crate::hold::Hold;
use crate::lock::{Lock, NIL};
use crate::table::Proc;
use crate::{LockMode, LockModes, LockTable, LockTag};

/// How many relations a session can lock by its fast path (`FP_LOCK_SLOTS_PER_BACKEND`; 18 has more).
const FAST_SLOTS: u8 = 16;

impl LockTable {
    /// Reading and writing take their relation locks by a *fast path* that the main lock table knows nothing of,
    /// as long as nobody holds or wants the relation in a mode that could conflict (`README`, "Fast Path
    /// Locking"). It is here because it shows: a session that waits in the main table is not known there to
    /// hold what it has in its fast path, so the early deadlock test misses that.
    #[inline]
    pub(crate) fn enter_fast_path(lock: &mut Lock, proc: &mut Proc, hold: &mut Hold, mode: LockMode) {
        let strong = lock.granted_modes.union(lock.waiting_modes).intersects(LockModes::STRONG);
        let is_relation = matches!(lock.tag, LockTag::Relation(_));
        if strong || !is_relation || !LockModes::WEAK.contains(mode) || proc.fast_slots >= FAST_SLOTS {
            return;
        }
        if hold.fast.is_empty() {
            proc.fast_slots += 1;
            lock.fast_holds += 1;
        }
        hold.fast.insert(mode);
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
