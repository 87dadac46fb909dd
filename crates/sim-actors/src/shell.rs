//! The shell around the actors: a tokio `mpsc` inbox each, and a loop that hands a round over.
//!
//! ```text
//!   peers[k].send ──► inbox k ──► stash ──► act(): the lowest round only ──► state machine
//!        ▲                                                                       │
//!        └────────────────────────────── outbox ◄────────────────────────────────┘
//! ```
//!
//! A message carries the round that it belongs to. An actor takes everything from its inbox but
//! acts on one round per turn, sorted by sender; so whoever polls the actors, and in whatever order
//! within a round, the state machines see the same calls.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use sim_clock::executor::{self, ActorFuture, Bells, RoundBells, Shared};
use sim_clock::{Actor, ActorId, Scheduler, Traced};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How a run is carried out. Every way gives the same event log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunMode {
    /// The state machines called directly: the oracle, and the limit of speed.
    Bare,
    /// Actors over tokio channels on the deterministic executor: the way that ships.
    Actors,
    /// The same actors as tasks of tokio's own current-thread runtime: a differential check.
    Tokio,
}

/// Runs the actors to the end and gives them back.
pub fn run<M, E, A>(mode: RunMode, mut actors: Vec<A>, scheduler: &mut Scheduler<E>) -> Vec<A>
where
    M: 'static,
    E: Traced + 'static,
    A: Actor<M, E> + 'static,
{
    let _span = tracing::debug_span!("run", ?mode, actors = actors.len()).entered();
    match mode {
        RunMode::Bare => {
            sim_clock::bare::run(&mut actors, scheduler);
            actors
        }
        RunMode::Actors => on_executor(actors, scheduler),
        RunMode::Tokio => on_tokio(actors, scheduler),
    }
}

struct Envelope<M> {
    from: ActorId,
    round: u32,
    message: M,
}

/// An actor with its inbox and the way to its peers.
struct Seat<M, E, A, B> {
    me: ActorId,
    actor: A,
    inbox: UnboundedReceiver<Envelope<M>>,
    stash: Vec<Envelope<M>>,
    outbox: Vec<(ActorId, M)>,
    due: Vec<u64>,
    peers: Rc<[UnboundedSender<Envelope<M>>]>,
    shared: Rc<Shared<E, B>>,
}

impl<M, E: Traced, A: Actor<M, E>, B: Bells> Seat<M, E, A, B> {
    /// Handles what belongs to one round, and rings its own bell if there is more.
    fn act(&mut self) {
        while let Ok(envelope) = self.inbox.try_recv() {
            self.stash.push(envelope);
        }
        self.shared.take_due(self.me, &mut self.due);
        if self.due.is_empty() {
            self.act_on_messages();
        } else {
            self.act_on_timers();
        }
        if !self.stash.is_empty() {
            self.shared.bells.ring(self.me);
        }
    }

    fn act_on_timers(&mut self) {
        let mut scheduler = self.shared.scheduler();
        let mut cx = executor::turn(&mut scheduler, &mut self.outbox, self.me, 0);
        for key in self.due.drain(..) {
            self.actor.on_timer(key, &mut cx);
        }
        self.actor.end_of_round(&mut cx);
        drop(scheduler);
        self.post(1);
    }

    fn act_on_messages(&mut self) {
        let Some(round) = self.stash.iter().map(|envelope| envelope.round).min() else { return };
        let belongs = |envelope: &Envelope<M>| envelope.round == round;
        if !self.stash.is_sorted_by_key(|envelope| (envelope.round, envelope.from)) {
            self.stash.sort_by_key(|envelope| (envelope.round, envelope.from));
        }
        let count = self.stash.iter().take_while(|envelope| belongs(envelope)).count();
        let mut scheduler = self.shared.scheduler();
        let mut cx = executor::turn(&mut scheduler, &mut self.outbox, self.me, round);
        for envelope in self.stash.drain(..count) {
            self.actor.on_message(envelope.from, envelope.message, &mut cx);
        }
        self.actor.end_of_round(&mut cx);
        drop(scheduler);
        self.post(round + 1);
    }

    fn post(&mut self, round: u32) {
        for (to, message) in self.outbox.drain(..) {
            let envelope = Envelope { from: self.me, round, message };
            // A peer that is gone has ended with the run; nobody waits for what it would do.
            let _ = self.peers[to.0 as usize].send(envelope);
            self.shared.bells.ring(to);
        }
    }
}

type Seats<M, E, A, B> = Vec<Rc<RefCell<Seat<M, E, A, B>>>>;

