//! The event log of a run and its hash.
//!
//! Within an instant, actors act in rounds. The log is put in order of (round, actor) before an
//! instant is closed, so it does not depend on who happened to be polled first: the bare loop, the
//! deterministic executor and tokio's own runtime log the same bytes.

use crate::{ActorId, Nanos};

/// What an event contributes to the trace hash: all that distinguishes it from another.
pub trait Traced {
    /// Feeds the event's content, in a fixed order.
    fn trace(&self, hash: &mut TraceHash);
}

/// A 64-bit digest of everything logged, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceHash(u64);

impl Default for TraceHash {
    fn default() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }
}

impl TraceHash {
    /// Folds a word into the digest. Rotation makes the order count, multiplication spreads.
    #[inline]
    pub fn word(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x2545_f491_4f6c_dd1d);
    }

    /// The digest so far.
    #[must_use]
    pub fn value(self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }
}

/// Receives the events of each instant once their places in the log are settled.
pub type Sink<E> = Box<dyn FnMut(Nanos, ClosedInstant<'_, E>)>;

/// The events of an instant that is over.
pub struct ClosedInstant<'a, E>(&'a [Entry<E>]);

impl<E> ClosedInstant<'_, E> {
    /// Each event with its actor, in the order of the log.
    #[inline]
    pub fn events(&self) -> impl Iterator<Item = (ActorId, &E)> {
        self.0.iter().map(|entry| (entry.actor(), &entry.event))
    }
}

/// An event of the present instant, with its place in it.
struct Entry<E> {
    /// The round, then the actor.
    place: u64,
    event: E,
}

impl<E> Entry<E> {
    #[allow(clippy::cast_possible_truncation, reason = "the lower half is the actor")]
    fn actor(&self) -> ActorId {
        ActorId(self.place as u32)
    }
}

/// The log of a run: counted, hashed unless nobody will ask for that, and shown to a sink when there is one.
pub struct EventLog<E> {
    open: Vec<Entry<E>>,
    /// The place of the last one that was written, and whether all were in order so far: the rule.
    latest: u64,
    in_order: bool,
    hash: TraceHash,
    is_hashed: bool,
    count: u64,
    sink: Option<Sink<E>>,
}

impl<E> Default for EventLog<E> {
    fn default() -> Self {
        let hash = TraceHash::default();
        Self { open: Vec::new(), latest: 0, in_order: true, hash, is_hashed: true, count: 0, sink: None }
    }
}

impl<E: Traced> EventLog<E> {
    /// Shows the events of each instant to `sink` from now on.
    pub fn observe(&mut self, sink: Sink<E>) {
        self.sink = Some(sink);
    }

    /// Stops showing events, and gives the sink back.
    pub fn unobserve(&mut self) -> Option<Sink<E>> {
        self.sink.take()
    }

    /// Nobody will ask for the hash: it is not kept from now on.
    pub fn leave_unhashed(&mut self) {
        self.is_hashed = false;
    }

    /// The digest of all closed instants.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash.value()
    }

    /// How many events the closed instants hold.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    #[inline]
    pub(crate) fn push(&mut self, round: u32, actor: ActorId, event: E) {
        let place = self.place(round, actor);
        self.open.push(Entry { place, event });
    }

    /// Several events of one actor, one after the other.
    #[inline]
    pub(crate) fn extend(&mut self, round: u32, actor: ActorId, events: impl Iterator<Item = E>) {
        let place = self.place(round, actor);
        self.open.extend(events.map(|event| Entry { place, event }));
    }

    /// The place of what is written now, noted as the latest.
    #[inline]
    fn place(&mut self, round: u32, actor: ActorId) -> u64 {
        let place = u64::from(round) << 32 | u64::from(actor.0);
        self.in_order &= self.latest <= place;
        self.latest = place;
        place
    }

    /// Puts the instant's events in order and takes them into the log.
    #[inline]
    pub(crate) fn close_instant(&mut self, at: Nanos) {
        if self.open.is_empty() {
            return;
        }
        if !self.in_order {
            self.open.sort_by_key(|entry| entry.place);
            self.in_order = true;
        }
        self.count += self.open.len() as u64;
        if self.is_hashed {
            self.hash.word(at.0);
            for entry in &self.open {
                self.hash.word(u64::from(entry.actor().0));
                entry.event.trace(&mut self.hash);
            }
        }
        if let Some(sink) = &mut self.sink {
            sink(at, ClosedInstant(&self.open));
        }
        self.open.clear();
        self.latest = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Word(u64);
    impl Traced for Word {
        fn trace(&self, hash: &mut TraceHash) {
            hash.word(self.0);
        }
    }

    fn hash_of(entries: &[(u32, u32, u64)]) -> u64 {
        let mut log = EventLog::default();
        for &(round, actor, word) in entries {
            log.push(round, ActorId(actor), Word(word));
        }
        log.close_instant(Nanos(1));
        log.hash()
    }

    #[test]
    fn the_order_of_polling_within_a_round_leaves_no_mark() {
        assert_eq!(hash_of(&[(0, 1, 5), (0, 2, 6)]), hash_of(&[(0, 2, 6), (0, 1, 5)]));
    }

    #[test]
    fn events_logged_together_are_logged_as_one_by_one() {
        let mut log = EventLog::default();
        log.extend(0, ActorId(2), [Word(5), Word(6)].into_iter());
        log.extend(0, ActorId(1), [Word(7)].into_iter());
        log.extend(0, ActorId(3), std::iter::empty());
        log.close_instant(Nanos(1));
        assert_eq!(log.hash(), hash_of(&[(0, 2, 5), (0, 2, 6), (0, 1, 7)]));
    }

    #[test]
    fn what_is_logged_together_out_of_order_is_put_in_order_too() {
        let mut log = EventLog::default();
        log.extend(0, ActorId(2), [Word(5), Word(6)].into_iter());
        log.push(0, ActorId(1), Word(7));
        log.close_instant(Nanos(1));
        assert_eq!(log.hash(), hash_of(&[(0, 1, 7), (0, 2, 5), (0, 2, 6)]));
    }

    #[test]
    fn a_log_that_is_not_hashed_counts_and_shows_all_the_same() {
        let seen = std::rc::Rc::new(std::cell::Cell::new(0));
        let mut log = EventLog::default();
        let sink = std::rc::Rc::clone(&seen);
        log.observe(Box::new(move |_, instant| {
            sink.set(instant.events().map(|(_, word): (_, &Word)| word.0).sum())
        }));
        log.leave_unhashed();
        log.push(0, ActorId(1), Word(5));
        log.push(0, ActorId(2), Word(6));
        log.close_instant(Nanos(1));
        assert_eq!((log.count(), seen.get()), (2, 11));
        assert_eq!(log.hash(), EventLog::<Word>::default().hash());
    }

    #[test]
    fn the_order_of_one_actors_events_counts() {
        assert_ne!(hash_of(&[(0, 1, 5), (0, 1, 6)]), hash_of(&[(0, 1, 6), (0, 1, 5)]));
    }
}
