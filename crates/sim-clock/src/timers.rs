//! The timer queue: what is due next, and for whom.
//!
//! Timers wait in a [`Wheel`]. When the nearest of its slots is reached, its few timers are sorted and stand in
//! front, from where they are taken one by one. A slot with many is first spread over slots of shorter spans.
//!
//! ```text
//!   set ──► later than all that stand in front ──► wheel ──slot by slot──► front ──► pop_instant
//!      └──► else in its place in front ───────────────────────────────────►┘
//! ```
//!
//! Neither costs more with more timers. Equal times fire in order of owner and key, so two runs that set the same
//! timers in another order still fire them alike. Timers are not cancelled here: their owners put a generation
//! into the key and ignore the stale ones.

use std::cmp::Reverse;

use crate::Nanos;
use crate::wheel::{Timer, Wheel};

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

/// A slot with more timers than this is not sorted but spread.
const FEW: usize = 32;
/// With more than this in front they go back into the wheel: a burst of timers within a short span must not cost the
/// square of their number.
const MANY: usize = 128;

/// All timers of a run.
#[derive(Clone, Debug, Default)]
pub struct TimerQueue {
    /// The nearest timers, the first one last; in any order where their times are equal.
    front: Vec<Timer>,
    /// Those that are due later than all in front. Its base is the time of the last of these.
    wheel: Wheel,
    /// The last instant that was taken.
    taken: u64,
}

impl TimerQueue {
    /// Adds a timer. One for an instant that is over is due at once: time does not go back.
    #[inline]
    pub fn set(&mut self, at: Nanos, due: Due) {
        if at.0 > self.wheel.base {
            self.wheel.file(Timer { at: at.0, key: due.key, owner: due.owner.0 });
        } else {
            self.put_in_front(at, due);
        }
    }

