//! How CPU time grows with the number of sessions and of tables.
//!
//! Each size takes as many virtual seconds as it takes to get about the same number of transactions, and setting up
//! is left out. Of the rounds the least counts. The exponent says how the whole run's time grows when everything
//! but the size stays: 1 where a transaction costs the same.

use crate::players::{Level, Size};
use crate::{Variant, bare, measure, variant_named};

const VARIANTS: [&str; 3] = ["lock-table/loop", "lock-table/actors+metrics", "statements/actors+metrics"];
const SESSIONS: [u32; 4] = [20, 200, 2_000, 20_000];
const TABLES: [u32; 5] = [1, 10, 100, 1_000, 10_000];
/// What a session gets done in a second, about, and what is wanted of them all.
const EACH: u64 = 82;
const WANTED: u64 = 200_000;

pub(crate) fn print(rounds: u64) {
    table("sessions", &SESSIONS, rounds, |sessions| Size::of(sessions, Size::COMMON.tables));
    table("tables", &TABLES, rounds, |tables| Size { tables, ..Size::COMMON });
}

fn table(what: &str, numbers: &[u32], rounds: u64, size: impl Fn(u32) -> Size) {
    print!("{what:>8} {:>13}", "transactions");
    VARIANTS.iter().for_each(|name| print!(" {name:>28}"));
    println!("   ns/tx and exponent");
    let mut before: Option<(u32, [f64; VARIANTS.len()])> = None;
    for &number in numbers {
        let size = size(number);
        let seconds = (WANTED / (EACH * u64::from(size.instances * size.sessions_each))).max(2);
        let transactions = bare::transactions(seconds, size);
        let each =
            VARIANTS.map(|name| least(variant_named(name), seconds, size, rounds) / transactions as f64);
        print!("{number:>8} {transactions:>13}");
        for (at, nanos) in each.iter().enumerate() {
            let exponent = before.map(|(fewer, nanos_before)| {
                1.0 + (nanos / nanos_before[at]).ln() / (f64::from(number) / f64::from(fewer)).ln()
            });
            let exponent = exponent.map_or_else(String::new, |exponent| format!("{exponent:.2}"));
            print!(" {nanos:>22.0} {exponent:>5}");
        }
        println!();
        before = Some((number, each));
    }
}

fn least(variant: &Variant, seconds: u64, size: Size, rounds: u64) -> f64 {
    debug_assert_eq!(variant.level, Level::Statements, "the transactions are counted for these");
    (0..rounds).map(|_| measure(variant, seconds, size).nanos).min().unwrap_or(0) as f64
}
