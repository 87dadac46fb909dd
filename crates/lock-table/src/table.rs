//! The table itself: finding a lock, asking for it, giving it back.

use rustc_hash::FxHashMap;

use crate::hold::{Hold, HoldId, Holds};
use crate::lock::{Ends, Lock, NIL};
use crate::{LockMode, LockModes, LockTag, RelationId, SessionId};

/// Relations with smaller numbers than this are found by index, all others by hash.
const FLAT_RELATIONS: u32 = 1 << 20;

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// The session has the lock now.
    Granted(HoldId),
    /// The session had the lock in this mode already.
    AlreadyHeld(HoldId),
    /// The session waits, at the place in the queue that PostgreSQL gives it, and will hold this.
    Queued(HoldId),
    /// The session would have to wait and did not want to.
    Unavailable,
    /// Waiting would be a deadlock with a waiter of the same queue, seen at once: 40P01 without a timer.
    Deadlock,
}

/// How long a lock is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Until the transaction ends.
    Transaction,
    /// Until it is given back: `pg_advisory_lock`, and the table of a `CONCURRENTLY` command.
    Session,
}

/// A session as the lock table knows it (`PGPROC`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proc {
    pub(crate) holds: Ends,
    /// What it waits for: at most one lock.
    pub(crate) wait: Option<Wait>,
    /// Its neighbours in that lock's queue.
    pub(crate) prev: u32,
    pub(crate) next: u32,
    pub(crate) is_autovacuum: bool,
    /// How many relations it has locked by its fast path.
    pub(crate) fast_slots: u8,
}

/// A waiting request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    pub(crate) lock: u32,
    pub(crate) mode: LockMode,
    pub(crate) scope: Scope,
    pub(crate) hold: u32,
    /// What the session held of this lock in the main lock table when it joined the queue: this, and not what
    /// has come there since, is what the early deadlock test of others looks at (`PGPROC.heldLocks`).
    pub(crate) held: LockModes,
    pub(crate) is_holder: bool,
}

impl Proc {
    const NEW: Self =
        Self { holds: Ends::EMPTY, wait: None, prev: NIL, next: NIL, is_autovacuum: false, fast_slots: 0 };
}

/// The lock table of one server.
#[derive(Clone, Debug, Default)]
pub struct LockTable {
    pub(crate) locks: Vec<Lock>,
    free_locks: Vec<u32>,
    pub(crate) relations: Vec<u32>,
    others: FxHashMap<LockTag, u32>,
    pub(crate) holds: Holds,
    pub(crate) procs: Vec<Proc>,
    pub(crate) no_wait_may_jump: bool,
    pub(crate) autovacuum_workers: u32,
    pub(crate) detector: crate::deadlock::Scratch,
}

impl LockTable {
    /// An empty lock table.
    ///
    /// `no_wait_may_jump`: whether a request that does not want to wait is granted where a waiting one
    /// would be granted on joining the queue, by its holder's jump. PostgreSQL does so from version 17 on
    /// (`LockAcquireExtended` in `lock.c`); before, any conflict with the queue refused it.
    #[must_use]
    pub fn new(no_wait_may_jump: bool) -> Self {
        Self { no_wait_may_jump, ..Self::default() }
    }

    /// Makes the session known; sessions with smaller numbers are known then, too.
    pub fn add_session(&mut self, session: SessionId) {
        if self.procs.len() <= session.index() {
            self.procs.resize(session.index() + 1, Proc::NEW);
        }
    }

    /// Marks the session as an autovacuum worker, whom the deadlock detector reports as a blocker.
    pub fn set_autovacuum(&mut self, session: SessionId, is_autovacuum: bool) {
        let before = std::mem::replace(&mut self.procs[session.index()].is_autovacuum, is_autovacuum);
        self.autovacuum_workers += u32::from(is_autovacuum);
        self.autovacuum_workers -= u32::from(before);
    }

    /// Asks for the lock; if it is not free, the session joins the queue, or not if it won't `wait`.
    ///
    /// A session that waits already must not ask again: a backend waits for one lock at a time.
    pub fn request(
        &mut self,
        session: SessionId,
        tag: LockTag,
        mode: LockMode,
        scope: Scope,
        wait: bool,
    ) -> Request {
        match self.request_weak(session, tag, mode, scope) {
            Some(hold) => Request::Granted(hold),
            None => self.request_any(session, tag, mode, scope, wait),
        }
    }

    #[inline(never)]
    fn request_any(
        &mut self,
        session: SessionId,
        tag: LockTag,
        mode: LockMode,
        scope: Scope,
        wait: bool,
    ) -> Request {
        let lock_id = self.lock_for(tag);
        let lock = &self.locks[lock_id as usize];
        let proc = &self.procs[session.index()];
        debug_assert!(proc.wait.is_none(), "{session} waits already");
        let found = self.holds.find(lock_id, lock.holds, session, proc.holds);
        let own = found.map_or(LockModes::NONE, |id| self.holds.get(id).modes());
        if let Some(id) = found.filter(|_| own.contains(mode)) {
            return self.grant_again(id, mode, scope);
        }
        if LockModes::STRONG.contains(mode) && lock.fast_holds > 0 {
            self.leave_fast_path(lock_id);
        }
        let lock = &mut self.locks[lock_id as usize];
        let proc = &mut self.procs[session.index()];
        let conflict =
            mode.conflicts().intersects(lock.waiting_modes) || lock.conflicts_with_others(mode, own);
        if conflict && !wait && !self.no_wait_may_jump {
            self.drop_if_unused(lock_id);
            return Request::Unavailable;
        }
        let (nothing, none) = ([LockModes::NONE; 2], LockModes::NONE);
        let id = match found {
            Some(id) => id,
            None => self.holds.add(lock_id, lock, session, &mut proc.holds, nothing, none),
        };
        if !conflict {
            let hold = self.holds.get_mut(id);
            hold.by_scope[scope as usize].insert(mode);
            lock.count_grant(mode);
            if lock.lets_pass(mode, proc) {
                if hold.fast.is_empty() {
                    lock.enter_fast_path(proc);
                }
                hold.fast.insert(mode);
            }
            return Request::Granted(HoldId(id));
        }
        let result = self.join_wait_queue(session, id, mode, scope, wait);
        self.remove_hold_if_empty(id);
        self.check(lock_id);
        result
    }

