//! The loop without actors: timers popped one after the other, the server and the clients called directly. It
//! logs what the actors log, in the same order.

use lock_table::SessionId;
use sim_clock::{Nanos, Scheduler};

use crate::engine::{Ask, Brought, Engine, Logged};
use crate::players::{Desk, Next, Player, SERVER};

pub(crate) fn run<G: Engine>(players: Vec<Player<G>>, scheduler: &mut Scheduler<Logged>) {
    let mut players = players.into_iter();
    let Some(Player::Desk(Desk { mut engine, clients, mut brought })) = players.next() else { return };
    let mut clients_of: Vec<Player<G>> = players.collect();
    let mut due = Vec::new();
    // In the order of rounds: the server's timers, then the clients', whose requests come a round later.
    let mut done: Vec<(u32, SessionId)> = Vec::new();
    while scheduler.next_instant(&mut due) {
        let now = scheduler.now();
        for timer in due.drain(..) {
            let client = timer.owner.0 as usize;
            let round = match clients_of.get_mut(client.wrapping_sub(1)) {
                None => {
                    engine.fire(now, timer.key, &mut brought);
                    0
                }
                Some(Player::Instance(instance)) => {
                    let session = SessionId(u32::try_from(timer.key).unwrap());
                    let (ask, order) = instance.wakes(now, session);
                    engine.start(now, session, ask, order, &mut brought);
                    1
                }
                Some(Player::Migration(session, migration)) => {
                    scheduler.set_timer(now + Nanos::from_secs(1), timer.owner, 0);
                    engine.start(now, *session, Ask::Statement, migration.wakes(), &mut brought);
                    1
                }
                Some(Player::Desk(_)) => 0,
            };
            settle(round, &mut brought, scheduler, &mut done);
        }
        let mut next = 0;
        while let Some(&(round, session)) = done.get(next) {
            next += 1;
            let client = clients[session.index()];
            let Some(Player::Instance(instance)) = clients_of.get_mut(client.0 as usize - 1) else {
                continue;
            };
            let (what, latency) = instance.hears(now, session);
            if let Some(latency) = latency {
                scheduler.log(round + 1, client, Logged::Request { latency });
            }
            match what {
                Next::Sleep(span) => scheduler.set_timer(now + span, client, u64::from(session.0)),
                Next::Send(ask, order) => {
                    engine.start(now, session, ask, order, &mut brought);
                    settle(round + 2, &mut brought, scheduler, &mut done);
                }
            }
        }
        done.clear();
    }
}

fn settle(
    round: u32,
    brought: &mut Brought,
    scheduler: &mut Scheduler<Logged>,
    done: &mut Vec<(u32, SessionId)>,
) {
    for (at, key) in brought.timers.drain(..) {
        scheduler.set_timer(at, SERVER, key);
    }
    for event in brought.events.drain(..) {
        scheduler.log(round, SERVER, event);
    }
    done.extend(brought.done.drain(..).map(|session| (round, session)));
}
