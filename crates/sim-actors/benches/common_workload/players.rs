//! The workload's actors: a server, eight instances, a migration. The loop without actors calls the clients'
//! state machines, too, so that all variants draw the same numbers.

use lock_table::SessionId;
use sim_clock::{Actor, ActorId, Context, Nanos, Scheduler, Seed, Stream};

use crate::engine::{Answers, Ask, Engine, Logged};
use crate::kernel::Order;

pub(crate) const INSTANCES: u32 = 8;
pub(crate) const SESSIONS_EACH: u32 = 25;
pub(crate) const TABLES: u32 = 10;
const ROWS: u64 = 100_000;
pub(crate) const SERVER: ActorId = ActorId(0);
const SERVICE: Nanos = Nanos::from_millis(2);
const THINK: Nanos = Nanos::from_millis(10);

/// How many there are of what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) instances: u32,
    pub(crate) sessions_each: u32,
    pub(crate) tables: u32,
}

impl Size {
    /// That of the common workload.
    pub(crate) const COMMON: Self =
        Self { instances: INSTANCES, sessions_each: SESSIONS_EACH, tables: TABLES };

    /// That many sessions, in instances of 20, and tables.
    pub(crate) fn of(sessions: u32, tables: u32) -> Self {
        Self { instances: sessions / 20, sessions_each: 20, tables }
    }
}

/// How a transaction is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// As one message.
    Statements,
    /// BEGIN, a message for each lock, COMMIT after the client's own work.
    Locks,
}

/// To the server: do this; back: it is done.
pub(crate) enum Message {
    Run { session: SessionId, ask: Ask, order: Order },
    Done { session: SessionId },
}

/// Eight of these have 25 sessions each.
pub(crate) struct Instance {
    stream: Stream,
    level: Level,
    first: u32,
    tables: u32,
    sessions: Vec<(Ask, Order, Nanos)>,
}

/// What a client does next.
pub(crate) enum Next {
    Send(Ask, Order),
    Sleep(Nanos),
}

impl Instance {
    fn new(number: u32, level: Level, size: Size) -> Self {
        let idle = (Ask::Commit, Order::default(), Nanos::ZERO);
        Self {
            stream: Seed(1).stream(&format!("instance {number}")),
            level,
            first: (number - 1) * size.sessions_each,
            tables: size.tables,
            sessions: vec![idle; size.sessions_each as usize],
        }
    }

    /// The session has thought, or has done its client's part of the work.
    #[inline(always)]
    pub(crate) fn wakes(&mut self, now: Nanos, session: SessionId) -> (Ask, Order) {
        let state = &mut self.sessions[(session.0 - self.first) as usize];
        if matches!(state.0, Ask::Row) {
            state.0 = Ask::Commit;
            return (Ask::Commit, state.1);
        }
        let (stream, tables) = (&mut self.stream, u64::from(self.tables));
        let program = stream.below(2 * tables);
        let (row, work) = (stream.below(ROWS), stream.exponential(SERVICE));
        let writes = program < tables;
        let table = u32::try_from(if writes { program } else { program - tables }).unwrap();
        let order = Order { is_migration: false, writes, table, row, work };
        let ask = if self.level == Level::Statements { Ask::Statement } else { Ask::Begin };
        *state = (ask, order, now);
        (ask, order)
    }

    /// The server has done what the session asked for; and the latency, if that was the end.
    pub(crate) fn hears(&mut self, now: Nanos, session: SessionId) -> (Next, Option<Nanos>) {
        let (ask, order, began) = &mut self.sessions[(session.0 - self.first) as usize];
        let next = match *ask {
            Ask::Begin => Ask::Table,
            Ask::Table => Ask::Row,
            Ask::Row => return (Next::Sleep(order.work), None),
            Ask::Statement | Ask::Commit => {
                return (Next::Sleep(self.stream.exponential(THINK)), Some(now - *began));
            }
        };
        *ask = next;
        (Next::Send(next, *order), None)
    }
}

