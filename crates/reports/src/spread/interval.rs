//! Intervals of 95 % confidence: Student's t for means, Wilson's score for shares.
//!
//! Both are computed with pinned arithmetic (sums, roots, `libm`), so that equal samples give equal bytes on every
//! machine.

use serde::{Deserialize, Serialize};

/// The standard normal deviate that 2.5 % exceed.
const Z: f64 = 1.959_963_984_540_054;
/// The part of the distribution that the interval holds.
const INSIDE: f64 = 0.95;

/// How many of how many, with the interval in which the share of all seeds lies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proportion {
    /// How many did.
    pub count: u64,
    /// Of how many.
    pub of: u64,
    /// The part that did.
    pub share: f64,
    /// Lower end of Wilson's score interval, 95 %.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl Proportion {
    /// So many of so many. Of none the share may be anything.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "nobody runs 2^53 seeds")]
    pub fn new(count: u64, of: u64) -> Self {
        if of == 0 {
            return Self { count, of, share: 0.0, low: 0.0, high: 1.0 };
        }
        let (n, share) = (of as f64, count as f64 / of as f64);
        let widened = 1.0 + Z * Z / n;
        let middle = (share + Z * Z / (2.0 * n)) / widened;
        let half = Z / widened * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
        let low = if count == 0 { 0.0 } else { (middle - half).max(0.0) };
        let high = if count == of { 1.0 } else { (middle + half).min(1.0) };
        Self { count, of, share, low, high }
    }

    /// Whether all did.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.count == self.of
    }
}

/// The mean, and half the length of its interval; one value alone has none.
#[allow(clippy::cast_precision_loss, reason = "nobody runs 2^53 seeds")]
pub(super) fn mean(values: &[f64]) -> (f64, Option<f64>) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    if values.len() < 2 {
        return (mean, None);
    }
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    let error = (squares / (n - 1.0) / n).sqrt();
    (mean, Some(student(values.len() as u64 - 1) * error))
}

/// The t that Student's distribution of so many degrees of freedom exceeds in size in 5 % of all cases.
fn student(degrees: u64) -> f64 {
    // Beyond, the two differ by less than one part in ten thousand, and the sum below grows long.
    if degrees > 20_000 {
        return Z;
    }
    let (mut low, mut high) = (Z, 13.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if within(middle, degrees) < INSIDE { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// The part of Student's distribution between −t and t: for whole degrees of freedom a finite sum
/// (Abramowitz and Stegun, 26.7.3 and 26.7.4).
#[allow(clippy::cast_precision_loss, reason = "at most 20,000 degrees")]
fn within(t: f64, degrees: u64) -> f64 {
    let n = degrees as f64;
    let cosine = (n / (n + t * t)).sqrt();
    let sine = t / (n + t * t).sqrt();
    let angle = libm::atan(t / n.sqrt());
    let odd = degrees % 2 == 1;
    let mut term = if odd { cosine } else { 1.0 };
    let mut sum = if degrees == 1 { 0.0 } else { term };
    let mut at = if odd { 3 } else { 2 };
    while at < degrees {
        term *= cosine * cosine * (at - 1) as f64 / at as f64;
        sum += term;
        at += 2;
    }
    if odd { 2.0 / std::f64::consts::PI * (angle + sine * sum) } else { sine * sum }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deviates_of_student_are_those_of_the_tables() {
        let table = [
            (1, 12.706),
            (2, 4.303),
            (3, 3.182),
            (4, 2.776),
            (7, 2.365),
            (30, 2.042),
            (120, 1.980),
            (199, 1.972),
        ];
        for (degrees, tabulated) in table {
            let found = student(degrees);
            assert!((found - tabulated).abs() < 6e-4, "{degrees} degrees: {found}");
        }
    }

    #[test]
    fn with_many_seeds_student_comes_to_the_normal_deviate() {
        assert!((student(20_000) - Z).abs() < 2e-4, "{}", student(20_000));
        assert!((student(30_000) - Z).abs() < 1e-12);
    }

    #[test]
    fn the_interval_of_a_mean_is_that_of_the_textbook() {
        // 1…5: s = √2.5, t with 4 degrees 2.776.
        let (mean, half) = mean(&[1.0, 2.0, 3.0, 4.0, 5.0]);
        assert!((mean - 3.0).abs() < 1e-12);
        assert!((half.unwrap() - 2.776_445 * (2.5_f64 / 5.0).sqrt()).abs() < 1e-5);
        assert_eq!(super::mean(&[7.0]), (7.0, None));
        assert_eq!(super::mean(&[7.0, 7.0]), (7.0, Some(0.0)));
    }

    #[test]
    fn no_failure_in_two_hundred_seeds_does_not_prove_that_there_is_none() {
        let none = Proportion::new(0, 200);
        assert_eq!(none.low, 0.0);
        assert!((none.high - 0.018_85).abs() < 1e-4, "{}", none.high);
        let all = Proportion::new(200, 200);
        assert!((all.low - 0.981_15).abs() < 1e-4 && all.high >= 1.0);
        let some = Proportion::new(15, 50);
        assert!((some.low - 0.191).abs() < 1e-3 && (some.high - 0.438).abs() < 1e-3, "{some:?}");
    }
}
