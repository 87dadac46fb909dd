//! The closed-loop lock mix: bare loop, actors and tokio's runtime side by side, in CPU time.
//!
//! 200 sessions in 8 instances of 25 loop: an UPDATE or a locking SELECT takes a table lock (ROW
//! EXCLUSIVE or ACCESS SHARE) on one of 10 tables and locks one of 100,000 rows, works for 2 ms on
//! average, commits, and the client thinks for 10 ms on average. Every second a migration asks for ACCESS
//! EXCLUSIVE on one table with a lock_timeout of 200 ms and holds it for 50 ms.
//!
//! The variants run in turn, round by round; what counts is the ratio within a round, in CPU time of
//! this thread. Equal hashes of the event logs are asserted, speeds never.
//!
//! `cargo bench -p sim-actors --bench common_workload -- [virtual seconds] [rounds]`

use std::rc::Rc;

use rustix::time::{ClockId, clock_gettime};
use sim_actors::{RunMode, run, trace_server};
use sim_clock::{Actor, ActorId, Context, Nanos, Scheduler, Seed, Stream, TraceHash, Traced};
use transactions::{
    Backends, CommandTag, Effects, Event, LockMode, Program, ProgramStep, RelationId, RowKey,
    RowLockStrength, ServerSettings, SessionId, SessionSettings, Statement, Timer, WaitPolicy,
};

const INSTANCES: u32 = 8;
const SESSIONS_EACH: u32 = 25;
const TABLES: u32 = 10;
const ROWS: u64 = 100_000;
const SERVER: ActorId = ActorId(0);

/// To the server: run a program; back: it is done.
enum Message {
    Run { session: SessionId, program: u32, row: RowKey, work: Nanos },
    Done { session: SessionId },
}

struct Logged(Event);

impl Traced for Logged {
    fn trace(&self, hash: &mut TraceHash) {
        trace_server(&self.0, hash);
    }
}

struct Server {
    backends: Backends<()>,
    programs: Rc<[Rc<Program>]>,
    clients: Vec<ActorId>,
    effects: Effects,
    transactions: u64,
}

impl Server {
    fn flush(&mut self, cx: &mut Context<'_, Message, Logged>) {
        for (at, timer) in self.effects.timers.drain(..) {
            cx.set_timer(at, timer.0);
        }
        for event in self.effects.events.drain(..) {
            cx.log(Logged(event));
        }
        for completion in self.effects.completions.drain(..) {
            self.transactions += 1;
            let session = completion.session;
            cx.send(self.clients[session.0 as usize], Message::Done { session });
        }
    }
}

struct Instance {
    programs: u32,
    stream: Stream,
}

struct Migration {
    session: SessionId,
    next: u32,
}

#[allow(clippy::large_enum_variant, reason = "ten of them, in one list, never moved")]
enum Player {
    Server(Server),
    Instance(Instance),
    Migration(Migration),
}

const SERVICE: Nanos = Nanos::from_millis(2);
const THINK: Nanos = Nanos::from_millis(10);

impl Actor<Message, Logged> for Player {
    fn on_timer(&mut self, key: u64, cx: &mut Context<'_, Message, Logged>) {
        match self {
            Self::Server(server) => {
                server.backends.fire(cx.now(), Timer(key), &mut server.effects);
                server.flush(cx);
            }
            Self::Instance(instance) => {
                let session = SessionId(u32::try_from(key).unwrap());
                let stream = &mut instance.stream;
                let program = u32::try_from(stream.below(u64::from(instance.programs))).unwrap();
                let (row, work) = (stream.below(ROWS), stream.exponential(SERVICE));
                cx.send(SERVER, Message::Run { session, program, row, work });
            }
            Self::Migration(migration) => {
                let (session, table) = (migration.session, migration.next % TABLES);
                migration.next += 1;
                let program = 2 * TABLES + table;
                cx.send(SERVER, Message::Run { session, program, row: 0, work: Nanos::from_millis(50) });
                cx.set_timer(cx.now() + Nanos::from_secs(1), 0);
            }
        }
    }

    fn on_message(&mut self, _: ActorId, message: Message, cx: &mut Context<'_, Message, Logged>) {
        match (self, message) {
            (Self::Server(server), Message::Run { session, program, row, work }) => {
                let program = Rc::clone(&server.programs[program as usize]);
                let statement = Statement::Program { program, keys: [row, 0], work };
                server.backends.start(cx.now(), session, statement, &mut server.effects);
                server.flush(cx);
            }
            (Self::Instance(instance), Message::Done { session }) => {
                let think = instance.stream.exponential(THINK);
                cx.set_timer(cx.now() + think, u64::from(session.0));
            }
            _ => {}
        }
    }
}