    /// A mode that the session holds already costs nothing, but may now be held for longer.
    fn grant_again(&mut self, hold: u32, mode: LockMode, scope: Scope) -> Request {
        let modes = &mut self.holds.get_mut(hold).by_scope[scope as usize];
        if modes.contains(mode) {
            return Request::AlreadyHeld(HoldId(hold));
        }
        modes.insert(mode);
        Request::Granted(HoldId(hold))
    }

    /// Enters that the session holds the lock, which nobody can contest: its own transaction id.
    ///
    /// Nobody asks for such a lock but to wait for its holder's end, so it is entered when the first one
    /// wants to wait, as PostgreSQL does with virtual transaction ids (`VirtualXactLock` in `lock.c`).
    pub fn enter_own(&mut self, session: SessionId, tag: LockTag) {
        let lock_id = self.lock_for(tag);
        let lock = &mut self.locks[lock_id as usize];
        let proc = &mut self.procs[session.index()];
        if self.holds.find(lock_id, lock.holds, session, proc.holds).is_some() {
            return;
        }
        debug_assert!(lock.is_unused(), "{tag:?} is held by another than its owner");
        let mode = LockMode::Exclusive;
        let held = [LockModes::only(mode), LockModes::NONE];
        self.holds.add(lock_id, lock, session, &mut proc.holds, held, LockModes::NONE);
        lock.count_grant(mode);
        self.check(lock_id);
    }

    /// Whether anybody holds or awaits this lock.
    #[must_use]
    pub fn is_entered(&self, tag: LockTag) -> bool {
        self.find_lock(tag).is_some()
    }

    /// The session's hold on this lock, if it has one.
    #[must_use]
    pub fn hold_on(&self, session: SessionId, tag: LockTag) -> Option<HoldId> {
        let lock = self.find_lock(tag)?;
        let ends = self.procs[session.index()].holds;
        self.holds.find(lock, self.locks[lock as usize].holds, session, ends).map(HoldId)
    }

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

    pub(crate) fn grant(&mut self, hold: u32, mode: LockMode, scope: Scope) {
        let hold = self.holds.get_mut(hold);
        hold.by_scope[scope as usize].insert(mode);
        self.locks[hold.lock as usize].count_grant(mode);
    }

    pub(crate) fn remove_hold_if_empty(&mut self, id: u32) {
        let Hold { lock, session, .. } = *self.holds.get(id);
        let proc = &mut self.procs[session.index()];
        let waits = proc.wait.is_some_and(|wait| wait.hold == id);
        if self.holds.get(id).modes().is_empty() && !waits {
            self.holds.remove(id, &mut self.locks[lock as usize].holds, &mut proc.holds);
        }
    }

    #[inline]
    pub(crate) fn find_lock(&self, tag: LockTag) -> Option<u32> {
        match tag {
            LockTag::Relation(RelationId(id)) if id < FLAT_RELATIONS => {
                self.relations.get(id as usize).copied().filter(|&lock| lock != NIL)
            }
            _ => self.others.get(&tag).copied(),
        }
    }

    #[inline]
    fn lock_for(&mut self, tag: LockTag) -> u32 {
        match self.find_lock(tag) {
            Some(lock) => lock,
            None => self.add_lock(tag),
        }
    }

    #[inline(never)]
    fn add_lock(&mut self, tag: LockTag) -> u32 {
        let lock = self.free_locks.pop().unwrap_or(NIL);
        let lock = if lock == NIL {
            self.locks.push(Lock::new(tag));
            u32::try_from(self.locks.len() - 1).expect("fewer than 2^32 locks fit into memory")
        } else {
            self.locks[lock as usize] = Lock::new(tag);
            lock
        };
        match tag {
            LockTag::Relation(RelationId(id)) if id < FLAT_RELATIONS => {
                if self.relations.len() <= id as usize {
                    self.relations.resize(id as usize + 1, NIL);
                }
                self.relations[id as usize] = lock;
            }
            _ => {
                self.others.insert(tag, lock);
            }
        }
        lock
    }

    /// Forgets a lock that nobody holds or awaits. A relation's stays: it will be asked for again.
    pub(crate) fn drop_if_unused(&mut self, lock: u32) {
        let Lock { tag, .. } = &self.locks[lock as usize];
        let stays = matches!(tag, LockTag::Relation(RelationId(id)) if *id < FLAT_RELATIONS);
        if !stays && self.locks[lock as usize].is_unused() && self.others.remove(tag).is_some() {
            self.free_locks.push(lock);
        }
    }
}
