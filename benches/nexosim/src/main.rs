//! The common workload on NeXosim and on the project's own variants, in turn, in CPU time of this thread.
//!
//! Both drive the same lock table (`kernel.rs`) with the same random streams, one message for each statement.
//! NeXosim is given what suits it: one model for the server and one for each instance, one thread, timers as
//! self-scheduled events, stale ones left to run out as the project's do.
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

use rustix::time::{ClockId, clock_gettime};
use sim_actors::RunMode;
use sim_clock::{Nanos, Scheduler};

use crate::engine::{Engine, Logged, Server};
use crate::kernel::Kernel;
use crate::players::{Level, TABLES, cast};

fn cpu_nanos() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap() * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap()
}

/// CPU time of the run, setting up apart; and its transactions.
fn own<G: Engine + 'static>(engine: G, seconds: u64, actors: bool) -> (u64, u64) {
    let mut scheduler: Scheduler<Logged> = Scheduler::new(Nanos::from_secs(seconds));
    let players = cast(engine, Level::Statements, &mut scheduler);
    if actors {
        metrics::observe(&mut scheduler);
    }
    let before = cpu_nanos();
    if actors {
        drop(sim_actors::run(RunMode::Actors, players, &mut scheduler));
    } else {
        bare::run(players, &mut scheduler);
    }
    (cpu_nanos() - before, 0)
}

fn main() {
    let numbers: Vec<u64> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let (seconds, rounds) = (numbers.first().copied().unwrap_or(10), numbers.get(1).copied().unwrap_or(5));
    let names = ["lock-table/loop", "lock-table/actors+metrics", "statements/actors+metrics", "NeXosim"];
    let mut ratios = [const { Vec::new() }; 4];
    let mut least = [u64::MAX; 4];
    let mut transactions = 0;
    for _ in 0..rounds {
        let runs = [
            own(Kernel::default(), seconds, false),
            own(Kernel::default(), seconds, true),
            own(Server::new(TABLES), seconds, true),
            models::run(seconds),
        ];
        transactions = runs[3].1;
        for (at, run) in runs.iter().enumerate() {
            least[at] = least[at].min(run.0);
            ratios[at].push(runs[3].0 as f64 / run.0 as f64);
        }
    }
    println!("{seconds} virtual seconds, {transactions} transactions on NeXosim, {rounds} rounds");
    println!("{:<28} {:>10} {:>24}", "variant", "ns/tx min", "as fast as NeXosim, times");
    for (at, name) in names.iter().enumerate() {
        ratios[at].sort_by(f64::total_cmp);
        let median = ratios[at][ratios[at].len() / 2];
        println!("{name:<28} {:>10} {median:>24.2}", least[at] / transactions.max(1));
    }
}
