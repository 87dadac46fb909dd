//! What happened when: counts, latencies and levels by interval, in as many intervals however long a run is.

use reports::Series;
use sim_clock::Nanos;

use super::histogram::{Histogram, Place};
use super::ms;

/// Intervals of a series; when they are full their length doubles.
const INTERVALS: u64 = 240;
/// The shortest interval.
const SHORTEST: Nanos = Nanos::from_millis(100);

/// One interval of the series.
#[derive(Clone, Default)]
pub(super) struct Interval {
    pub(super) arrived: u64,
    served: u64,
    failed: u64,
    latency: Histogram,
    lock_queue: u32,
    in_use: u32,
    queued: u32,
}

impl Interval {
    pub(super) fn ends(&mut self, latency: Place, served: bool) {
        self.latency.record(latency);
        *if served { &mut self.served } else { &mut self.failed } += 1;
    }

    pub(super) fn lock_queue(&mut self, length: u32) {
        self.lock_queue = self.lock_queue.max(length);
    }

    pub(super) fn pools(&mut self, in_use: u32, queued: u32) {
        self.in_use = self.in_use.max(in_use);
        self.queued = self.queued.max(queued);
    }

    fn absorb(&mut self, other: &Self) {
        self.arrived += other.arrived;
        self.served += other.served;
        self.failed += other.failed;
        self.latency.absorb(&other.latency);
        self.lock_queue(other.lock_queue);
        self.pools(other.in_use, other.queued);
    }
}

/// The intervals so far. Events come in order of time, so that only the present one changes.
pub(super) struct Timeline {
    past: Vec<Interval>,
    present: Interval,
    length: Nanos,
    /// When the present interval is over; zero before the first one begins.
    end: Nanos,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { past: Vec::new(), present: Interval::default(), length: SHORTEST, end: Nanos::ZERO }
    }
}

impl Timeline {
    /// The interval of an instant; `lock_queue` is how many have been waiting since the last event.
    #[inline]
    pub(super) fn at(&mut self, now: Nanos, lock_queue: usize) -> &mut Interval {
        if now >= self.end {
            self.go_on_to(now, u32::try_from(lock_queue).unwrap_or(u32::MAX));
        }
        &mut self.present
    }

    /// Begins the interval of an instant, and those that were skipped; when there are too many, pairs of them become one.
    #[cold]
    fn go_on_to(&mut self, now: Nanos, lock_queue: u32) {
        let level = Interval { lock_queue, ..Interval::default() };
        let before = std::mem::replace(&mut self.present, level.clone());
        if self.end > Nanos::ZERO {
            self.past.push(before);
        }
        while now.0 / self.length.0 >= INTERVALS {
            self.past = self.past.chunks(2).map(whole).collect();
            self.length = Nanos(self.length.0 * 2);
        }
        let at = now.0 / self.length.0;
        let skipped = usize::try_from(at).unwrap_or(usize::MAX).saturating_sub(self.past.len());
        self.past.extend(std::iter::repeat_n(level, skipped));
        self.end = Nanos((at + 1) * self.length.0);
    }

    pub(super) fn series(mut self) -> Series {
        if self.end > Nanos::ZERO {
            self.past.push(self.present);
        }
        let intervals = self.past;
        let latency = |of: fn(&Histogram) -> Nanos| -> Vec<Option<f64>> {
            let some =
                |interval: &Interval| (!interval.latency.is_empty()).then(|| ms(of(&interval.latency)));
            intervals.iter().map(some).collect()
        };
        Series {
            interval_ms: ms(self.length),
            arrived: intervals.iter().map(|one| one.arrived).collect(),
            served: intervals.iter().map(|one| one.served).collect(),
            failed: intervals.iter().map(|one| one.failed).collect(),
            p50_ms: latency(|histogram| histogram.quantile(50, 100)),
            p99_ms: latency(|histogram| histogram.quantile(99, 100)),
            max_ms: latency(Histogram::max),
            lock_queue: intervals.iter().map(|one| one.lock_queue).collect(),
            pool_in_use: intervals.iter().map(|one| one.in_use).collect(),
            pool_queue: intervals.iter().map(|one| one.queued).collect(),
        }
    }
}

fn whole(pair: &[Interval]) -> Interval {
    let mut whole = pair[0].clone();
    pair.get(1).into_iter().for_each(|other| whole.absorb(other));
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(times: &[u64]) -> Series {
        let mut timeline = Timeline::default();
        for time in times {
            timeline.at(Nanos::from_millis(*time), 3).arrived += 1;
        }
        timeline.series()
    }

    #[test]
    fn skipped_intervals_have_the_level_that_was_then() {
        let series = arrivals(&[0, 50, 420]);
        assert_eq!((series.interval_ms, series.arrived), (100.0, vec![2, 0, 0, 0, 1]));
        assert_eq!(series.lock_queue, [3; 5]);
    }

    #[test]
    fn full_intervals_become_half_as_many_of_twice_the_length() {
        let times: Vec<u64> = (0..241).map(|at| at * 100).collect();
        let series = arrivals(&times);
        assert_eq!((series.interval_ms, series.arrived.len()), (200.0, 121));
        assert_eq!((&series.arrived[..2], series.arrived[120]), (&[2, 2][..], 1));
        let late = arrivals(&[0, 100_000_000]);
        assert!((120..=240).contains(&late.arrived.len()), "{}", late.arrived.len());
        assert_eq!(late.arrived.iter().sum::<u64>(), 2);
    }

    #[test]
    fn nothing_that_happens_leaves_no_interval() {
        assert!(arrivals(&[]).arrived.is_empty());
    }
}
