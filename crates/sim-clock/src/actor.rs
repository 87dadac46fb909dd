//! What an actor is: a synchronous state machine that is told of timers and messages.
//!
//! **Ordering contract.** An instant of virtual time runs in rounds. In round 0 each actor with a
//! due timer handles its timers, in order of key. A message sent in round *n* is handled in round
//! *n* + 1; an actor handles the messages of a round in order of sender, and one sender's in the
//! order sent. When a round has no work left the instant is over, and only then does time move, to
//! the next timer. A timer set for the present instant opens a new instant at the same time.
//! Nothing else orders anything, so every way of running the actors gives the same run.

use crate::Nanos;
use crate::log::{EventLog, Traced};
use crate::timers::{ActorId, Due, TimerQueue};

/// A synchronous state machine that exchanges messages `M` and logs events `E`.
pub trait Actor<M, E> {
    /// A timer that this actor set is due.
    fn on_timer(&mut self, key: u64, cx: &mut Context<'_, M, E>);
    /// A message has arrived.
    fn on_message(&mut self, from: ActorId, message: M, cx: &mut Context<'_, M, E>);
    /// Everything that reached the actor in this round has been handled.
    fn end_of_round(&mut self, _cx: &mut Context<'_, M, E>) {}
}

/// What the actors of a run share: the clock, the timers and the log.
pub struct Scheduler<E> {
    pub(crate) now: Nanos,
    pub(crate) timers: TimerQueue,
    /// The event log of the run.
    pub log: EventLog<E>,
    stopped: bool,
    horizon: Nanos,
    gate: Option<Gate>,
    interrupted: bool,
}

/// Is asked before each instant whether the run goes on.
pub type Gate = Box<dyn FnMut(Nanos) -> bool>;

impl<E: Traced> Scheduler<E> {
    /// A clock at zero that runs no further than `horizon`.
    #[must_use]
    pub fn new(horizon: Nanos) -> Self {
        let (timers, log) = (TimerQueue::default(), EventLog::default());
        Self { now: Nanos::ZERO, timers, log, stopped: false, horizon, gate: None, interrupted: false }
    }

    /// The present instant.
    #[must_use]
    pub fn now(&self) -> Nanos {
        self.now
    }

    /// Asks `gate` before each instant. Only whole instants are carried out: an interrupted run is the beginning of
    /// the whole one.
    pub fn guard(&mut self, gate: Gate) {
        self.gate = Some(gate);
    }

    /// Whether the gate ended the run.
    #[must_use]
    pub fn was_interrupted(&self) -> bool {
        self.interrupted
    }

    /// Sets a timer from outside the actors, before the run begins.
    pub fn set_timer(&mut self, at: Nanos, owner: ActorId, key: u64) {
        self.timers.set(at, Due { owner, key });
    }

    /// Closes the present instant and takes the timers of the next, unless the run is over: for loops that call
    /// their state machines themselves.
    pub fn next_instant(&mut self, due: &mut Vec<Due>) -> bool {
        self.close_instant();
        self.advance(due)
    }

    /// Writes to the event log from such a loop, in the place of an actor.
    pub fn log(&mut self, round: u32, actor: ActorId, event: E) {
        self.log.push(round, actor, event);
    }

    /// Moves to the next instant and takes its timers, unless the run is over.
    #[inline]
    pub(crate) fn advance(&mut self, due: &mut Vec<Due>) -> bool {
        let Self { timers, gate, interrupted, stopped, horizon, .. } = self;
        let goes_on = |at| {
            if *stopped || at > *horizon {
                return false;
            }
            if let Some(goes_on) = gate {
                *interrupted = !goes_on(at);
                return !*interrupted;
            }
            true
        };
        let Some(at) = timers.pop_instant_if(goes_on, due) else { return false };
        self.now = at;
        true
    }

    #[inline]
    pub(crate) fn close_instant(&mut self) {
        self.log.close_instant(self.now);
    }
}

/// An actor's view of the run while it acts.
pub struct Context<'a, M, E> {
    pub(crate) scheduler: &'a mut Scheduler<E>,
    pub(crate) outbox: &'a mut Vec<(ActorId, M)>,
    pub(crate) me: ActorId,
    pub(crate) round: u32,
}

impl<M, E: Traced> Context<'_, M, E> {
    /// The present instant.
    #[must_use]
    pub fn now(&self) -> Nanos {
        self.scheduler.now
    }

    /// This actor's own place.
    #[must_use]
    pub fn me(&self) -> ActorId {
        self.me
    }

    /// Asks to be told at that time.
    pub fn set_timer(&mut self, at: Nanos, key: u64) {
        self.scheduler.timers.set(at, Due { owner: self.me, key });
    }

    /// Sends a message; it is handled in the next round of this instant.
    pub fn send(&mut self, to: ActorId, message: M) {
        self.outbox.push((to, message));
    }

    /// Writes to the event log.
    pub fn log(&mut self, event: E) {
        self.scheduler.log.push(self.round, self.me, event);
    }

    /// Writes several events to the event log, one after the other.
    #[inline]
    pub fn log_all(&mut self, events: impl Iterator<Item = E>) {
        self.scheduler.log.extend(self.round, self.me, events);
    }

    /// Ends the run with the present instant.
    pub fn stop(&mut self) {
        self.scheduler.stopped = true;
    }
}
