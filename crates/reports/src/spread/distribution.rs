//! How one figure spreads over the seeds.

use serde::{Deserialize, Serialize};

use super::interval;
use crate::{Basis, Figure, Unit};

/// Bars of the histogram.
const BARS: usize = 24;

/// One figure over all seeds that have it: what only some have (a class that never came, the time of a migration
/// that did not end) is never taken for nought.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// Its name, as in [`crate::Report::figures`].
    pub name: String,
    /// Its unit.
    pub unit: Unit,
    /// Where its values come from.
    pub basis: Basis,
    /// How many seeds have it.
    pub seeds: u64,
    /// The least.
    pub min: f64,
    /// The median: the value that half the seeds do not exceed. Like p95 a value that a seed had (nearest rank).
    pub p50: f64,
    /// The value that 95 % of the seeds do not exceed.
    pub p95: f64,
    /// The greatest.
    pub max: f64,
    /// The mean.
    pub mean: f64,
    /// Lower end of the interval in which the mean over all seeds lies with 95 % confidence, by Student's t; `None`
    /// for a single seed.
    pub mean_low: Option<f64>,
    /// Its upper end.
    pub mean_high: Option<f64>,
    /// How many seeds fall into each of 24 equal parts of the range from `min` to `max`; one part if these are equal.
    pub histogram: Vec<u64>,
}

impl Distribution {
    /// Of at least one value; `like` tells unit and basis.
    pub(super) fn of(name: String, like: Figure, mut values: Vec<f64>) -> Self {
        // In order of the seeds, not of size: which sum comes out depends on the order.
        let (mean, half) = interval::mean(&values);
        values.sort_by(f64::total_cmp);
        let rank = |part: usize| values[(values.len() * part).div_ceil(100).max(1) - 1];
        let (min, max) = (values[0], values[values.len() - 1]);
        Self {
            name,
            unit: like.unit,
            basis: like.basis,
            seeds: values.len() as u64,
            min,
            p50: rank(50),
            p95: rank(95),
            max,
            mean,
            mean_low: half.map(|half| mean - half),
            mean_high: half.map(|half| mean + half),
            histogram: histogram(&values, min, max),
        }
    }

    /// Half the interval of the mean.
    #[must_use]
    pub fn mean_half(&self) -> Option<f64> {
        self.mean_high.map(|high| high - self.mean)
    }

    /// Whether every seed came to the same.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        self.histogram.len() == 1
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a part of the range, at most the number of bars"
)]
fn histogram(values: &[f64], min: f64, max: f64) -> Vec<u64> {
    if max <= min {
        return vec![values.len() as u64];
    }
    let mut bars = vec![0; BARS];
    for value in values {
        let part = (value - min) / (max - min) * BARS as f64;
        bars[(part as usize).min(BARS - 1)] += 1;
    }
    bars
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> Distribution {
        let like = Figure::new(0.0, Unit::Milliseconds, Basis::Derived);
        Distribution::of("p99".to_owned(), like, values.to_vec())
    }

    #[test]
    fn quantiles_are_values_that_a_seed_had() {
        let hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        let spread = of(&hundred);
        assert_eq!((spread.min, spread.p50, spread.p95, spread.max), (1.0, 50.0, 95.0, 100.0));
        let two = of(&[10.0, 20.0]);
        assert_eq!((two.p50, two.p95), (10.0, 20.0));
    }

    #[test]
    fn each_seed_stands_in_one_bar_of_the_histogram() {
        let spread = of(&[0.0, 1.0, 2.0, 24.0]);
        assert_eq!(spread.histogram.iter().sum::<u64>(), 4);
        assert_eq!((spread.histogram[0], spread.histogram[1], spread.histogram[23]), (1, 1, 1));
        assert_eq!(of(&[3.0, 3.0]).histogram, [2]);
    }

    #[test]
    fn a_single_seed_has_no_interval() {
        assert_eq!(of(&[5.0]).mean_low, None);
        assert_eq!(of(&[5.0]).mean_half(), None);
    }
}
