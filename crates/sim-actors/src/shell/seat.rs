//! An actor's seat: its inbox, the way to its peers, and its turns.

use std::rc::Rc;

use sim_clock::executor::{self, Bells, Shared};
use sim_clock::{Actor, ActorId, Context, Due, Traced};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A message on its way.
struct Envelope<M> {
    from: ActorId,
    round: u32,
    message: M,
}

/// An actor with its inbox and the way to its peers.
pub(super) struct Seat<M, A> {
    me: ActorId,
    pub(super) actor: A,
    inbox: UnboundedReceiver<Envelope<M>>,
    /// What was sent to it and belongs to later rounds.
    stash: Vec<Envelope<M>>,
    outbox: Vec<(ActorId, M)>,
    peers: Rc<[UnboundedSender<Envelope<M>>]>,
    /// The last instant whose timers it has looked at.
    seen: u64,
    /// Whether anybody listens to spans: to ask each time would cost more than a small turn does.
    is_traced: bool,
}

impl<M, A> Seat<M, A> {
    /// Seats for these actors, each with a way to all others.
    pub(super) fn of_all(actors: Vec<A>) -> impl Iterator<Item = Self> {
        let (senders, inboxes): (Vec<_>, Vec<_>) = actors.iter().map(|_| unbounded_channel()).unzip();
        let peers: Rc<[UnboundedSender<Envelope<M>>]> = senders.into();
        (0_u32..).zip(actors).zip(inboxes).map(move |((index, actor), inbox)| Self {
            me: ActorId(index),
            actor,
            inbox,
            stash: Vec::new(),
            outbox: Vec::new(),
            peers: Rc::clone(&peers),
            seen: 0,
            is_traced: tracing::enabled!(tracing::Level::TRACE),
        })
    }

    /// Handles what belongs to one round, and asks for another turn if there is more.
    #[inline]
    pub(super) fn act<E, B>(&mut self, shared: &Shared<E, B>)
    where
        E: Traced,
        A: Actor<M, E>,
        B: Bells,
    {
        let mut turn = Turn { seat: self, shared };
        if turn.seat.is_traced {
            let _span = tracing::trace_span!("actor", place = turn.seat.me.0).entered();
            turn.act();
        } else {
            turn.act();
        }
    }
}

/// An actor's turn, in which it handles what belongs to one round.
struct Turn<'a, M, E, A, B> {
    seat: &'a mut Seat<M, A>,
    shared: &'a Shared<E, B>,
}

impl<M, E: Traced, A: Actor<M, E>, B: Bells> Turn<'_, M, E, A, B> {
    #[inline]
    fn act(&mut self) {
        let (seat, shared) = (&mut *self.seat, self.shared);
        let mail = shared.take_mail(seat.me);
        let due = shared.due_to(seat.me, &mut seat.seen);
        if !due.is_empty() {
            self.collect(mail);
            self.act_on_timers(&due);
        } else if mail == 1 && seat.stash.is_empty() {
            // The rule: one message, and nothing that it would have to be put in order with.
            if let Ok(Envelope { from, round, message }) = seat.inbox.try_recv() {
                self.in_round(round, |actor, cx| actor.on_message(from, message, cx));
            }
            return;
        } else {
            self.collect(mail);
            self.act_on_messages();
        }
        if !self.seat.stash.is_empty() {
            shared.call_again(self.seat.me);
        }
    }

    fn collect(&mut self, mail: u32) {
        for _ in 0..mail {
            self.seat.stash.extend(self.seat.inbox.try_recv());
        }
    }

    fn act_on_timers(&mut self, due: &[Due]) {
        self.in_round(0, |actor, cx| {
            for timer in due {
                actor.on_timer(timer.key, cx);
            }
        });
    }

    /// Handles the messages of the lowest round, in order of sender and of sending.
    fn act_on_messages(&mut self) {
        let mut stash = std::mem::take(&mut self.seat.stash);
        let order = |envelope: &Envelope<M>| (envelope.round, envelope.from);
        if !stash.is_sorted_by_key(order) {
            stash.sort_by_key(order);
        }
        if let Some(round) = stash.first().map(|first| first.round) {
            let count = stash.partition_point(|envelope| envelope.round == round);
            self.in_round(round, |actor, cx| {
                for envelope in stash.drain(..count) {
                    actor.on_message(envelope.from, envelope.message, cx);
                }
            });
        }
        self.seat.stash = stash;
    }

    /// Lets the actor act in a round, and sends what it has to say to the next.
    #[inline]
    fn in_round(&mut self, round: u32, act: impl FnOnce(&mut A, &mut Context<'_, M, E>)) {
        let Seat { me, actor, outbox, .. } = &mut *self.seat;
        let mut scheduler = self.shared.scheduler();
        let mut cx = executor::turn(&mut scheduler, outbox, *me, round);
        act(actor, &mut cx);
        actor.end_of_round(&mut cx);
        drop(scheduler);
        if outbox.len() > 1 {
            self.send_all(round + 1);
        } else if let Some((to, message)) = outbox.pop() {
            self.send(to, round + 1, message);
        }
    }

    fn send_all(&mut self, round: u32) {
        let mut outbox = std::mem::take(&mut self.seat.outbox);
        for (to, message) in outbox.drain(..) {
            self.send(to, round, message);
        }
        self.seat.outbox = outbox;
    }

    #[inline]
    fn send(&self, to: ActorId, round: u32, message: M) {
        let envelope = Envelope { from: self.seat.me, round, message };
        // A peer that is gone has ended with the run; nobody waits for what it would do.
        if self.seat.peers[to.0 as usize].send(envelope).is_ok() {
            self.shared.announce(to);
        }
    }
}
