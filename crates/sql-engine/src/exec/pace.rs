//! A statement's time, spread over the rows that it changes.
//!
//! The server locks row after row as it comes to them, so that those at the end of a long UPDATE are free for as
//! long as it takes to get there (`ExecModifyTable` asks its plan for one row at a time).

use sim_clock::Nanos;

use super::machine::Machine;

/// What is too short to matter: rows that take less are dealt with several at a time.
const GRAIN: Nanos = Nanos::from_millis(1);

/// The most stops that a statement makes: a backfill of an hour stops every 360 milliseconds.
const STOPS: u64 = 10_000;

/// How the time of a statement is spread over its rows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    work: Nanos,
    rows: u64,
    begun: u64,
    spent: Nanos,
}

impl Pace {
    /// Spreads what is left of a statement's time over so many rows. A single row is changed first.
    pub(super) fn of(m: &Machine, rows: u64) -> Self {
        if rows < 2 {
            return Self::default();
        }
        let modelled = || m.shared.get().durations.of_rows(m.rows_read, m.rows_written.saturating_add(rows));
        let work = m.work.unwrap_or_else(modelled) - m.worked;
        Self { work, rows, begun: 0, spent: Nanos::ZERO }
    }

    /// The time until the end of the next row's work; none while it is not worth a stop.
    pub(super) fn step(&mut self) -> Nanos {
        self.begun += 1;
        let until = |rows: u64| {
            let nanos = u128::from(self.work.0) * u128::from(rows) / u128::from(self.rows.max(1));
            Nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
        };
        let span = until(self.begun) - self.spent;
        let grain = GRAIN.max(Nanos(self.work.0 / STOPS));
        if span < grain && self.begun < self.rows {
            return Nanos::ZERO;
        }
        self.spent = until(self.begun);
        span
    }

    /// The time of one row.
    pub(super) fn of_one(&self) -> Nanos {
        Nanos(self.work.0.checked_div(self.rows).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stops(work: Nanos, rows: u64) -> Vec<Nanos> {
        let mut pace = Pace { work, rows, ..Pace::default() };
        (0..rows).map(|_| pace.step()).filter(|span| *span > Nanos::ZERO).collect()
    }

    #[test]
    fn slow_rows_take_their_time_one_by_one_and_the_sum_is_the_whole() {
        let found = stops(Nanos(10_000_000_001), 3);
        assert_eq!(found.len(), 3);
        assert_eq!(found.iter().map(|n| n.0).sum::<u64>(), 10_000_000_001);
    }

    #[test]
    fn a_million_quick_rows_do_not_make_a_million_stops() {
        for work in [Nanos::from_millis(7), Nanos::from_secs(3600)] {
            let found = stops(work, 1_000_000);
            assert!(found.len() as u64 <= STOPS, "{}", found.len());
            assert_eq!(found.iter().map(|n| n.0).sum::<u64>(), work.0);
        }
    }
}
