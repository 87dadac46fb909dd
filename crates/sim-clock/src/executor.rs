//! The deterministic executor: actors as futures, polled by index in rounds.
//!
//! A sender rings the receiver's bell; a bell rung in one round is answered in the next. The
//! futures are polled in order of index with no waker at all, so nothing but the bells decides who
//! runs, and the executor knows that an instant is over when no bell is ringing.

use std::cell::{Cell, Ref, RefCell, RefMut};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context as TaskContext, Waker};

use crate::actor::{Context, Scheduler};
use crate::log::Traced;
use crate::timers::{ActorId, Due};

/// Something that makes an actor run: a bit for the executor, a waker for tokio.
pub trait Bells {
    /// Makes the actor run in the next round.
    fn ring(&self, actor: ActorId);
}

/// The bells of this round and of the next. Most often one actor alone runs in a round: it is kept by its place, and
/// only with a second one come the bits, one an actor.
#[derive(Debug)]
pub struct RoundBells {
    next: Cell<Ringing>,
    next_bits: Vec<Cell<u64>>,
    bits: Vec<Cell<u64>>,
}

/// Whose bells ring.
#[derive(Clone, Copy, Debug, Default)]
enum Ringing {
    #[default]
    Nobody,
    One(ActorId),
    Those,
}

impl RoundBells {
    /// Silent bells for that many actors.
    #[must_use]
    pub fn new(actors: usize) -> Self {
        let words = || (0..actors.div_ceil(64)).map(|_| Cell::new(0)).collect();
        Self { next: Cell::default(), next_bits: words(), bits: words() }
    }

    /// Moves to the next round and has each actor whose bell rings answer, in order of place; false when none does.
    #[inline]
    fn round(&self, mut answer: impl FnMut(usize)) -> bool {
        match self.next.take() {
            Ringing::Nobody => return false,
            Ringing::One(actor) => answer(actor.0 as usize),
            Ringing::Those => self.answer_all(answer),
        }
        true
    }

    fn answer_all(&self, mut answer: impl FnMut(usize)) {
        for (now, next) in self.bits.iter().zip(&self.next_bits) {
            now.set(next.take());
        }
        for (at, word) in self.bits.iter().enumerate() {
            let mut bits = word.take();
            while bits != 0 {
                answer(at * 64 + bits.trailing_zeros() as usize);
                bits &= bits - 1;
            }
        }
    }

    fn set_bit(&self, actor: ActorId) {
        let word = &self.next_bits[actor.0 as usize / 64];
        word.set(word.get() | 1 << (actor.0 % 64));
    }
}

impl Bells for RoundBells {
    #[inline]
    fn ring(&self, actor: ActorId) {
        match self.next.get() {
            Ringing::Nobody => self.next.set(Ringing::One(actor)),
            Ringing::One(other) if other == actor => {}
            Ringing::One(other) => {
                self.set_bit(other);
                self.set_bit(actor);
                self.next.set(Ringing::Those);
            }
            Ringing::Those => self.set_bit(actor),
        }
    }
}

/// What the futures of a run share: the scheduler, the timers that are due at this instant, and how many messages
/// are on their way to each actor.
pub struct Shared<E, B> {
    scheduler: RefCell<Scheduler<E>>,
    due: RefCell<Vec<Due>>,
    /// Numbers the instants, from 1.
    instant: Cell<u64>,
    mail: Box<[Cell<u32>]>,
    bells: B,
}

impl<E: Traced, B: Bells> Shared<E, B> {
    /// Shares a scheduler among that many actors.
    pub fn new(scheduler: Scheduler<E>, actors: usize, bells: B) -> Self {
        let mail = (0..actors).map(|_| Cell::new(0)).collect();
        let (scheduler, due) = (RefCell::new(scheduler), RefCell::default());
        Self { scheduler, due, instant: Cell::new(0), mail, bells }
    }

    /// The scheduler, for one actor's turn.
    #[inline]
    pub fn scheduler(&self) -> RefMut<'_, Scheduler<E>> {
        self.scheduler.borrow_mut()
    }

    /// The bells that make actors run.
    pub fn bells(&self) -> &B {
        &self.bells
    }

    /// The timers that are due to an actor at this instant, unless it has `seen` the instant before.
    #[inline]
    pub fn due_to(&self, actor: ActorId, seen: &mut u64) -> Ref<'_, [Due]> {
        let is_seen = std::mem::replace(seen, self.instant.get()) == *seen;
        Ref::map(self.due.borrow(), |due| match due.as_slice() {
            _ if is_seen => Default::default(),
            [one] if one.owner != actor => Default::default(),
            [one] => std::slice::from_ref(one),
            many => {
                let first = many.partition_point(|due| due.owner < actor);
                let count = many[first..].partition_point(|due| due.owner == actor);
                &many[first..][..count]
            }
        })
    }

    /// A message has been sent to an actor: it will run in the next round.
    #[inline]
    pub fn announce(&self, to: ActorId) {
        let mail = &self.mail[to.0 as usize];
        mail.set(mail.get() + 1);
        self.bells.ring(to);
    }

    /// An actor has more to do in a later round of this instant.
    #[inline]
    pub fn call_again(&self, actor: ActorId) {
        self.bells.ring(actor);
    }

    /// How many messages have been sent to an actor since it last asked.
    #[inline]
    pub fn take_mail(&self, actor: ActorId) -> u32 {
        self.mail[actor.0 as usize].take()
    }

    /// Closes the present instant and opens the next: its owners' bells ring. False at the end.
    #[inline]
    pub fn next_instant(&self) -> bool {
        let mut due = self.due.borrow_mut();
        due.clear();
        self.instant.set(self.instant.get() + 1);
        let more = self.scheduler.borrow_mut().next_instant(&mut due);
        for due in &*due {
            self.bells.ring(due.owner);
        }
        more
    }

    /// Gives the scheduler back when the run is over.
    pub fn into_scheduler(self) -> Scheduler<E> {
        self.scheduler.into_inner()
    }
}

/// An actor's turn outside the bare loop: the context that its state machine is called with.
#[inline]
pub fn turn<'a, M, E>(
    scheduler: &'a mut Scheduler<E>,
    outbox: &'a mut Vec<(ActorId, M)>,
    me: ActorId,
    round: u32,
) -> Context<'a, M, E> {
    Context { scheduler, outbox, me, round }
}

/// A future that never completes by itself: it acts when polled, and the run drops it at the end.
pub type ActorFuture<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Polls the actors until the run stops, its horizon is reached or nothing is left to happen.
pub fn run<E: Traced>(shared: &Shared<E, RoundBells>, actors: &mut [ActorFuture<'_>]) {
    let mut task = TaskContext::from_waker(Waker::noop());
    while shared.next_instant() {
        while shared.bells.round(|at| {
            // An actor that has ended has nothing more to say, and is not asked again.
            let _ = actors[at].as_mut().poll(&mut task);
        }) {}
    }
}
