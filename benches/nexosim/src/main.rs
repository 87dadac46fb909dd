//! The common workload on the project's own variants, on NeXosim and on SimPy, in turn within each round, in CPU
//! time of one thread.
//!
//! Both drive the same lock table (`kernel.rs`) with the same random streams, one message for each statement.
//! NeXosim is given what suits it: one model for the server and one for each instance, one thread, timers as
//! self-scheduled events, stale ones left to run out as the project's do. SimPy runs `scripts/simpy`, in a process
//! of its own, if there is a Python that has it (`python3 -m pip install simpy`); if not, that is said.
//!
//! `cargo bench --manifest-path benches/nexosim/Cargo.toml -- [virtual seconds] [rounds]`

#[path = "../../../crates/sim-actors/benches/common_workload/bare.rs"]
mod bare;
#[path = "../../../crates/sim-actors/benches/common_workload/engine.rs"]
mod engine;
#[path = "../../../crates/sim-actors/benches/common_workload/kernel.rs"]
mod kernel;
#[path = "../../../crates/sim-actors/benches/common_workload/metrics.rs"]
mod metrics;
mod models;
#[path = "../../../crates/sim-actors/benches/common_workload/players.rs"]
#[allow(dead_code)]
mod players;
#[path = "../../../crates/sim-actors/benches/common_workload/rows.rs"]
mod rows;
mod simpy;

use rustix::time::{ClockId, clock_gettime};
use sim_actors::RunMode;
use sim_clock::{Nanos, Scheduler};

use crate::engine::{Engine, Logged, Server};
use crate::kernel::Kernel;
use crate::players::{Level, Size, TABLES, cast};

fn cpu_nanos() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap() * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap()
}

/// CPU time of a run, setting up apart, and its transactions.
#[derive(Clone, Copy)]
pub struct Run {
    nanos: u64,
    transactions: u64,
}

impl Run {
    fn per_transaction(self) -> f64 {
        self.nanos as f64 / self.transactions.max(1) as f64
    }
}

fn own<G: Engine + 'static>(engine: G, seconds: u64, transactions: u64, actors: bool) -> Run {
    let mut scheduler: Scheduler<Logged> = Scheduler::new(Nanos::from_secs(seconds));
    let players = cast(engine, Level::Statements, Size::COMMON, &mut scheduler);
    if actors {
        metrics::observe(&mut scheduler);
    }
    let before = cpu_nanos();
    let (by_loop, by_actors) = match actors {
        false => (bare::run(players, &mut scheduler), None),
        true => (None, Some(sim_actors::run(RunMode::Actors, players, &mut scheduler))),
    };
    let nanos = cpu_nanos() - before;
    drop((by_loop, by_actors));
    Run { nanos, transactions }
}

/// What has been measured of a variant, round by round.
struct Variant {
    name: &'static str,
    nanos: Vec<f64>,
}

const NAMES: [&str; 5] =
    ["lock-table/loop", "lock-table/actors+metrics", "statements/actors+metrics", "NeXosim", "SimPy"];
const NEXOSIM: usize = 3;
const SIMPY: usize = 4;

fn main() {
    let numbers: Vec<u64> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let (seconds, rounds) = (numbers.first().copied().unwrap_or(10), numbers.get(1).copied().unwrap_or(5));
    let transactions = bare::transactions(seconds, Size::COMMON);
    let mut variants = NAMES.map(|name| Variant { name, nanos: Vec::new() });
    let mut absent = None;
    for _ in 0..rounds {
        let runs = [
            Ok(own(Kernel::default(), seconds, transactions, false)),
            Ok(own(Kernel::default(), seconds, transactions, true)),
            Ok(own(Server::new(TABLES), seconds, transactions, true)),
            Ok(models::run(seconds)),
            simpy::run(seconds),
        ];
        for (variant, run) in variants.iter_mut().zip(runs) {
            match run {
                Ok(run) => variant.nanos.push(run.per_transaction()),
                Err(why) => absent = Some(why),
            }
        }
    }
    println!(
        "{seconds} virtual seconds, {transactions} transactions, {rounds} rounds; medians of a round's ratios"
    );
    println!(
        "{:<28} {:>10} {:>14} {:>18} {:>18}",
        "variant", "ns/tx min", "to the first", "times NeXosim", "times SimPy"
    );
    for variant in variants.iter().filter(|variant| !variant.nanos.is_empty()) {
        let least = variant.nanos.iter().copied().fold(f64::INFINITY, f64::min);
        print!("{:<28} {least:>10.0} {:>14.2}", variant.name, ratio(&variant.nanos, &variants[0].nanos));
        for other in [NEXOSIM, SIMPY] {
            let times = ratio(&variants[other].nanos, &variant.nanos);
            print!(" {:>18}", if times.is_nan() { "-".to_owned() } else { format!("{times:.2}") });
        }
        println!();
    }
    if let Some(why) = absent {
        println!("SimPy did not run: {why}");
    }
}

/// The median of the rounds' ratios.
fn ratio(one: &[f64], other: &[f64]) -> f64 {
    let mut ratios: Vec<f64> = one.iter().zip(other).map(|(one, other)| one / other).collect();
    ratios.sort_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN)
}
