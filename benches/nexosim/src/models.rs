//! The workload as NeXosim's models.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lock_table::SessionId;
use nexosim::model::{Context, Model, schedulable};
use nexosim::ports::Output;
use nexosim::simulation::{Mailbox, SimInit};
use nexosim::time::MonotonicTime;
use serde::{Deserialize, Serialize};
use sim_clock::{Nanos, Seed, Stream, TraceHash, Traced};

use crate::engine::{Answers, Logged};
use crate::kernel::{Kernel, Order};
use crate::players::{INSTANCES, SESSIONS_EACH, TABLES};
use crate::{Run as Measured, cpu_nanos};

const SERVICE: Nanos = Nanos::from_millis(2);
const THINK: Nanos = Nanos::from_millis(10);
const ROWS: u64 = 100_000;

/// A statement on its way: whose, and what.
#[derive(Clone, Copy, Debug)]
pub struct Run(u32, Order);

/// Events are scheduled later than now, never now.
fn after(span: Nanos) -> Duration {
    Duration::from_nanos(span.0.max(1))
}

#[derive(Serialize, Deserialize)]
pub struct Desk {
    replies: Vec<Output<u32>>,
    migration: u32,
    #[serde(skip)]
    kernel: Kernel,
    #[serde(skip)]
    done: Vec<SessionId>,
    #[serde(skip)]
    hash: TraceHash,
}

#[Model]
impl Desk {
    pub async fn run(&mut self, Run(session, order): Run, cx: &Context<Self>) {
        let now = self.now(cx);
        let mut counter = Counter { cx, now, hash: &mut self.hash, done: &mut self.done };
        self.kernel.start(now, SessionId(session), order, &mut counter);
        self.reply().await;
    }

    #[nexosim(schedulable)]
    async fn fire(&mut self, timer: u64, cx: &Context<Self>) {
        let now = self.now(cx);
        let mut counter = Counter { cx, now, hash: &mut self.hash, done: &mut self.done };
        self.kernel.fire(now, timer, &mut counter);
        self.reply().await;
    }

    fn now(&self, cx: &Context<Self>) -> Nanos {
        let time = cx.time().duration_since(MonotonicTime::EPOCH);
        Nanos(u64::try_from(time.as_nanos()).unwrap())
    }

    async fn reply(&mut self) {
        let mut done = std::mem::take(&mut self.done);
        for session in done.drain(..) {
            if session.0 != self.migration {
                self.replies[(session.0 / SESSIONS_EACH) as usize].send(session.0).await;
            }
        }
        self.done = done;
    }
}

/// Where what the server does goes: timers are set and events hashed at once; replies wait for the call's end.
struct Counter<'a> {
    cx: &'a Context<Desk>,
    now: Nanos,
    hash: &'a mut TraceHash,
    done: &'a mut Vec<SessionId>,
}

impl Answers for Counter<'_> {
    fn timer(&mut self, at: Nanos, timer: u64) {
        self.cx.schedule_event(after(at - self.now), schedulable!(Desk::fire), timer).unwrap();
    }

    fn log(&mut self, event: Logged) {
        self.hash.word(self.now.0);
        event.trace(self.hash);
    }

    fn done(&mut self, session: SessionId) {
        self.done.push(session);
    }
}

#[derive(Serialize, Deserialize)]
pub struct Instance {
    run: Output<Run>,
    first: u32,
    starts: Vec<u64>,
    began: Vec<u64>,
    served: u64,
    #[serde(skip)]
    stream: Option<Stream>,
    #[serde(skip)]
    hash: TraceHash,
    #[serde(skip)]
    total: Arc<AtomicU64>,
}

#[Model]
impl Instance {
    #[nexosim(init)]
    async fn init(&mut self, cx: &Context<Self>) {
        for (session, at) in (self.first..).zip(&self.starts) {
            cx.schedule_event(after(Nanos(*at)), schedulable!(Self::wakes), session).unwrap();
        }
    }

