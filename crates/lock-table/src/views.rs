//! What can be seen of the lock table from outside: `pg_locks` and `pg_blocking_pids`.

use crate::lock::NIL;
use crate::{LockMode, LockModes, LockTable, LockTag, SessionId};

/// What kind of edge of the waits-for graph it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EdgeKind {
    /// The other session holds the lock in a conflicting mode: only its release helps.
    Hard,
    /// The other session waits ahead for a conflicting mode: changing the queue's order would help.
    Soft,
}

/// One reason why a session waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocker {
    /// Who is in the way.
    pub session: SessionId,
    /// Whether it holds the lock or waits for it.
    pub kind: EdgeKind,
    /// The conflicting mode that it holds (the first of them) or waits for.
    pub mode: LockMode,
}

impl LockTable {
    /// What the session waits for.
    #[must_use]
    pub fn waits_for(&self, session: SessionId) -> Option<(LockTag, LockMode)> {
        let wait = self.procs.get(session.index())?.wait?;
        Some((self.locks[wait.lock as usize].tag, wait.mode))
    }

    /// Who keeps the session waiting: first the holders, then the waiters ahead of it, as
    /// `pg_blocking_pids` defines it. A holder that also waits ahead is named for both.
    #[must_use]
    pub fn blockers(&self, session: SessionId) -> Vec<Blocker> {
        let mut blockers = Vec::new();
        let Some(wait) = self.procs.get(session.index()).and_then(|proc| proc.wait) else { return blockers };
        let lock = &self.locks[wait.lock as usize];
        let conflicts = wait.mode.conflicts();
        for hold in self.holds.of_lock(lock.holds).filter(|hold| hold.session != session) {
            if let Some(mode) = conflicts.intersection(hold.modes()).iter().next() {
                blockers.push(Blocker { session: hold.session, kind: EdgeKind::Hard, mode });
            }
        }
        for (ahead, mode) in self.queue(self.locks[wait.lock as usize].tag) {
            if ahead == session {
                break;
            }
            if conflicts.contains(mode) {
                blockers.push(Blocker { session: ahead, kind: EdgeKind::Soft, mode });
            }
        }
        blockers
    }

    /// The first of those: a holder, or else the first waiter ahead that conflicts. It costs no more than the way
    /// to it.
    #[must_use]
    pub fn first_blocker(&self, session: SessionId) -> Option<SessionId> {
        let wait = self.procs.get(session.index())?.wait?;
        let lock = &self.locks[wait.lock as usize];
        let conflicts = wait.mode.conflicts();
        if conflicts.intersects(lock.granted_modes) {
            let others = self.holds.of_lock(lock.holds).filter(|hold| hold.session != session);
            if let Some(hold) = others.into_iter().find(|hold| hold.modes().intersects(conflicts)) {
                return Some(hold.session);
            }
        }
        let ahead = self.queue(lock.tag).take_while(|(ahead, _)| *ahead != session);
        ahead.into_iter().find(|(_, mode)| conflicts.contains(*mode)).map(|(ahead, _)| ahead)
    }

    /// The queue of a lock, first come first: who waits for which mode.
    pub fn queue(&self, tag: LockTag) -> impl Iterator<Item = (SessionId, LockMode)> {
        let head = self.find_lock(tag).map_or(NIL, |lock| self.locks[lock as usize].queue.head);
        let proc = |id: u32| self.procs.get(id as usize).and_then(|proc| Some((id, proc.next, proc.wait?)));
        std::iter::successors(proc(head), move |&(_, next, _)| proc(next))
            .map(|(id, _, wait)| (SessionId(id), wait.mode))
    }

    /// Who holds a lock, in the order in which they first asked for it, in which modes.
    pub fn holders(&self, tag: LockTag) -> impl Iterator<Item = (SessionId, LockModes)> {
        self.find_lock(tag)
            .into_iter()
            .flat_map(|lock| self.holds.of_lock(self.locks[lock as usize].holds))
            .filter(|hold| !hold.modes().is_empty())
            .map(|hold| (hold.session, hold.modes()))
    }

    /// What a session holds, in the order in which it first asked for it.
    pub fn held_by(&self, session: SessionId) -> impl Iterator<Item = (LockTag, LockModes)> {
        self.procs
            .get(session.index())
            .into_iter()
            .flat_map(|proc| self.holds.of_session(proc.holds))
            .filter(|hold| !hold.modes().is_empty())
            .map(|hold| (self.locks[hold.lock as usize].tag, hold.modes()))
    }

    /// How many sessions wait for this lock.
    #[must_use]
    pub fn queue_len(&self, tag: LockTag) -> u32 {
        self.find_lock(tag).map_or(0, |lock| self.locks[lock as usize].queue.len)
    }
}
