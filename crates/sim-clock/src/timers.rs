//! The timer queue: what is due next, and for whom.
//!
//! A 4-ary heap ordered by (time, owner, key). Equal entries fire in insertion-independent order,
//! so two runs that set the same timers in another order still fire them alike. Timers are not
//! cancelled here: their owners put a generation into the key and ignore the stale ones.

use crate::Nanos;

/// The place of an actor in the run; also the order in which actors act within a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActorId(pub u32);

/// A timer that is due: whose it is, and what its owner calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// The actor that set the timer.
    pub owner: ActorId,
    /// The owner's own name for it.
    pub key: u64,
}

/// What is compared first comes first, and decides almost always: instants are nanoseconds apart.
#[derive(Clone, Copy, Debug)]
struct Entry {
    at: u64,
    owner: u32,
    key: u64,
}

impl Entry {
    #[inline]
    fn is_before(&self, other: &Self) -> bool {
        if self.at != other.at { self.at < other.at } else { self.breaks_tie(other) }
    }

    #[cold]
    fn breaks_tie(&self, other: &Self) -> bool {
        (self.owner, self.key) < (other.owner, other.key)
    }
}

/// Children per node: a flatter heap touches fewer cache lines than a binary one.
const ARITY: usize = 4;

/// All timers of a run.
#[derive(Clone, Debug, Default)]
pub struct TimerQueue {
    heap: Vec<Entry>,
}

impl TimerQueue {
    /// Adds a timer.
    pub fn set(&mut self, at: Nanos, due: Due) {
        let entry = Entry { at: at.0, owner: due.owner.0, key: due.key };
        self.heap.push(entry);
        self.sift_up(self.heap.len() - 1, entry);
    }

    /// When the next timer is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Nanos> {
        self.heap.first().map(|entry| Nanos(entry.at))
    }

    /// Takes *all* timers of the earliest instant, in order of owner and key.
    pub fn pop_instant(&mut self, due: &mut Vec<Due>) -> Option<Nanos> {
        let at = self.next_deadline()?;
        while self.next_deadline() == Some(at) {
            due.push(self.pop_first());
        }
        Some(at)
    }

    /// How many timers are set, stale ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether no timer is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// The hole that the first entry leaves goes down to the bottom along the least children, and the last
    /// entry, which is most often a late one, comes up from there: fewer comparisons than on the way down.
    fn pop_first(&mut self) -> Due {
        let first = self.heap[0];
        let last = self.heap.pop().unwrap_or(first);
        let len = self.heap.len();
        let heap = &mut self.heap[..];
        let mut hole = 0;
        loop {
            let child = hole * ARITY + 1;
            let least = if let Some(four) = heap.get(child..child + ARITY) {
                let left = usize::from(four[1].is_before(&four[0]));
                let right = 2 + usize::from(four[3].is_before(&four[2]));
                child + if four[right].is_before(&four[left]) { right } else { left }
            } else {
                let mut rest = child..len;
                let Some(first) = rest.next() else { break };
                rest.fold(first, |least, at| if heap[at].is_before(&heap[least]) { at } else { least })
            };
            heap[hole] = heap[least];
            hole = least;
        }
        if len > 0 {
            self.sift_up(hole, last);
        }
        Due { owner: ActorId(first.owner), key: first.key }
    }

    fn sift_up(&mut self, mut child: usize, entry: Entry) {
        let heap = &mut self.heap[..];
        while child > 0 {
            let parent = (child - 1) / ARITY;
            if !entry.is_before(&heap[parent]) {
                break;
            }
            heap[child] = heap[parent];
            child = parent;
        }
        heap[child] = entry;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(owner: u32, key: u64) -> Due {
        Due { owner: ActorId(owner), key }
    }

    #[test]
    fn an_instant_comes_out_whole_and_in_order_of_owner_and_key() {
        let mut queue = TimerQueue::default();
        for (at, owner, key) in [(5, 2, 1), (3, 9, 0), (5, 1, 7), (5, 1, 3), (8, 0, 0)] {
            queue.set(Nanos(at), due(owner, key));
        }
        let mut out = Vec::new();
        assert_eq!(queue.pop_instant(&mut out), Some(Nanos(3)));
        assert_eq!(out, [due(9, 0)]);
        out.clear();
        assert_eq!(queue.pop_instant(&mut out), Some(Nanos(5)));
        assert_eq!(out, [due(1, 3), due(1, 7), due(2, 1)]);
    }

    #[test]
    fn a_thousand_timers_come_out_sorted() {
        let mut queue = TimerQueue::default();
        for i in 0..1000_u64 {
            queue.set(Nanos(i.wrapping_mul(0x9E37_79B9) % 977), due(0, i));
        }
        let (mut out, mut last) = (Vec::new(), None);
        while let Some(at) = queue.pop_instant(&mut out) {
            assert!(last < Some(at));
            last = Some(at);
        }
        assert_eq!(out.len(), 1000);
        assert!(queue.is_empty());
    }
}