fn programs() -> Rc<[Rc<Program>]> {
    let program = |steps: Vec<ProgramStep>, tag| Rc::new(Program { steps, tag });
    let tables = || (0..TABLES).map(RelationId);
    let writers = tables().map(|relation| {
        let lock = ProgramStep::Lock { relation, mode: LockMode::RowExclusive };
        let update = ProgramStep::Update { relation, slot: 0, key_columns_changed: false };
        program(vec![lock, update, ProgramStep::Work], CommandTag::UPDATE)
    });
    let readers = tables().map(|relation| {
        let lock = ProgramStep::Lock { relation, mode: LockMode::AccessShare };
        let (strength, policy) = (RowLockStrength::Update, WaitPolicy::Block);
        let row = ProgramStep::LockRow { relation, slot: 0, strength, policy };
        program(vec![lock, row, ProgramStep::Work], CommandTag::SELECT)
    });
    let migrations = tables().map(|relation| {
        let lock = ProgramStep::Lock { relation, mode: LockMode::AccessExclusive };
        program(vec![lock, ProgramStep::Work], CommandTag::LOCK_TABLE)
    });
    writers.chain(readers).chain(migrations).collect()
}

/// A run's hash, events, transactions and CPU time.
fn measure(mode: RunMode, seconds: u64) -> (u64, u64, u64, u64) {
    let mut scheduler = Scheduler::new(Nanos::from_secs(seconds));
    let mut backends = Backends::new(ServerSettings::default());
    let (mut players, mut clients) = (Vec::new(), Vec::new());
    let mut start = Seed(1).stream("start");
    for instance in 1..=INSTANCES {
        for _ in 0..SESSIONS_EACH {
            let session = backends.connect(Nanos::ZERO, SessionSettings::default());
            clients.push(ActorId(instance));
            scheduler.set_timer(start.exponential(THINK), ActorId(instance), u64::from(session.0));
        }
        let stream = Seed(1).stream(&format!("instance {instance}"));
        players.push(Player::Instance(Instance { programs: 2 * TABLES, stream }));
    }
    let limits = SessionSettings { lock_timeout: Nanos::from_millis(200), ..SessionSettings::default() };
    let session = backends.connect(Nanos::ZERO, limits);
    clients.push(ActorId(INSTANCES + 1));
    scheduler.set_timer(Nanos::from_secs(1), ActorId(INSTANCES + 1), 0);
    players.push(Player::Migration(Migration { session, next: 0 }));
    let effects = Effects::default();
    players.insert(
        0,
        Player::Server(Server { backends, programs: programs(), clients, effects, transactions: 0 }),
    );

    let before = cpu_nanos();
    let players = run(mode, players, &mut scheduler);
    let spent = cpu_nanos() - before;
    let transactions = players.iter().map(|player| match player {
        Player::Server(server) => server.transactions,
        _ => 0,
    });
    (scheduler.log.hash(), scheduler.log.count(), transactions.sum(), spent)
}

fn cpu_nanos() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap() * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap()
}

fn main() {
    let numbers: Vec<u64> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let (seconds, rounds) = (numbers.first().copied().unwrap_or(20), numbers.get(1).copied().unwrap_or(5));
    let modes = [RunMode::Bare, RunMode::Actors, RunMode::Tokio];
    let mut ratios = vec![Vec::new(); modes.len()];
    let mut least = vec![u64::MAX; modes.len()];
    let mut transactions = 0;
    for _ in 0..rounds {
        let runs = modes.map(|mode| measure(mode, seconds));
        assert!(runs.iter().all(|one| (one.0, one.1) == (runs[0].0, runs[0].1)), "the logs differ: {runs:?}");
        transactions = runs[0].2;
        for (at, one) in runs.iter().enumerate() {
            least[at] = least[at].min(one.3);
            #[allow(clippy::cast_precision_loss)]
            ratios[at].push(one.3 as f64 / runs[0].3 as f64);
        }
    }
    println!("{seconds} virtual seconds, {transactions} transactions, {rounds} rounds, equal logs");
    println!("{:<10} {:>12} {:>14} {:>18}", "variant", "CPU ms min", "ns/tx min", "ratio median");
    for (at, mode) in modes.iter().enumerate() {
        ratios[at].sort_by(f64::total_cmp);
        let median = ratios[at][ratios[at].len() / 2];
        let mode = format!("{mode:?}");
        println!(
            "{mode:<10} {:>12} {:>14} {median:>18.2}",
            least[at] / 1_000_000,
            least[at] / transactions.max(1)
        );
    }
}
