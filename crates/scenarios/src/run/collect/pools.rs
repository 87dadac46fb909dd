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

    /// Takes a change, and follows it in the sum over all pools.
    fn changes(&mut self, now: Nanos, change: Change, sum: &mut (u32, u32)) {
        self.passes(now);
        match change {
            Change::Queues => (self.queued, sum.1) = (self.queued + 1, sum.1 + 1),
            Change::Starts { queued } => {
                (self.in_use, sum.0) = (self.in_use + 1, sum.0 + 1);
                self.peak_in_use = self.peak_in_use.max(self.in_use);
                if queued {
                    self.leaves_queue(sum);
                }
            }
            Change::Frees if self.in_use > 0 => (self.in_use, sum.0) = (self.in_use - 1, sum.0 - 1),
            Change::Frees => {}
            Change::GivesUp => self.leaves_queue(sum),
        }
        if self.queued > 0 {
            self.peak_queue = self.peak_queue.max(self.queued);
            self.first_exhausted.get_or_insert(now);
        }
    }

    fn leaves_queue(&mut self, sum: &mut (u32, u32)) {
        if self.queued > 0 {
            (self.queued, sum.1) = (self.queued - 1, sum.1 - 1);
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
        self.tallies[at].get_or_insert_default().changes(now, change, &mut self.sum);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_over_all_pools_follows_each() {
        let mut pools = Pools::default();
        let mut change =
            |at: u64, actor: u32, change| pools.changes(Nanos::from_millis(at), ActorId(actor), change);
        assert_eq!(change(0, 2, Change::Starts { queued: false }), (1, 0));
        assert_eq!(change(1, 5, Change::Starts { queued: false }), (2, 0));
        assert_eq!(change(2, 5, Change::Queues), (2, 1));
        assert_eq!(change(4, 5, Change::Queues), (2, 2));
        assert_eq!(change(5, 5, Change::Frees), (1, 2));
        assert_eq!(change(5, 5, Change::Starts { queued: true }), (2, 1));
        assert_eq!(change(6, 5, Change::GivesUp), (2, 0));
        assert_eq!(change(7, 2, Change::Frees), (1, 0));
        assert_eq!(change(7, 2, Change::Frees), (1, 0), "nothing to be freed");
        pools.finish(Nanos::from_millis(10));
        let told: Vec<_> = pools.iter().map(|(actor, pool)| (actor.0, pool.used, pool.peak_queue)).collect();
        assert_eq!(told, [(2, 7_000_000, 0), (5, 9_000_000, 2)]);
        let exhausted = pools.iter().last().map(|(_, pool)| (pool.exhausted, pool.waited));
        assert_eq!(exhausted, Some((Nanos::from_millis(4), Nanos::from_millis(6))));
    }
}
