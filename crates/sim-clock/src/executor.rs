//! The deterministic executor: actors as futures, polled by index in rounds.
//!
//! A sender rings the receiver's bell; a bell rung in one round is answered in the next. The
//! futures are polled in order of index with no waker at all, so nothing but the bells decides who
//! runs, and the executor knows that an instant is over when no bell is ringing.

use std::cell::{Cell, RefCell, RefMut};
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

/// One bit an actor, for this round and for the next.
#[derive(Debug)]
pub struct RoundBells {
    ringing: Vec<Cell<u64>>,
    next: Vec<Cell<u64>>,
}

impl RoundBells {
    /// Silent bells for that many actors.
    #[must_use]
    pub fn new(actors: usize) -> Self {
        let words = || (0..actors.div_ceil(64)).map(|_| Cell::new(0)).collect();
        Self { ringing: words(), next: words() }
    }

    /// Moves to the next round; false when no bell rings in it.
    fn begin_round(&self) -> bool {
        let mut any = 0;
        for (now, next) in self.ringing.iter().zip(&self.next) {
            now.set(next.take());
            any |= now.get();
        }
        any != 0
    }

    fn for_each_ringing(&self, mut answer: impl FnMut(usize)) {
        for (at, word) in self.ringing.iter().enumerate() {
            let mut bits = word.take();
            while bits != 0 {
                answer(at * 64 + bits.trailing_zeros() as usize);
                bits &= bits - 1;
            }
        }
    }
}

impl Bells for RoundBells {
    fn ring(&self, actor: ActorId) {
        let word = &self.next[actor.0 as usize / 64];
        word.set(word.get() | 1 << (actor.0 % 64));
    }
}

/// What the futures of a run share: the scheduler, and the timers that are due to each actor.
pub struct Shared<E, B> {
    scheduler: RefCell<Scheduler<E>>,
    due: Vec<RefCell<Vec<u64>>>,
    /// The bells that make actors run.
    pub bells: B,
}

impl<E: Traced, B: Bells> Shared<E, B> {
    /// Shares a scheduler among that many actors.
    pub fn new(scheduler: Scheduler<E>, actors: usize, bells: B) -> Self {
        let due = (0..actors).map(|_| RefCell::default()).collect();
        Self { scheduler: RefCell::new(scheduler), due, bells }
    }

    /// The scheduler, for one actor's turn.
    pub fn scheduler(&self) -> RefMut<'_, Scheduler<E>> {
        self.scheduler.borrow_mut()
    }

    /// Takes the timers that are due to an actor at this instant.
    pub fn take_due(&self, actor: ActorId, into: &mut Vec<u64>) {
        let mut due = self.due[actor.0 as usize].borrow_mut();
        if !due.is_empty() {
            std::mem::swap(&mut *due, into);
        }
    }

    /// Closes the present instant and opens the next: its owners' bells ring. False at the end.
    pub fn next_instant(&self, scratch: &mut Vec<Due>) -> bool {
        let mut scheduler = self.scheduler.borrow_mut();
        scheduler.close_instant();
        scratch.clear();
        let more = scheduler.advance(scratch);
        for due in &*scratch {
            self.due[due.owner.0 as usize].borrow_mut().push(due.key);
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
    let mut scratch = Vec::new();
    while shared.next_instant(&mut scratch) {
        while shared.bells.begin_round() {
            shared.bells.for_each_ringing(|at| {
                // An actor that has ended has nothing more to say, and is not asked again.
                let _ = actors[at].as_mut().poll(&mut task);
            });
        }
    }
}
