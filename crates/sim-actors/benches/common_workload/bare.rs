//! The loop without actors: timers popped one after the other, the server and the clients called directly. It
//! logs what the actors log, in the same order.

use std::cell::Cell;
use std::rc::Rc;

use lock_table::SessionId;
use sim_clock::{ActorId, ClosedInstant, Nanos, Scheduler};

use crate::engine::{Answers, Ask, Engine, Logged};
use crate::kernel::Kernel;
use crate::players::{Desk, Level, Next, Player, SERVER, Size, cast};

/// A session that the server has answered, with the place of its client and the round in which that hears of it.
#[derive(Clone, Copy)]
struct Answered {
    round: u32,
    client: ActorId,
    session: SessionId,
}

/// What the server does in a round.
struct Direct<'a> {
    scheduler: &'a mut Scheduler<Logged>,
    clients: &'a [ActorId],
    answered: &'a mut Vec<Answered>,
    round: u32,
}

impl Answers for Direct<'_> {
    fn timer(&mut self, at: Nanos, timer: u64) {
        self.scheduler.set_timer(at, SERVER, timer);
    }

    fn log(&mut self, event: Logged) {
        self.scheduler.log(self.round, SERVER, event);
    }

    fn done(&mut self, session: SessionId) {
        let client = self.clients[session.index()];
        self.answered.push(Answered { round: self.round + 1, client, session });
    }
}

/// Runs the players to the end and gives the engine and the clients back.
pub(crate) fn run<G: Engine>(
    players: Vec<Player<G>>,
    scheduler: &mut Scheduler<Logged>,
) -> Option<(G, Vec<Player<G>>)> {
    let mut players = players.into_iter();
    let Some(Player::Desk(Desk { mut engine, clients })) = players.next() else { return None };
    let mut clients_of: Vec<Player<G>> = players.collect();
    let (mut due, mut answered) = (Vec::new(), Vec::new());
    let mut server = Direct { scheduler, clients: &clients, answered: &mut answered, round: 0 };
    while server.scheduler.next_instant(&mut due) {
        let now = server.scheduler.now();
        // In the order of rounds: the server's timers, then the clients', whose requests come a round later.
        for timer in &due {
            let client = (timer.owner.0 as usize).wrapping_sub(1);
            server.round = u32::from(timer.owner != SERVER);
            match clients_of.get_mut(client) {
                None => engine.fire(now, timer.key, &mut server),
                Some(Player::Instance(instance)) => {
                    let session = SessionId(u32::try_from(timer.key).unwrap());
                    let (ask, order) = instance.wakes(now, session);
                    engine.start(now, session, ask, order, &mut server);
                }
                Some(Player::Migration(session, migration)) => {
                    server.scheduler.set_timer(now + Nanos::from_secs(1), timer.owner, 0);
                    engine.start(now, *session, Ask::Statement, migration.wakes(), &mut server);
                }
                Some(Player::Desk(_)) => {}
            }
        }
        due.clear();
        let (mut next, mut sorted) = (0, 0);
        while let Some(&Answered { round, client, session }) = server.answered.get(next) {
            // Those who are told in the same round act in the order of their places.
            if next == sorted && server.answered.len() > next + 1 {
                sorted += server.answered[next..].iter().take_while(|one| one.round == round).count();
                server.answered[next..sorted].sort_by_key(|one| one.client);
                continue;
            }
            next += 1;
            sorted = sorted.max(next);
            let Some(Player::Instance(instance)) = clients_of.get_mut(client.0 as usize - 1) else {
                continue;
            };
            let (what, latency) = instance.hears(now, session);
            if let Some(latency) = latency {
                server.scheduler.log(round, client, Logged::Request { latency });
            }
            match what {
                Next::Sleep(span) => server.scheduler.set_timer(now + span, client, u64::from(session.0)),
                Next::Send(ask, order) => {
                    server.round = round + 1;
                    engine.start(now, session, ask, order, &mut server);
                }
            }
        }
        server.answered.clear();
    }
    Some((engine, clients_of))
}

/// How many transactions end in so many virtual seconds.
pub(crate) fn transactions(seconds: u64, size: Size) -> u64 {
    let mut scheduler: Scheduler<Logged> = Scheduler::new(Nanos::from_secs(seconds));
    let players = cast(Kernel::default(), Level::Statements, size, &mut scheduler);
    let count = Rc::new(Cell::new(0));
    let seen = Rc::clone(&count);
    scheduler.log.observe(Box::new(move |_, instant: ClosedInstant<'_, Logged>| {
        let requests = instant.events().filter(|one| matches!(one.1, Logged::Request { .. }));
        seen.set(seen.get() + requests.count() as u64);
    }));
    run(players, &mut scheduler);
    count.get()
}
