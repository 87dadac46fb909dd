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

/// Receives each event once its place in the log is settled.
pub type Sink<E> = Box<dyn FnMut(Nanos, ActorId, &E)>;

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

/// The log of a run: always hashed and counted, and shown to a sink when there is one.
pub struct EventLog<E> {
    open: Vec<Entry<E>>,
    /// Whether they were written in the order that the log wants them in: the rule.
    in_order: bool,
    hash: TraceHash,
    count: u64,
    sink: Option<Sink<E>>,
}

impl<E> Default for EventLog<E> {
    fn default() -> Self {
        Self { open: Vec::new(), in_order: true, hash: TraceHash::default(), count: 0, sink: None }
    }
}

impl<E: Traced> EventLog<E> {
    /// Shows each event to `sink` from now on.
    pub fn observe(&mut self, sink: Sink<E>) {
        self.sink = Some(sink);
    }

    /// Stops showing events, and gives the sink back.
    pub fn unobserve(&mut self) -> Option<Sink<E>> {
        self.sink.take()
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
        let place = u64::from(round) << 32 | u64::from(actor.0);
        self.in_order &= self.open.last().is_none_or(|last| last.place <= place);
        self.open.push(Entry { place, event });
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
        self.hash.word(at.0);
        self.count += self.open.len() as u64;
        for entry in &self.open {
            self.hash.word(u64::from(entry.actor().0));
            entry.event.trace(&mut self.hash);
        }
        if let Some(sink) = &mut self.sink {
            for entry in &self.open {
                sink(at, entry.actor(), &entry.event);
            }
        }
        self.open.clear();
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
    fn the_order_of_one_actors_events_counts() {
        assert_ne!(hash_of(&[(0, 1, 5), (0, 1, 6)]), hash_of(&[(0, 1, 6), (0, 1, 5)]));
    }
}