fn take_seats<M, E, A, B>(actors: Vec<A>, shared: &Rc<Shared<E, B>>) -> Seats<M, E, A, B> {
    let (senders, inboxes): (Vec<_>, Vec<_>) = actors.iter().map(|_| unbounded_channel()).unzip();
    let peers: Rc<[UnboundedSender<Envelope<M>>]> = senders.into();
    (0_u32..)
        .zip(actors)
        .zip(inboxes)
        .map(|((index, actor), inbox)| {
            Rc::new(RefCell::new(Seat {
                me: ActorId(index),
                actor,
                inbox,
                stash: Vec::new(),
                outbox: Vec::new(),
                due: Vec::new(),
                peers: Rc::clone(&peers),
                shared: Rc::clone(shared),
            }))
        })
        .collect()
}

/// Takes the actors out of their seats, and the scheduler out of its sharing, after the run.
fn rise<M, E: Traced, A, B: Bells>(
    seats: Seats<M, E, A, B>,
    shared: Rc<Shared<E, B>>,
    scheduler: &mut Scheduler<E>,
) -> Vec<A> {
    let actors = seats
        .into_iter()
        .filter_map(|seat| Rc::into_inner(seat).map(|seat| seat.into_inner().actor))
        .collect();
    if let Some(shared) = Rc::into_inner(shared) {
        *scheduler = shared.into_scheduler();
    }
    actors
}

fn placeholder<E: Traced>() -> Scheduler<E> {
    Scheduler::new(sim_clock::Nanos::ZERO)
}

fn on_executor<M, E, A>(actors: Vec<A>, scheduler: &mut Scheduler<E>) -> Vec<A>
where
    E: Traced,
    A: Actor<M, E>,
{
    let count = actors.len();
    let taken = std::mem::replace(scheduler, placeholder());
    let shared = Rc::new(Shared::new(taken, count, RoundBells::new(count)));
    let seats = take_seats(actors, &shared);
    let mut futures: Vec<ActorFuture<'_>> = seats
        .iter()
        .map(|seat| -> ActorFuture<'_> {
            Box::pin(poll_fn(move |_| {
                seat.borrow_mut().act();
                Poll::Pending
            }))
        })
        .collect();
    executor::run(&shared, &mut futures);
    drop(futures);
    rise(seats, shared, scheduler)
}

/// Bells that wake tasks of a tokio runtime.
struct WakerBells(Vec<RefCell<Option<Waker>>>);

impl Bells for WakerBells {
    fn ring(&self, actor: ActorId) {
        if let Some(waker) = &*self.0[actor.0 as usize].borrow() {
            waker.wake_by_ref();
        }
    }
}

thread_local! {
    /// What to do when the runtime of this thread has nothing left to run: move virtual time on.
    static ON_PARK: RefCell<Option<Box<dyn FnMut()>>> = const { RefCell::new(None) };
}

fn on_tokio<M, E, A>(actors: Vec<A>, scheduler: &mut Scheduler<E>) -> Vec<A>
where
    M: 'static,
    E: Traced + 'static,
    A: Actor<M, E> + 'static,
{
    let count = actors.len();
    let taken = std::mem::replace(scheduler, placeholder());
    let bells = WakerBells((0..count).map(|_| RefCell::default()).collect());
    let shared = Rc::new(Shared::new(taken, count, bells));
    let seats = take_seats(actors, &shared);
    let over = Rc::new(Notify::new());

    let runtime = tokio::runtime::Builder::new_current_thread()
        .on_thread_park(|| {
            ON_PARK.with_borrow_mut(|hook| {
                if let Some(hook) = hook {
                    hook();
                }
            });
        })
        .build_local(tokio::runtime::LocalOptions::default());
    let Ok(runtime) = runtime else {
        unreachable!("a runtime without drivers asks nothing of the operating system");
    };
    for (index, seat) in seats.iter().enumerate() {
        let (seat, shared) = (Rc::clone(seat), Rc::clone(&shared));
        runtime.spawn_local(poll_fn(move |task| {
            let mut waker = shared.bells.0[index].borrow_mut();
            if waker.is_none() {
                *waker = Some(task.waker().clone());
            }
            drop(waker);
            seat.borrow_mut().act();
            Poll::<()>::Pending
        }));
    }
    let (clock, end, mut scratch) = (Rc::clone(&shared), Rc::clone(&over), Vec::new());
    ON_PARK.set(Some(Box::new(move || {
        if !clock.next_instant(&mut scratch) {
            end.notify_one();
        }
    })));
    runtime.block_on(over.notified());
    ON_PARK.set(None);
    drop(runtime);
    rise(seats, shared, scheduler)
}
