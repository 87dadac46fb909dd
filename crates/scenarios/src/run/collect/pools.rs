//! How the connection pools were used.

use sim_clock::{ActorId, Nanos};

/// An instance's pool so far.
#[derive(Clone, Default)]
pub(crate) struct PoolTally {
    in_use: u32,
    queued: u32,
    pub(crate) peak_in_use: u32,
    pub(crate) peak_queue: u32,
    changed: Nanos,
    /// Connection-time in use.
    pub(crate) used: u128,
    /// Request-time queued.
    pub(crate) waited: Nanos,
    pub(crate) exhausted: Nanos,
    pub(crate) first_exhausted: Option<Nanos>,
}

/// What happens in a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// A request queues.
    Queues,
    /// A request gets a connection.
    Starts {
        /// Whether it had to queue for it.
        queued: bool,
    },
    /// A request has no more use for its connection.
    Frees,
    /// A request leaves the queue without one.
    GivesUp,
}

impl PoolTally {
    fn passes(&mut self, now: Nanos) {
        let span = now - self.changed;
        self.used += u128::from(span.0) * u128::from(self.in_use);
        if self.queued > 0 {
            self.waited += Nanos(span.0 * u64::from(self.queued));
            self.exhausted += span;
        }
        self.changed = now;
    }

    fn changes(&mut self, now: Nanos, change: Change) {
        self.passes(now);
        match change {
            Change::Queues => self.queued += 1,
            Change::Starts { queued } => {
                self.queued = self.queued.saturating_sub(u32::from(queued));
                self.in_use += 1;
            }
            Change::Frees => self.in_use = self.in_use.saturating_sub(1),
            Change::GivesUp => self.queued = self.queued.saturating_sub(1),
        }
        self.peak_in_use = self.peak_in_use.max(self.in_use);
        self.peak_queue = self.peak_queue.max(self.queued);
        if self.queued > 0 {
            self.first_exhausted.get_or_insert(now);
        }
    }
}

/// The pools of all instances.
#[derive(Default)]
pub(crate) struct Pools {
    /// By actor; those in which anything has happened.
    tallies: Vec<Option<PoolTally>>,
    /// Connections in use and requests queued, over all pools.
    sum: (u32, u32),
}

impl Pools {
    /// Takes a change; what is in use and queued then, over all pools.
    pub(super) fn changes(&mut self, now: Nanos, actor: ActorId, change: Change) -> (u32, u32) {
        let at = actor.0 as usize;
        if self.tallies.len() <= at {
            self.tallies.resize(at + 1, None);
        }
        let pool = self.tallies[at].get_or_insert_default();
        let before = (pool.in_use, pool.queued);
        pool.changes(now, change);
        let sum = |sum: u32, before: u32, after: u32| (sum + after).saturating_sub(before);
        self.sum = (sum(self.sum.0, before.0, pool.in_use), sum(self.sum.1, before.1, pool.queued));
        self.sum
    }

    pub(super) fn finish(&mut self, end: Nanos) {
        self.tallies.iter_mut().flatten().for_each(|pool| pool.passes(end));
    }

    /// In order of the actors.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ActorId, &PoolTally)> {
        (0..).map(ActorId).zip(&self.tallies).filter_map(|(actor, pool)| Some((actor, pool.as_ref()?)))
    }
}