    /// When the next timer is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Nanos> {
        let in_front = self.front.last().map(|timer| timer.at);
        in_front.or_else(|| self.wheel.least(self.wheel.first_slot()?)).map(Nanos)
    }

    /// Takes *all* timers of the earliest instant, in order of owner and key.
    pub fn pop_instant(&mut self, due: &mut Vec<Due>) -> Option<Nanos> {
        self.pop_instant_if(|_| true, due)
    }

    /// Takes them if the instant is wanted.
    #[inline(always)]
    pub(crate) fn pop_instant_if(
        &mut self,
        is_wanted: impl FnOnce(Nanos) -> bool,
        due: &mut Vec<Due>,
    ) -> Option<Nanos> {
        if self.front.is_empty() {
            self.refill();
        }
        let &Timer { at, key, owner } = self.front.last()?;
        if !is_wanted(Nanos(at)) {
            return None;
        }
        self.taken = at;
        self.front.pop();
        due.push(Due { owner: ActorId(owner), key });
        if self.front.last().is_some_and(|next| next.at == at) {
            self.pop_equal(at, due);
        }
        Some(Nanos(at))
    }

    /// Takes the others of the instant, too.
    #[inline(never)]
    fn pop_equal(&mut self, at: u64, due: &mut Vec<Due>) {
        let first = due.len() - 1;
        while let Some(timer) = self.front.pop_if(|next| next.at == at) {
            due.push(Due { owner: ActorId(timer.owner), key: timer.key });
        }
        due[first..].sort_unstable();
    }

    /// How many timers are set, stale ones included: they are counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.front.len() + self.wheel.len()
    }

    /// Whether no timer is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.front.is_empty() && self.wheel.first_slot().is_none()
    }

    /// Brings the timers of the wheel's first slot to the front, which is empty.
    fn refill(&mut self) {
        while let Some(slot) = self.wheel.first_slot() {
            self.wheel.drain(slot, &mut self.front);
            if self.front.len() <= FEW || slot.is_an_instant() {
                break;
            }
            self.wheel.base = self.front.first().map_or(0, |timer| slot.start(timer.at));
            self.front.drain(..).for_each(|timer| self.wheel.file(timer));
        }
        if self.front.len() > 1 {
            self.front.sort_unstable_by_key(|timer| Reverse(timer.at));
        }
        if let Some(last) = self.front.first() {
            self.wheel.base = last.at;
        }
    }

    /// Puts a timer among those in front.
    #[inline(never)]
    fn put_in_front(&mut self, at: Nanos, due: Due) {
        let timer = Timer { at: at.0.max(self.taken), key: due.key, owner: due.owner.0 };
        // With equal times it goes where it is taken first: nothing needs to move for a timer that is due now.
        let place = self.front.partition_point(|other| other.at >= timer.at);
        self.front.insert(place, timer);
        if self.front.len() > MANY {
            self.thin_out();
        }
    }

    /// Puts all in front that are not due now back into the wheel: what is set from now on goes there at once.
    fn thin_out(&mut self) {
        if self.wheel.base == self.taken {
            return;
        }
        self.wheel.move_back(self.taken);
        let later = self.front.partition_point(|timer| timer.at > self.taken);
        self.front.drain(..later).for_each(|timer| self.wheel.file(timer));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

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

    #[test]
    fn a_timer_for_an_instant_that_is_over_is_due_at_once() {
        let mut queue = TimerQueue::default();
        queue.set(Nanos(1 << 40), due(0, 0));
        assert_eq!(queue.pop_instant(&mut Vec::new()), Some(Nanos(1 << 40)));
        queue.set(Nanos(7), due(0, 1));
        assert_eq!(queue.next_deadline(), Some(Nanos(1 << 40)));
    }

    #[test]
    fn a_burst_from_the_latest_to_the_earliest_comes_out_sorted() {
        let mut queue = TimerQueue::default();
        // Both in one slot: with the first the other comes to the front, too, and what is set between them.
        queue.set(Nanos(70_000), due(0, 0));
        queue.set(Nanos(130_000), due(0, 0));
        assert_eq!(queue.pop_instant(&mut Vec::new()), Some(Nanos(70_000)));
        // Filed while the wheel begins after all of those: they must be filed anew when it begins before them.
        for at in [130_001, 130_300, 200_000] {
            queue.set(Nanos(at), due(0, at));
        }
        for at in (70_001..130_000).rev() {
            queue.set(Nanos(at), due(0, at));
        }
        assert!(queue.front.len() <= MANY, "{} stand in front", queue.front.len());
        for at in (70_001..=130_001).chain([130_300, 200_000]) {
            assert_eq!(queue.pop_instant(&mut Vec::new()), Some(Nanos(at)));
        }
        assert!(queue.is_empty());
    }

    #[test]
    fn a_timer_for_never_is_kept() {
        let mut queue = TimerQueue::default();
        queue.set(Nanos::MAX, due(0, 0));
        queue.set(Nanos(1), due(0, 1));
        assert_eq!(queue.pop_instant(&mut Vec::new()), Some(Nanos(1)));
        assert_eq!(queue.next_deadline(), Some(Nanos::MAX));
    }

    /// Sets timers some way ahead, near or far, and takes an instant now and then.
    fn steps() -> impl Strategy<Value = Vec<(u64, u32, u64, bool)>> {
        let span = (0_u32..64, any::<u64>()).prop_map(|(bits, span)| span & ((1 << bits) - 1));
        prop::collection::vec((span, 0_u32..3, 0_u64..3, any::<bool>()), 0..200)
    }

    /// So many that they do not fit in front, close together or far from each other.
    fn bursts() -> impl Strategy<Value = Vec<(u64, u32, u64, bool)>> {
        let span = prop_oneof![0_u64..5, 0_u64..3_000, 0_u64..1_000_000];
        let takes = prop::bool::weighted(0.2);
        prop::collection::vec((span, 0_u32..3, 0_u64..3, takes), 0..600)
    }

    proptest! {
        #[test]
        fn bursts_of_timers_come_out_as_from_a_sorted_list(steps in bursts()) {
            compare_with_a_sorted_list(steps)?;
        }

        #[test]
        fn timers_come_out_as_from_a_sorted_list(steps in steps()) {
            compare_with_a_sorted_list(steps)?;
        }
    }

    fn compare_with_a_sorted_list(steps: Vec<(u64, u32, u64, bool)>) -> Result<(), TestCaseError> {
        let (mut queue, mut model) = (TimerQueue::default(), BTreeSet::new());
        let mut now = Nanos::ZERO;
        for (number, (span, owner, key, takes)) in steps.into_iter().enumerate() {
            let at = now + Nanos(span);
            queue.set(at, due(owner, key));
            // The number only keeps equal timers apart: they come out alike.
            model.insert((at, due(owner, key), number));
            prop_assert_eq!(queue.next_deadline(), model.first().map(|first| first.0));
            if takes {
                let mut out = Vec::new();
                now = queue.pop_instant(&mut out).unwrap();
                let later = model.iter().filter(|one| one.0 > now).copied().collect();
                model.retain(|one| one.0 == now);
                prop_assert_eq!(out, model.iter().map(|one| one.1).collect::<Vec<_>>());
                model = later;
            }
            prop_assert_eq!(queue.len(), model.len());
        }
        Ok(())
    }
}
