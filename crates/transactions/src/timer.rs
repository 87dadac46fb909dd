//! Timers: plain numbers that the caller keeps in its queue and hands back when they are due.

use lock_table::SessionId;
use sim_clock::Nanos;

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

/// A deadline, and the timer that stands for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    pub(crate) deadline: Nanos,
    armed: Nanos,
    generation: u32,
}

impl Deadline {
    const NONE: Self = Self { deadline: Nanos::MAX, armed: Nanos::MAX, generation: 0 };
}

/// The deadlines of a session: most have none but that of their work.
#[derive(Clone, Debug)]
pub(crate) struct Timers {
    work: Deadline,
    timeouts: Option<Box<[Deadline; TimerKind::COUNT]>>,
}

impl Default for Timers {
    fn default() -> Self {
        Self { work: Deadline::NONE, timeouts: None }
    }
}

impl Timers {
    pub(crate) fn get(&self, kind: TimerKind) -> Deadline {
        match (kind, &self.timeouts) {
            (TimerKind::Work, _) => self.work,
            (_, Some(timeouts)) => timeouts[kind as usize],
            (_, None) => Deadline::NONE,
        }
    }

    /// Sets a deadline; the generation of the timer that is to be set for it, if none is set that fires no later.
    pub(crate) fn set(&mut self, kind: TimerKind, at: Nanos) -> Option<u32> {
        let this = match kind {
            TimerKind::Work => &mut self.work,
            _ => &mut self.timeouts.get_or_insert_with(|| Box::new([Deadline::NONE; _]))[kind as usize],
        };
        this.deadline = at;
        (this.armed > at).then(|| {
            this.armed = at;
            this.generation = this.generation.wrapping_add(1);
            this.generation
        })
    }

    /// A timer is due: the deadline that it stands for, or nothing if it has been overtaken.
    pub(crate) fn goes_off(&mut self, now: Nanos, kind: TimerKind, generation: u32) -> Option<Nanos> {
        let this = self.known(kind)?;
        if this.generation != generation || this.armed > now {
            return None;
        }
        this.armed = Nanos::MAX;
        Some(this.deadline)
    }

    pub(crate) fn clear(&mut self, kind: TimerKind) {
        if let Some(this) = self.known(kind) {
            this.deadline = Nanos::MAX;
        }
    }

    pub(crate) fn clear_all(&mut self) {
        TimerKind::ALL.into_iter().for_each(|kind| self.clear(kind));
    }

    fn known(&mut self, kind: TimerKind) -> Option<&mut Deadline> {
        match kind {
            TimerKind::Work => Some(&mut self.work),
            _ => self.timeouts.as_mut().map(|timeouts| &mut timeouts[kind as usize]),
        }
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
