//! The bare loop: the actors' state machines called directly, without channels or futures.
//!
//! It is the oracle that every other way of running is compared with, and the limit that the
//! benchmarks measure them against.

use crate::actor::{Actor, Context, Scheduler};
use crate::log::Traced;
use crate::timers::{ActorId, Due};

/// Runs the actors until the run stops, its horizon is reached or nothing is left to happen.
pub fn run<M, E, A>(actors: &mut [A], scheduler: &mut Scheduler<E>)
where
    E: Traced,
    A: Actor<M, E>,
{
    let mut round = Rounds::new(actors.len());
    let mut due: Vec<Due> = Vec::new();
    while scheduler.advance(&mut due) {
        round.number = 0;
        for of_one in due.chunk_by(|a, b| a.owner == b.owner) {
            let actor = &mut actors[of_one[0].owner.0 as usize];
            let mut cx = Context { scheduler, outbox: &mut round.outbox, me: of_one[0].owner, round: 0 };
            for timer in of_one {
                actor.on_timer(timer.key, &mut cx);
            }
            actor.end_of_round(&mut cx);
            round.post(of_one[0].owner);
        }
        due.clear();
        while round.begin_next() {
            round.deliver(actors, scheduler);
        }
        scheduler.close_instant();
    }
}

/// The messages of this round and of the next, by receiver.
struct Rounds<M> {
    number: u32,
    outbox: Vec<(ActorId, M)>,
    inboxes: Vec<Vec<(ActorId, M)>>,
    ready: Vec<ActorId>,
    next_inboxes: Vec<Vec<(ActorId, M)>>,
    next_ready: Vec<ActorId>,
}

impl<M> Rounds<M> {
    fn new(actors: usize) -> Self {
        let empty = || (0..actors).map(|_| Vec::new()).collect();
        Self {
            number: 0,
            outbox: Vec::new(),
            inboxes: empty(),
            ready: Vec::new(),
            next_inboxes: empty(),
            next_ready: Vec::new(),
        }
    }

    /// Puts what `sender` has just sent into the inboxes of the next round.
    fn post(&mut self, sender: ActorId) {
        for (to, message) in self.outbox.drain(..) {
            let inbox = &mut self.next_inboxes[to.0 as usize];
            if inbox.is_empty() {
                self.next_ready.push(to);
            }
            inbox.push((sender, message));
        }
    }

    /// Makes the next round this one; false when it has no messages.
    fn begin_next(&mut self) -> bool {
        std::mem::swap(&mut self.inboxes, &mut self.next_inboxes);
        std::mem::swap(&mut self.ready, &mut self.next_ready);
        self.next_ready.clear();
        self.ready.sort_unstable();
        self.number += 1;
        !self.ready.is_empty()
    }

    fn deliver<E, A>(&mut self, actors: &mut [A], scheduler: &mut Scheduler<E>)
    where
        E: Traced,
        A: Actor<M, E>,
    {
        for at in 0..self.ready.len() {
            let me = self.ready[at];
            let actor = &mut actors[me.0 as usize];
            let mut cx = Context { scheduler, outbox: &mut self.outbox, me, round: self.number };
            for (from, message) in self.inboxes[me.0 as usize].drain(..) {
                actor.on_message(from, message, &mut cx);
            }
            actor.end_of_round(&mut cx);
            self.post(me);
        }
    }
}
