//! What a neighbour costs: the CPU time of a run of many seeds alone, and beside another one on a second thread.
//!
//! `cargo bench -p scenarios --bench seeds -- [rounds] [seeds a job]`. Runs alone and in pairs take turns. What counts is
//! the ratio of a round: threads that share nothing slow each other down by what the machine's cores share only.

#![allow(clippy::disallowed_methods, reason = "a benchmark measures this process")]

use std::sync::Barrier;
use std::thread;

use rustix::time::{ClockId, clock_gettime};
use scenarios::{Loaded, Workers, run_seeds};

/// The CPU seconds of this thread.
fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    #[allow(clippy::cast_precision_loss)]
    let seconds = time.tv_sec as f64 + time.tv_nsec as f64 / 1e9;
    seconds
}

/// The CPU seconds of the whole process: the threads that have ended, too.
fn process_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    #[allow(clippy::cast_precision_loss)]
    let seconds = time.tv_sec as f64 + time.tv_nsec as f64 / 1e9;
    seconds
}

/// What running the seeds on so many threads takes, all of them together.
fn jobs(loaded: &Loaded, seeds: u64, jobs: usize) -> f64 {
    let before = process_seconds();
    let samples = run_seeds(loaded, seeds, &Workers::new(jobs)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(samples.len() as u64, seeds, "a seed is missing");
    process_seconds() - before
}

/// What each of `threads` threads takes that begin together and do nothing but arithmetic: what the machine's cores
/// share, without memory.
fn arithmetic(threads: usize) -> f64 {
    let start = Barrier::new(threads);
    let one = || {
        start.wait();
        let before = cpu_seconds();
        let mut word = 1_u64;
        for step in 0..60_000_000_u64 {
            word = (word.rotate_left(23) ^ step).wrapping_mul(0x2545_f491_4f6c_dd1d);
        }
        assert_ne!(word, 0);
        cpu_seconds() - before
    };
    let spent: Vec<f64> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or(f64::NAN)).collect()
    });
    #[allow(clippy::cast_precision_loss)]
    let mean = spent.iter().sum::<f64>() / threads as f64;
    mean
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let numbers: Vec<u64> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let rounds = numbers.first().copied().unwrap_or(11);
    let seeds = numbers.get(1).copied().unwrap_or(10) * 2;
    let loaded = Loaded::embedded_run().unwrap_or_else(|error| panic!("{error}"));
    jobs(&loaded, 2, 1);
    println!(
        "{:>5} {:>12} {:>12} {:>10} {:>12}",
        "round", "one job ms", "two jobs ms", "each more", "arithmetic"
    );
    let (mut more, mut plain) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        let (alone, beside) = (jobs(&loaded, seeds, 1), jobs(&loaded, seeds, 2));
        let (lonely, paired) = (arithmetic(1), arithmetic(2));
        let (each, ratio) = (beside / alone, paired / lonely);
        println!("{round:>5} {:>12.1} {:>12.1} {each:>10.3} {ratio:>12.3}", alone * 1e3, beside * 1e3);
        more.push(each);
        plain.push(ratio);
    }
    println!("median: each job takes {:.3} of its time alone, arithmetic {:.3}", median(more), median(plain));
}
