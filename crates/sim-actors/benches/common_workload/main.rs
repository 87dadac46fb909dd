//! The common workload: a loop over the lock table, a loop over the shipped transactions, and the actors in
//! their variants, side by side, in CPU time.
//!
//! 200 sessions in 8 instances of 25 loop: an UPDATE or a locking SELECT takes a table lock (ROW EXCLUSIVE or
//! ACCESS SHARE) on one of 10 tables and locks one of 100,000 rows, works for 2 ms on average, commits, and
//! the client thinks for 10 ms on average. Every second a migration asks for ACCESS EXCLUSIVE on one table
//! with a lock_timeout of 200 ms and holds it for 50 ms.
//!
//! The variants run in turn, round by round; what counts is the ratio within a round, in CPU time of this
//! thread. Variants over the same engine that send the same messages have the same event log: that is
//! asserted, speeds never are.
//!
//! `cargo bench -p sim-actors --bench common_workload -- [virtual seconds] [rounds]`, or
//! `… -- --one NAME [virtual seconds [sessions tables]]` for one run of one variant, to be counted by callgrind, or
//! `… -- --growth [rounds]` for the same workload with more sessions and more tables.

mod bare;
mod engine;
mod growth;
mod kernel;
mod metrics;
mod players;
mod rows;

use rustix::time::{ClockId, clock_gettime};
use sim_actors::RunMode;
use sim_clock::{Nanos, Scheduler};

use crate::bare::transactions;
use crate::engine::{Engine, Logged, Server};
use crate::kernel::Kernel;
use crate::players::{Level, Size, cast};

/// How the state machines are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Loop,
    Mode(RunMode),
}

struct Variant {
    name: &'static str,
    over_kernel: bool,
    level: Level,
    way: Way,
    metrics: bool,
}

const fn variant(name: &'static str, over_kernel: bool, level: Level, way: Way, metrics: bool) -> Variant {
    Variant { name, over_kernel, level, way, metrics }
}

const ACTORS: Way = Way::Mode(RunMode::Actors);

/// The first is what all are compared with.
static VARIANTS: [Variant; 11] = [
    variant("lock-table/loop", true, Level::Statements, Way::Loop, false),
    variant("lock-table/actors", true, Level::Statements, ACTORS, false),
    variant("lock-table/actors+metrics", true, Level::Statements, ACTORS, true),
    variant("statements/loop", false, Level::Statements, Way::Loop, false),
    variant("statements/rounds", false, Level::Statements, Way::Mode(RunMode::Bare), false),
    variant("statements/actors", false, Level::Statements, ACTORS, false),
    variant("statements/actors+metrics", false, Level::Statements, ACTORS, true),
    variant("statements/tokio", false, Level::Statements, Way::Mode(RunMode::Tokio), false),
    variant("locks/loop", false, Level::Locks, Way::Loop, false),
    variant("locks/actors", false, Level::Locks, ACTORS, false),
    variant("locks/actors+metrics", false, Level::Locks, ACTORS, true),
];

/// A run's hash and number of events, and its CPU time.
#[derive(Clone, Copy, Debug)]
struct Measured {
    log: (u64, u64),
    nanos: u64,
}

fn measure(variant: &Variant, seconds: u64, size: Size) -> Measured {
    if variant.over_kernel {
        run(Kernel::default(), variant, seconds, size)
    } else {
        run(Server::new(size.tables), variant, seconds, size)
    }
}

#[inline(never)]
fn run<G: Engine + 'static>(engine: G, variant: &Variant, seconds: u64, size: Size) -> Measured {
    let mut scheduler: Scheduler<Logged> = Scheduler::new(Nanos::from_secs(seconds));
    let players = cast(engine, variant.level, size, &mut scheduler);
    if variant.metrics {
        metrics::observe(&mut scheduler);
    }
    let before = cpu_nanos();
    let (by_loop, by_mode) = match variant.way {
        Way::Loop => (bare::run(players, &mut scheduler), None),
        Way::Mode(mode) => (None, Some(sim_actors::run(mode, players, &mut scheduler))),
    };
    let nanos = cpu_nanos() - before;
    // What was set up is taken down when the time has been read.
    drop((by_loop, by_mode));
    Measured { log: (scheduler.log.hash(), scheduler.log.count()), nanos }
}

fn cpu_nanos() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap() * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap()
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let numbers: Vec<u64> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    let seconds = numbers.first().copied().unwrap_or(20);
    if let Some(at) = arguments.iter().position(|argument| argument == "--one") {
        let wanted = arguments.get(at + 1).map_or("", String::as_str);
        let size = match numbers[..] {
            [_, sessions, tables] => Size::of(sessions as u32, tables as u32),
            _ => Size::COMMON,
        };
        let log = measure(variant_named(wanted), seconds, size).log;
        println!("{} transactions, {log:?}", transactions(seconds, size));
        return;
    }
    if arguments.iter().any(|argument| argument == "--growth") {
        return growth::print(numbers.first().copied().unwrap_or(3));
    }
    compare(seconds, numbers.get(1).copied().unwrap_or(5));
}

fn variant_named(name: &str) -> &'static Variant {
    let variant = VARIANTS.iter().find(|variant| variant.name == name);
    variant.unwrap_or_else(|| panic!("the variants: {:?}", VARIANTS.each_ref().map(|variant| variant.name)))
}

fn compare(seconds: u64, rounds: u64) {
    let transactions = transactions(seconds, Size::COMMON).max(1);
    let mut ratios: Vec<[Vec<f64>; 2]> = VARIANTS.iter().map(|_| Default::default()).collect();
    let mut least = [u64::MAX; VARIANTS.len()];
    let mut runs = Vec::new();
    for _ in 0..rounds {
        runs = VARIANTS.iter().map(|variant| measure(variant, seconds, Size::COMMON)).collect::<Vec<_>>();
        for (at, variant) in VARIANTS.iter().enumerate() {
            let alike = |one: &&Variant| (one.over_kernel, one.level) == (variant.over_kernel, variant.level);
            let first = VARIANTS.iter().position(|one| alike(&one)).unwrap_or(0);
            assert_eq!(runs[at].log, runs[first].log, "{} logs otherwise", variant.name);
            least[at] = least[at].min(runs[at].nanos);
            #[allow(clippy::cast_precision_loss)]
            for (to, ratios) in [0, first].into_iter().zip(&mut ratios[at]) {
                ratios.push(runs[at].nanos as f64 / runs[to].nanos as f64);
            }
        }
    }
    println!(
        "{seconds} virtual seconds, {transactions} transactions, {rounds} rounds; equal logs where promised"
    );
    println!("{:<28} {:>10} {:>14} {:>14}  log", "variant", "ns/tx min", "to the first", "to its loop");
    for (at, variant) in VARIANTS.iter().enumerate() {
        let [to_first, to_loop] = ratios[at].each_mut().map(|list| median(list));
        let per_transaction = least[at] / transactions;
        let hash = runs.get(at).map_or(0, |run| run.log.0);
        println!("{:<28} {per_transaction:>10} {to_first:>14.2} {to_loop:>14.2}  {hash:016x}", variant.name);
    }
}

fn median(list: &mut [f64]) -> f64 {
    list.sort_by(f64::total_cmp);
    list.get(list.len() / 2).copied().unwrap_or(f64::NAN)
}
