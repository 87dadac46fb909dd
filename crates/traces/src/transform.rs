//! What replay may change about a trace: pure functions from records in order to records in order.
//!
//! They compose in the order window, speed, scale: `scale(speed(window(records, …), …), …)`.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use sim_clock::Seed;

use crate::record::Record;

/// A part of a trace's time, from its start; the end is not part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Where it starts.
    pub from_us: u64,
    /// Where it ends; nothing for the end of the trace.
    pub to_us: Option<u64>,
}

/// The transactions that arrive within the window, with times counted from its start.
///
/// A transaction that arrived before the window is left out even if it was still open then.
pub fn window(records: impl Iterator<Item = Record>, window: Window) -> impl Iterator<Item = Record> {
    records
        .skip_while(move |record| record.at_us < window.from_us)
        .take_while(move |record| window.to_us.is_none_or(|to| record.at_us < to))
        .map(move |mut record| {
            record.at_us -= window.from_us;
            record
        })
}

/// Arrivals that come `speed` times as fast.
///
/// Only arrivals: service times belong to the database and think times to the application, and neither gets
/// quicker because more users come.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub fn speed(records: impl Iterator<Item = Record>, speed: f64) -> impl Iterator<Item = Record> {
    let factor = if speed.is_finite() && speed > 0.0 { speed } else { 1.0 };
    records.map(move |mut record| {
        record.at_us = (record.at_us as f64 / factor).round() as u64;
        record
    })
}

/// How far a copy of a session may be shifted.
pub const JITTER_US: u64 = 1_000_000;

/// Traffic of `factor` times the size: every transaction is there that many times.
///
/// The first copy is the trace itself. Every other copy of a session gets a name of its own (`#2`) and is
/// shifted as a whole by a time below [`JITTER_US`] drawn from the seed and the session's name, so that it keeps
/// its own order and think times, and bursts keep their shape from one second on. Of the last copy of a
/// fractional factor, and of the only one of a factor below 1, each transaction is kept with that
/// probability, drawn from the seed.
pub fn scale<I: Iterator<Item = Record>>(records: I, factor: f64, seed: Seed) -> Scale<I> {
    let factor = if factor.is_finite() { factor.clamp(0.0, 1e6) } else { 1.0 };
    Scale {
        records,
        factor,
        seed,
        chance: seed.stream("scale: fraction"),
        waiting: BinaryHeap::new(),
        sequence: 0,
        read_us: 0,
        ended: false,
    }
}

/// See [`scale`].
pub struct Scale<I> {
    records: I,
    factor: f64,
    seed: Seed,
    chance: sim_clock::Stream,
    /// Copies whose time has not come: at most those of one jitter's span.
    waiting: BinaryHeap<Reverse<Waiting>>,
    sequence: u64,
    read_us: u64,
    ended: bool,
}

struct Waiting {
    at: (u64, u64),
    record: Record,
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

impl<I: Iterator<Item = Record>> Scale<I> {
    fn take_in(&mut self, record: Record) {
        self.read_us = record.at_us;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let whole = self.factor as u64;
        #[allow(clippy::cast_precision_loss)]
        let rest = self.factor - whole as f64;
        let extra = rest > 0.0 && self.chance.unit() <= rest;
        for copy in 1..=whole + u64::from(extra) {
            let mut record = record.clone();
            if copy > 1 {
                record.session = format!("{}#{copy}", record.session);
                record.at_us += self.seed.stream(&format!("scale: {}", record.session)).below(JITTER_US);
            }
            self.waiting.push(Reverse(Waiting { at: (record.at_us, self.sequence), record }));
            self.sequence += 1;
        }
    }
}

impl<I: Iterator<Item = Record>> Iterator for Scale<I> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        // A copy is never earlier than its original, so what is not later than the last one read is next.
        while !self.ended && self.waiting.peek().is_none_or(|next| next.0.at.0 > self.read_us) {
            match self.records.next() {
                Some(record) => self.take_in(record),
                None => self.ended = true,
            }
        }
        self.waiting.pop().map(|next| next.0.record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{End, Statement};

    fn records() -> Vec<Record> {
        (0..1_000_u64)
            .map(|i| {
                let statement = Statement::named("x", Some(5));
                let session = format!("s{}", i % 7);
                Record { at_us: i * 3_000, ..Record::single(&session, End::Autocommit, statement) }
            })
            .collect()
    }

    #[test]
    fn a_window_starts_at_zero_and_ends_before_its_end() {
        let cut: Vec<u64> = window(records().into_iter(), Window { from_us: 3_000, to_us: Some(9_000) })
            .map(|r| r.at_us)
            .collect();
        assert_eq!(cut, [0, 3_000]);
    }

    #[test]
    fn speed_changes_arrivals_and_nothing_else() {
        let fast: Vec<Record> = speed(records().into_iter(), 2.0).collect();
        assert_eq!(fast[2].at_us, 3_000);
        assert_eq!(fast[2].statements, records()[2].statements);
    }

    #[test]
    fn three_copies_keep_time_order_and_each_session_its_own() {
        let copies: Vec<Record> = scale(records().into_iter(), 3.0, Seed(1)).collect();
        assert_eq!(copies.len(), 3_000);
        assert!(copies.is_sorted_by_key(|record| record.at_us));
        let of = |session: &str| -> Vec<u64> {
            copies.iter().filter(|record| record.session == session).map(|record| record.at_us).collect()
        };
        let (first, second) = (of("s1"), of("s1#2"));
        let shift = second[0] - first[0];
        assert!(shift < JITTER_US);
        assert!(first.iter().zip(&second).all(|(a, b)| b - a == shift));
    }

    #[test]
    fn a_fraction_keeps_that_part_and_the_same_one_every_time() {
        let half = |seed| scale(records().into_iter(), 0.5, Seed(seed)).map(|r| r.at_us).collect::<Vec<_>>();
        assert!((420..580).contains(&half(1).len()), "{}", half(1).len());
        assert_eq!(half(1), half(1));
        assert_ne!(half(1), half(2));
    }
}
