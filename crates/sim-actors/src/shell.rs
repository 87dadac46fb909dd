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

use self::seat::Seat;

mod seat;

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

type Seats<M, A> = Vec<Rc<RefCell<Seat<M, A>>>>;

fn take_seats<M, A>(actors: Vec<A>) -> Seats<M, A> {
    Seat::of_all(actors).map(|seat| Rc::new(RefCell::new(seat))).collect()
}

/// Takes the actors out of their seats, and the scheduler out of its sharing, after the run.
fn rise<M, E: Traced, A, B: Bells>(
    seats: Seats<M, A>,
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
    let seats = take_seats(actors);
    let shared_by_all = &*shared;
    let mut futures: Vec<ActorFuture<'_>> = seats
        .iter()
        .map(|seat| -> ActorFuture<'_> {
            Box::pin(poll_fn(move |_| {
                seat.borrow_mut().act(shared_by_all);
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
    let seats = take_seats(actors);
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
            let mut waker = shared.bells().0[index].borrow_mut();
            if waker.is_none() {
                *waker = Some(task.waker().clone());
            }
            drop(waker);
            seat.borrow_mut().act(&shared);
            Poll::<()>::Pending
        }));
    }
    let (clock, end) = (Rc::clone(&shared), Rc::clone(&over));
    ON_PARK.set(Some(Box::new(move || {
        if !clock.next_instant() {
            end.notify_one();
        }
    })));
    runtime.block_on(over.notified());
    ON_PARK.set(None);
    drop(runtime);
    rise(seats, shared, scheduler)
}
