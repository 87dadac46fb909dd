//! Latencies in buckets: constant memory, and no quantile off by more than one part in 64.

use sim_clock::Nanos;

/// Buckets to each doubling.
const PER_DOUBLING: u32 = 64;

/// How often spans of about a length were seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Histogram {
    counts: Vec<u32>,
    total: u64,
    max: Nanos,
}

/// Exact below 64 us, then 64 buckets to each doubling.
fn bucket(micros: u64) -> usize {
    let doubling = (micros / u64::from(PER_DOUBLING)).checked_ilog2().map_or(0, |log| log + 1);
    let within = if doubling == 0 { micros } else { (micros >> (doubling - 1)) - u64::from(PER_DOUBLING) };
    (doubling * PER_DOUBLING) as usize + usize::try_from(within).unwrap_or(0)
}

/// The longest span of a bucket.
fn upper(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let (doubling, within) = (bucket / u64::from(PER_DOUBLING), bucket % u64::from(PER_DOUBLING));
    if doubling == 0 { within } else { ((within + u64::from(PER_DOUBLING) + 1) << (doubling - 1)) - 1 }
}

/// A span and its bucket: found once for all the histograms that it goes into.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    span: Nanos,
    bucket: usize,
}

impl Place {
    pub(super) fn of(span: Nanos) -> Self {
        Self { span, bucket: bucket(span.0 / 1_000) }
    }
}

impl Histogram {
    pub(super) fn record(&mut self, place: Place) {
        match self.counts.get_mut(place.bucket) {
            Some(count) => *count += 1,
            None => {
                self.counts.resize(place.bucket + 1, 0);
                self.counts[place.bucket] = 1;
            }
        }
        self.total += 1;
        self.max = self.max.max(place.span);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.total == 0
    }

    pub(super) fn max(&self) -> Nanos {
        self.max
    }

    /// The span that `part` in `whole` do not exceed; zero if there are none.
    pub(super) fn quantile(&self, part: u64, whole: u64) -> Nanos {
        let rank = (self.total * part).div_ceil(whole).max(1);
        let mut seen = 0;
        for (at, count) in self.counts.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= rank {
                return Nanos::from_micros(upper(at)).min(self.max);
            }
        }
        self.max
    }

    pub(super) fn absorb(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (own, more) in self.counts.iter_mut().zip(&other.counts) {
            *own += more;
        }
        self.total += other.total;
        self.max = self.max.max(other.max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_off_by_less_than_two_percent() {
        let mut histogram = Histogram::default();
        (1..=10_000).for_each(|micros| histogram.record(Place::of(Nanos::from_micros(micros))));
        for (part, exact) in [(50, 5_000), (95, 9_500), (99, 9_900)] {
            let found = histogram.quantile(part, 100).0 / 1_000;
            assert!(found >= exact && found <= exact + exact / 50, "p{part} is {found}");
        }
        assert_eq!(histogram.quantile(100, 100), Nanos::from_micros(10_000));
    }
}