/// Asks for a table each second.
pub(crate) struct Migration {
    next: u32,
    tables: u32,
}

impl Migration {
    pub(crate) fn wakes(&mut self) -> Order {
        let table = self.next % self.tables;
        self.next += 1;
        Order { is_migration: true, writes: false, table, row: 0, work: Nanos::from_millis(50) }
    }
}

/// The server's part of an actor.
pub(crate) struct Desk<G> {
    pub(crate) engine: G,
    pub(crate) clients: Vec<ActorId>,
}

#[allow(clippy::large_enum_variant, reason = "ten of them, in one list, never moved")]
pub(crate) enum Player<G> {
    Desk(Desk<G>),
    Instance(Instance),
    Migration(SessionId, Migration),
}

/// Everybody, and the first timers.
pub(crate) fn cast<G: Engine>(
    mut engine: G,
    level: Level,
    size: Size,
    scheduler: &mut Scheduler<Logged>,
) -> Vec<Player<G>> {
    let mut clients = Vec::new();
    let mut players = Vec::new();
    let mut start = Seed(1).stream("start");
    for number in 1..=size.instances {
        for _ in 0..size.sessions_each {
            let session = engine.connect(false);
            clients.push(ActorId(number));
            scheduler.set_timer(start.exponential(THINK), ActorId(number), u64::from(session.0));
        }
        players.push(Player::Instance(Instance::new(number, level, size)));
    }
    let session = engine.connect(true);
    clients.push(ActorId(size.instances + 1));
    scheduler.set_timer(Nanos::from_secs(1), ActorId(size.instances + 1), 0);
    players.push(Player::Migration(session, Migration { next: 0, tables: size.tables }));
    players.insert(0, Player::Desk(Desk { engine, clients }));
    players
}

/// Where what the server does goes: to the log, the timers and the clients' inboxes.
struct Counter<'a, 'b> {
    cx: &'a mut Context<'b, Message, Logged>,
    clients: &'a [ActorId],
}

impl Answers for Counter<'_, '_> {
    fn timer(&mut self, at: Nanos, timer: u64) {
        self.cx.set_timer(at, timer);
    }

    fn log(&mut self, event: Logged) {
        self.cx.log(event);
    }

    fn done(&mut self, session: SessionId) {
        self.cx.send(self.clients[session.index()], Message::Done { session });
    }
}

impl<G: Engine> Actor<Message, Logged> for Player<G> {
    fn on_timer(&mut self, key: u64, cx: &mut Context<'_, Message, Logged>) {
        match self {
            Self::Desk(desk) => {
                desk.engine.fire(cx.now(), key, &mut Counter { cx, clients: &desk.clients });
            }
            Self::Instance(instance) => {
                let session = SessionId(u32::try_from(key).unwrap());
                let (ask, order) = instance.wakes(cx.now(), session);
                cx.send(SERVER, Message::Run { session, ask, order });
            }
            Self::Migration(session, migration) => {
                let (ask, order) = (Ask::Statement, migration.wakes());
                cx.send(SERVER, Message::Run { session: *session, ask, order });
                cx.set_timer(cx.now() + Nanos::from_secs(1), 0);
            }
        }
    }

    fn on_message(&mut self, _: ActorId, message: Message, cx: &mut Context<'_, Message, Logged>) {
        match (self, message) {
            (Self::Desk(desk), Message::Run { session, ask, order }) => {
                let mut counter = Counter { cx, clients: &desk.clients };
                desk.engine.start(counter.cx.now(), session, ask, order, &mut counter);
            }
            (Self::Instance(instance), Message::Done { session }) => {
                let (next, latency) = instance.hears(cx.now(), session);
                if let Some(latency) = latency {
                    cx.log(Logged::Request { latency });
                }
                match next {
                    Next::Send(ask, order) => cx.send(SERVER, Message::Run { session, ask, order }),
                    Next::Sleep(span) => cx.set_timer(cx.now() + span, u64::from(session.0)),
                }
            }
            _ => {}
        }
    }
}
