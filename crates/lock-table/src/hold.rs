//! Who has which lock: one entry per session and lock, on a list of the lock and on one of the session
//! (`PROCLOCK` in `lock.h`).

use crate::lock::{Ends, Lock, NIL};
use crate::{LockModes, LockTag, SessionId};

/// An entry of the lock table that stands for one session's holding (or wanting) of one lock.
///
/// Valid until the session has released all modes that it had through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldId(pub(crate) u32);

impl HoldId {
    /// No entry: what there was to wait for is over.
    pub const NONE: Self = Self(crate::lock::NIL);
}

/// What one session holds of one lock; nothing yet if it only waits.
///
/// 32 bytes, half a cache line: what is found by a shift is found sooner than what is found by a product.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
pub(crate) struct Hold {
    pub(crate) lock: u32,
    pub(crate) session: SessionId,
    /// By [`Scope`](crate::Scope): the modes that end with the transaction, and those that outlive it.
    pub(crate) by_scope: [LockModes; 2],
    /// Those of the modes that are in the session's fast path, see `fast_path.rs`.
    pub(crate) fast: LockModes,
    /// Whether the lock is an application's own, which is given back after all others.
    pub(crate) is_advisory: bool,
    in_lock: Links,
    in_session: Links,
}

impl Hold {
    /// What is held, for whatever time.
    pub(crate) const fn modes(&self) -> LockModes {
        self.by_scope[0].union(self.by_scope[1])
    }

    /// What of it is in the main lock table.
    pub(crate) const fn shared_modes(&self) -> LockModes {
        self.modes().without(self.fast)
    }
}

#[derive(Clone, Copy, Debug)]
struct Links {
    prev: u32,
    next: u32,
}

/// All holds, in one slab: taking one and giving it back costs a few writes and no allocation.
#[derive(Clone, Debug)]
pub(crate) struct Holds {
    slab: Vec<Hold>,
    /// The first of those that are free; each names the next in place of its lock.
    free: u32,
}

impl Default for Holds {
    fn default() -> Self {
        Self { slab: Vec::new(), free: NIL }
    }
}

impl Holds {
    /// Enters what a session holds of a lock from now on, or nothing yet.
    #[inline(always)]
    pub(crate) fn add(
        &mut self,
        id_of_lock: u32,
        lock: &mut Lock,
        session: SessionId,
        of_session: &mut Ends,
        by_scope: [LockModes; 2],
        fast: LockModes,
    ) -> u32 {
        let of_lock = &mut lock.holds;
        let hold = Hold {
            lock: id_of_lock,
            session,
            by_scope,
            fast,
            is_advisory: matches!(lock.tag, LockTag::Advisory(_)),
            in_lock: Links { prev: of_lock.tail, next: NIL },
            in_session: Links { prev: of_session.tail, next: NIL },
        };
        let id = match self.slab.get_mut(self.free as usize) {
            Some(free) => {
                let next = free.lock;
                *free = hold;
                std::mem::replace(&mut self.free, next)
            }
            None => {
                self.slab.push(hold);
                u32::try_from(self.slab.len() - 1).expect("fewer than 2^32 holds fit into memory")
            }
        };
        match of_lock.tail {
            NIL => of_lock.head = id,
            tail => self.slab[tail as usize].in_lock.next = id,
        }
        match of_session.tail {
            NIL => of_session.head = id,
            tail => self.slab[tail as usize].in_session.next = id,
        }
        (of_lock.tail, of_session.tail) = (id, id);
        of_lock.len += 1;
        of_session.len += 1;
        id
    }

    #[inline(always)]
    pub(crate) fn remove(&mut self, id: u32, of_lock: &mut Ends, of_session: &mut Ends) {
        let hold = &mut self.slab[id as usize];
        let Hold { in_lock, in_session, .. } = *hold;
        hold.lock = std::mem::replace(&mut self.free, id);
        match in_lock.prev {
            NIL => of_lock.head = in_lock.next,
            prev => self.slab[prev as usize].in_lock.next = in_lock.next,
        }
        match in_lock.next {
            NIL => of_lock.tail = in_lock.prev,
            next => self.slab[next as usize].in_lock.prev = in_lock.prev,
        }
        match in_session.prev {
            NIL => of_session.head = in_session.next,
            prev => self.slab[prev as usize].in_session.next = in_session.next,
        }
        match in_session.next {
            NIL => of_session.tail = in_session.prev,
            next => self.slab[next as usize].in_session.prev = in_session.prev,
        }
        of_lock.len -= 1;
        of_session.len -= 1;
    }

    pub(crate) fn get(&self, id: u32) -> &Hold {
        &self.slab[id as usize]
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> &mut Hold {
        &mut self.slab[id as usize]
    }

    pub(crate) fn next_in_session(&self, id: u32) -> u32 {
        self.slab[id as usize].in_session.next
    }

    pub(crate) fn next_in_lock(&self, id: u32) -> u32 {
        self.slab[id as usize].in_lock.next
    }

    /// The holds of a lock, in the order in which they were first asked for.
    pub(crate) fn of_lock(&self, ends: Ends) -> impl Iterator<Item = &Hold> {
        self.chain(ends.head, |hold| hold.in_lock.next)
    }

    /// The holds of a session, in the order in which they were first asked for.
    pub(crate) fn of_session(&self, ends: Ends) -> impl Iterator<Item = &Hold> {
        self.chain(ends.head, |hold| hold.in_session.next)
    }

    fn chain(&self, head: u32, next: fn(&Hold) -> u32) -> impl Iterator<Item = &Hold> {
        std::iter::successors(self.slab.get(head as usize), move |hold| self.slab.get(next(hold) as usize))
    }

    /// The hold of this session on this lock, sought on the shorter of the two lists.
    #[inline]
    pub(crate) fn find(&self, lock: u32, of_lock: Ends, session: SessionId, of_session: Ends) -> Option<u32> {
        if of_session.len <= of_lock.len {
            let mut id = of_session.head;
            while id != NIL {
                let hold = &self.slab[id as usize];
                if hold.lock == lock {
                    return Some(id);
                }
                id = hold.in_session.next;
            }
        } else {
            let mut id = of_lock.head;
            while id != NIL {
                let hold = &self.slab[id as usize];
                if hold.session == session {
                    return Some(id);
                }
                id = hold.in_lock.next;
            }
        }
        None
    }
}
