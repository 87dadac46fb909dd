//! Timers: plain numbers that the caller keeps in its queue and hands back when they are due.

use lock_table::SessionId;

/// A timer of a session, packed so that a queue entry is two words.
///
/// A timer is never withdrawn. It carries its generation, and one whose generation has passed is ignored
/// when it fires. Timeouts that follow each other quickly (`statement_timeout` of short statements) share one
/// timer that moves its deadline when it fires, so at most one per session and kind is in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timer(pub u64);

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum TimerKind {
    /// Work is done.
    Work,
    /// A wait has lasted `deadlock_timeout`.
    Deadlock,
    /// A wait has lasted `lock_timeout`.
    Lock,
    /// A statement has lasted `statement_timeout`.
    Statement,
    /// A session has been idle in its transaction for `idle_in_transaction_session_timeout`.
    IdleInTransaction,
    /// A transaction has lasted `transaction_timeout`.
    Transaction,
}

impl TimerKind {
    pub(crate) const COUNT: usize = 6;
    const ALL: [Self; Self::COUNT] =
        [Self::Work, Self::Deadlock, Self::Lock, Self::Statement, Self::IdleInTransaction, Self::Transaction];
}

const SESSION_BITS: u32 = 24;
const KIND_BITS: u32 = 4;

impl Timer {
    pub(crate) const fn new(session: SessionId, kind: TimerKind, generation: u32) -> Self {
        let kind = (kind as u64) << SESSION_BITS;
        Self((generation as u64) << (SESSION_BITS + KIND_BITS) | kind | session.0 as u64)
    }

    /// The session whose timer it is.
    #[must_use]
    pub const fn session(self) -> SessionId {
        SessionId((self.0 & ((1 << SESSION_BITS) - 1)) as u32)
    }

    /// What it is for; an impossible number counts as a stale [`TimerKind::Work`].
    #[must_use]
    pub fn kind(self) -> TimerKind {
        let kind = (self.0 >> SESSION_BITS) & ((1 << KIND_BITS) - 1);
        TimerKind::ALL.get(kind as usize).copied().unwrap_or(TimerKind::Work)
    }

    pub(crate) const fn generation(self) -> u32 {
        (self.0 >> (SESSION_BITS + KIND_BITS)) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_gives_back_what_was_packed() {
        for kind in TimerKind::ALL {
            let timer = Timer::new(SessionId(1_000_000), kind, u32::MAX);
            assert_eq!(
                (timer.session(), timer.kind(), timer.generation()),
                (SessionId(1_000_000), kind, u32::MAX)
            );
        }
    }
}
