//! How much a transaction of simulated traffic costs: the closed-loop mix of 200 sessions that each lock one of
//! ten tables, change one of 100,000 rows, work 2 ms on average, commit and think for 10 ms on average, beside a
//! migration that asks for ACCESS EXCLUSIVE once a second.
//!
//! `clock alone` is the same loop with timers only: the difference is what sessions and locks cost.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hint::black_box;
use std::rc::Rc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sim_clock::Nanos;
use transactions::{
    Backends, CommandTag, Effects, Guc, Isolation, LockMode, Program, ProgramStep, RelationId,
    RowLockStrength, ServerSettings, SessionId, SessionSettings, Statement, Timer, WaitPolicy,
};

const SESSIONS: u32 = 200;
const TABLES: u32 = 10;
const ROWS: u64 = 100_000;

/// A pseudo-random stream (splitmix64), good enough to spread keys and times.
struct Stream(u64);

impl Stream {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn exponential(&mut self, mean_ns: f64) -> Nanos {
        let uniform = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        Nanos((-(1.0 - uniform).ln() * mean_ns) as u64)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Backend(Timer),
    Think(u32),
    Migrate,
    Release,
}

struct Traffic {
    stream: Stream,
    queue: BinaryHeap<Reverse<(Nanos, u64, Due)>>,
    pushed: u64,
    programs: Vec<Rc<Program>>,
    transactions: u64,
}

impl Traffic {
    fn new() -> Self {
        let program = |table: u32, writes: bool| {
            let relation = RelationId(table);
            let strength = RowLockStrength::NoKeyUpdate;
            let mode = if writes { LockMode::RowExclusive } else { LockMode::AccessShare };
            let row = ProgramStep::LockRow { relation, slot: 0, strength, policy: WaitPolicy::Block };
            let steps = vec![ProgramStep::Lock { relation, mode }, row, ProgramStep::Work];
            Rc::new(Program { steps, tag: CommandTag::UPDATE })
        };
        let programs = (0..TABLES).flat_map(|table| [program(table, true), program(table, false)]).collect();
        let mut traffic =
            Self { stream: Stream(7), queue: BinaryHeap::new(), pushed: 0, programs, transactions: 0 };
        for session in 0..SESSIONS {
            let at = traffic.stream.exponential(10e6);
            traffic.push(at, Due::Think(session));
        }
        traffic.push(Nanos::from_secs(1), Due::Migrate);
        traffic
    }

    fn push(&mut self, at: Nanos, due: Due) {
        self.pushed += 1;
        self.queue.push(Reverse((at, self.pushed, due)));
    }

    fn statement(&mut self) -> Statement<()> {
        let program = Rc::clone(&self.programs[(self.stream.next() % u64::from(2 * TABLES)) as usize]);
        Statement::Program {
            program,
            keys: [self.stream.next() % ROWS, 0],
            work: self.stream.exponential(2e6),
        }
    }

    fn migration(&self) -> Statement<()> {
        let steps = vec![ProgramStep::Lock { relation: RelationId(3), mode: LockMode::AccessExclusive }];
        let program = Rc::new(Program { steps, tag: CommandTag::LOCK_TABLE });
        Statement::Program { program, keys: [0, 0], work: Nanos::ZERO }
    }

    fn run(&mut self, server: &mut Backends<()>, until: Nanos) {
        let mut fx = Effects::default();
        let migration = SessionId(SESSIONS);
        while let Some(Reverse((now, _, due))) = self.queue.pop() {
            if now > until {
                break;
            }
            match due {
                Due::Backend(timer) => server.fire(now, timer, &mut fx),
                Due::Think(session) => {
                    let statement = self.statement();
                    server.start(now, SessionId(session), statement, &mut fx);
                }
                Due::Migrate => {
                    let isolation = Isolation::ReadCommitted;
                    server.start(now, migration, Statement::Begin { isolation }, &mut fx);
                    let lock = self.migration();
                    server.start(now, migration, lock, &mut fx);
                    self.push(now + Nanos::from_secs(1), Due::Migrate);
                    self.push(now + Nanos::from_millis(250), Due::Release);
                }
                Due::Release => server.start(now, migration, Statement::Rollback, &mut fx),
            }
            for &(at, timer) in &fx.timers {
                self.push(at, Due::Backend(timer));
            }
            for done in &fx.completions {
                if done.session != migration {
                    self.transactions += 1;
                    let at = now + self.stream.exponential(10e6);
                    self.push(at, Due::Think(done.session.0));
                }
            }
            black_box(fx.events.len());
            fx.clear();
        }
    }

    /// The same timers, random numbers and statements without a server.
    fn run_clock(&mut self, until: Nanos) {
        let mut working = vec![false; SESSIONS as usize];
        while let Some(Reverse((now, _, due))) = self.queue.pop() {
            if now > until {
                break;
            }
            let Due::Think(session) = due else { continue };
            let is_working = &mut working[session as usize];
            *is_working = !*is_working;
            let at = if *is_working {
                let Statement::Program { work, program, keys } = self.statement() else { continue };
                black_box((program, keys));
                now + work
            } else {
                self.transactions += 1;
                now + self.stream.exponential(10e6)
            };
            self.push(at, Due::Think(session));
        }
    }
}

fn server() -> Backends<()> {
    let mut server = Backends::new(ServerSettings::default());
    let mut fx = Effects::default();
    for _ in 0..SESSIONS {
        server.connect(Nanos::ZERO, SessionSettings::default());
    }
    let migration = server.connect(Nanos::ZERO, SessionSettings::default());
    let value = Nanos::from_millis(200);
    server.start(
        Nanos::ZERO,
        migration,
        Statement::Set { local: false, guc: Guc::LockTimeout, value },
        &mut fx,
    );
    server
}

fn closed_loop(c: &mut Criterion) {
    let span = Nanos::from_secs(20);
    let mut traffic = Traffic::new();
    traffic.run(&mut server(), span);
    let mut group = c.benchmark_group("closed loop");
    group.sample_size(10).throughput(Throughput::Elements(traffic.transactions));
    group.bench_function("backends", |b| {
        b.iter(|| Traffic::new().run(&mut server(), span));
    });
    group.bench_function("clock alone", |b| b.iter(|| Traffic::new().run_clock(span)));
    group.finish();
}

criterion_group!(benches, closed_loop);
criterion_main!(benches);