    #[nexosim(schedulable)]
    async fn wakes(&mut self, session: u32, cx: &Context<Self>) {
        let Some(stream) = &mut self.stream else { return };
        let program = stream.below(2 * u64::from(TABLES));
        let (row, work) = (stream.below(ROWS), stream.exponential(SERVICE));
        let table = u32::try_from(program % u64::from(TABLES)).unwrap();
        let order = Order { is_migration: false, writes: program < u64::from(TABLES), table, row, work };
        self.began[(session - self.first) as usize] = nanos(cx.time());
        self.run.send(Run(session, order)).await;
    }

    pub async fn hears(&mut self, session: u32, cx: &Context<Self>) {
        let Some(stream) = &mut self.stream else { return };
        self.hash.word(nanos(cx.time()) - self.began[(session - self.first) as usize]);
        self.served += 1;
        self.total.store(self.served, Ordering::Relaxed);
        cx.schedule_event(after(stream.exponential(THINK)), schedulable!(Self::wakes), session).unwrap();
    }
}

fn nanos(time: MonotonicTime) -> u64 {
    u64::try_from(time.duration_since(MonotonicTime::EPOCH).as_nanos()).unwrap()
}

#[derive(Serialize, Deserialize)]
pub struct Migration {
    run: Output<Run>,
    session: u32,
    next: u32,
}

#[Model]
impl Migration {
    #[nexosim(init)]
    async fn init(&mut self, cx: &Context<Self>) {
        cx.schedule_event(Duration::from_secs(1), schedulable!(Self::wakes), ()).unwrap();
    }

    #[nexosim(schedulable)]
    async fn wakes(&mut self, _: (), cx: &Context<Self>) {
        let table = self.next % TABLES;
        self.next += 1;
        let order = Order { is_migration: true, writes: false, table, row: 0, work: Nanos::from_millis(50) };
        self.run.send(Run(self.session, order)).await;
        cx.schedule_event(Duration::from_secs(1), schedulable!(Self::wakes), ()).unwrap();
    }
}

/// CPU time of the run, setting up apart; and its transactions.
pub fn run(seconds: u64) -> Measured {
    let mut desk = Desk {
        replies: (0..INSTANCES).map(|_| Output::default()).collect(),
        migration: INSTANCES * SESSIONS_EACH,
        kernel: Kernel::default(),
        done: Vec::new(),
        hash: TraceHash::default(),
    };
    let desk_box = Mailbox::new();
    let mut start = Seed(1).stream("start");
    let mut bench = SimInit::with_num_threads(1);
    let mut totals = Vec::new();
    for number in 0..INSTANCES {
        let starts: Vec<u64> = (0..SESSIONS_EACH).map(|_| start.exponential(THINK).0).collect();
        for _ in 0..SESSIONS_EACH {
            desk.kernel.connect();
        }
        let total = Arc::new(AtomicU64::new(0));
        totals.push(Arc::clone(&total));
        let mut instance = Instance {
            run: Output::default(),
            first: number * SESSIONS_EACH,
            began: vec![0; starts.len()],
            starts,
            served: 0,
            stream: Some(Seed(1).stream(&format!("instance {}", number + 1))),
            hash: TraceHash::default(),
            total,
        };
        let mailbox = Mailbox::new();
        instance.run.connect(Desk::run, &desk_box);
        desk.replies[number as usize].connect(Instance::hears, &mailbox);
        bench = bench.add_model(instance, mailbox, &format!("instance {number}"));
    }
    let session = desk.kernel.connect().0;
    let mut migration = Migration { run: Output::default(), session, next: 0 };
    migration.run.connect(Desk::run, &desk_box);
    let mut simulation = bench
        .add_model(desk, desk_box, "server")
        .add_model(migration, Mailbox::new(), "migration")
        .init(MonotonicTime::EPOCH)
        .unwrap();
    let before = cpu_nanos();
    simulation.step_until(Duration::from_secs(seconds)).unwrap();
    let nanos = cpu_nanos() - before;
    let transactions = totals.iter().map(|total| total.load(Ordering::Relaxed)).sum();
    Measured { nanos, transactions }
}
