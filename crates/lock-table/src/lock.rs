//! One lock: who holds it in which modes, who waits, and the arithmetic of conflicts (`LOCK` in `lock.h`).

use crate::{LockMode, LockModes, LockTag};

/// No element: the end of an intrusive list.
pub(crate) const NIL: u32 = u32::MAX;

/// The two ends of an intrusive doubly linked list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    pub(crate) head: u32,
    pub(crate) tail: u32,
    pub(crate) len: u32,
}

impl Ends {
    pub(crate) const EMPTY: Self = Self { head: NIL, tail: NIL, len: 0 };
}

/// The state of one lockable object.
#[derive(Clone, Debug)]
pub(crate) struct Lock {
    pub(crate) tag: LockTag,
    /// The modes that are held by anybody, and how many sessions hold each.
    pub(crate) granted_modes: LockModes,
    granted: [u32; LockMode::COUNT],
    /// The modes that are waited for by anybody, and how many sessions wait for each.
    pub(crate) waiting_modes: LockModes,
    waiting: [u32; LockMode::COUNT],
    /// How many of the waiters hold this lock already, in another mode.
    pub(crate) waiting_holders: u32,
    /// How many of the holds have modes in the fast path.
    pub(crate) fast_holds: u32,
    /// The sessions that hold or request the lock, in the order in which they first asked for it.
    pub(crate) holds: Ends,
    /// The sessions that wait, first come first.
    pub(crate) queue: Ends,
}

impl Lock {
    pub(crate) const fn new(tag: LockTag) -> Self {
        Self {
            tag,
            granted_modes: LockModes::NONE,
            granted: [0; LockMode::COUNT],
            waiting_modes: LockModes::NONE,
            waiting: [0; LockMode::COUNT],
            waiting_holders: 0,
            fast_holds: 0,
            holds: Ends::EMPTY,
            queue: Ends::EMPTY,
        }
    }

    pub(crate) const fn count_grant(&mut self, mode: LockMode) {
        self.granted[mode as usize] += 1;
        self.granted_modes.insert(mode);
    }

    pub(crate) const fn count_ungrant(&mut self, mode: LockMode) {
        self.granted[mode as usize] -= 1;
        if self.granted[mode as usize] == 0 {
            self.granted_modes.remove(mode);
        }
    }

    pub(crate) const fn count_wait(&mut self, mode: LockMode, holds_already: bool) {
        self.waiting[mode as usize] += 1;
        self.waiting_modes.insert(mode);
        self.waiting_holders += holds_already as u32;
    }

    pub(crate) const fn count_unwait(&mut self, mode: LockMode, holds_already: bool) {
        self.waiting[mode as usize] -= 1;
        if self.waiting[mode as usize] == 0 {
            self.waiting_modes.remove(mode);
        }
        self.waiting_holders -= holds_already as u32;
    }

    /// Whether others hold modes that conflict with `mode` (`LockCheckConflicts`); `own` is what the
    /// requester holds itself, and a session never conflicts with itself.
    pub(crate) fn conflicts_with_others(&self, mode: LockMode, own: LockModes) -> bool {
        let conflicting = mode.conflicts().intersection(self.granted_modes);
        if conflicting.is_empty() {
            return false;
        }
        conflicting.iter().any(|held| self.granted[held as usize] > u32::from(own.contains(held)))
    }

    /// Whether no waiter of this mode can be granted, whoever it is, given the modes passed over already.
    ///
    /// A waiter that holds the lock may owe a conflict to its own hold, so in its presence a mode held by a
    /// single session does not count.
    fn is_hopeless(&self, mode: LockMode, ahead: LockModes) -> bool {
        let own = u32::from(self.waiting_holders > 0);
        let conflicts = mode.conflicts();
        conflicts.intersects(ahead)
            || conflicts.intersection(self.granted_modes).iter().any(|held| self.granted[held as usize] > own)
    }

    /// Whether a wake-up scan can stop: none of the modes waited for can be granted any more.
    pub(crate) fn all_hopeless(&self, ahead: LockModes) -> bool {
        self.waiting_modes.iter().all(|mode| self.is_hopeless(mode, ahead))
    }

    /// How many sessions wait for one of these modes.
    pub(crate) fn waiting_in(&self, modes: LockModes) -> u32 {
        modes.intersection(self.waiting_modes).iter().map(|mode| self.waiting[mode as usize]).sum()
    }

    /// How many times one of these modes is held.
    pub(crate) fn granted_in(&self, modes: LockModes) -> u32 {
        modes.intersection(self.granted_modes).iter().map(|mode| self.granted[mode as usize]).sum()
    }

    pub(crate) const fn is_unused(&self) -> bool {
        self.holds.len == 0 && self.queue.len == 0
    }

    /// The invariants between counts and masks; for `debug_assert!`.
    pub(crate) fn counts_agree(&self) -> bool {
        LockMode::ALL.iter().all(|&mode| {
            (self.granted[mode as usize] > 0) == self.granted_modes.contains(mode)
                && (self.waiting[mode as usize] > 0) == self.waiting_modes.contains(mode)
        }) && self.waiting.iter().sum::<u32>() == self.queue.len
            && self
                .granted_modes
                .iter()
                .all(|mode| !mode.conflicts().intersects(self.granted_modes) || self.holds.len > 0)
    }
}
