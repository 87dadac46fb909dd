//! Random streams: one seed per run, one named stream per consumer.
//!
//! A consumer asks for its stream by name, so that adding a traffic class does not shift
//! another's draws. The generator is pinned by name (xoshiro256++) and logarithms come from the
//! pure-Rust `libm`, so the same seed gives the same bytes on every machine.

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::Nanos;

/// The seed of a run, from which every named stream derives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub u64);

impl Seed {
    /// The stream of that name. Two names give independent streams.
    #[must_use]
    pub fn stream(self, name: &str) -> Stream {
        // FNV-1a spreads the name; `seed_from_u64` (SplitMix64) does the rest.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ self.0;
        for byte in name.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Stream { generator: Xoshiro256PlusPlus::seed_from_u64(hash) }
    }
}

/// A consumer's own sequence of random numbers.
#[derive(Clone, Debug)]
pub struct Stream {
    generator: Xoshiro256PlusPlus,
}

impl Stream {
    /// The next 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.generator.next_u64()
    }

    /// A number in `0..bound`, every one as likely as the others (0 when `bound` is 0).
    pub fn below(&mut self, bound: u64) -> u64 {
        // Multiply-shift: the bias is below 2^-32 for every bound that a scenario can have.
        let product = u128::from(self.bits()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or(u64::MAX)
    }

    /// A number in (0, 1], on a grid of 2^-53.
    #[allow(clippy::cast_precision_loss)]
    pub fn unit(&mut self) -> f64 {
        ((self.bits() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// An exponentially distributed span with that mean.
    pub fn exponential(&mut self, mean: Nanos) -> Nanos {
        scale(mean, -libm::log(self.unit()))
    }

    /// A lognormal span with that median; `sigma` is the deviation of its logarithm.
    pub fn lognormal(&mut self, median: Nanos, sigma: f64) -> Nanos {
        scale(median, libm::exp(sigma * self.normal()))
    }

    /// A standard normal number (Box–Muller, one of the pair).
    pub fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(self.unit()));
        radius * libm::cos(core::f64::consts::TAU * self.unit())
    }
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn scale(span: Nanos, factor: f64) -> Nanos {
    Nanos((span.0 as f64 * factor) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_all_that_a_stream_depends_on() {
        let seed = Seed(7);
        let mut first = seed.stream("arrivals");
        let _ = seed.stream("service").bits();
        assert_eq!(first.bits(), seed.stream("arrivals").bits());
        assert_ne!(seed.stream("arrivals").bits(), seed.stream("service").bits());
        assert_ne!(seed.stream("arrivals").bits(), Seed(8).stream("arrivals").bits());
    }

    #[test]
    fn the_algorithm_is_pinned() {
        // A changed generator or derivation would silently change every recorded figure.
        let mut stream = Seed(1).stream("pin");
        assert_eq!([stream.bits(), stream.below(1000)], [7_004_578_467_449_468_481, 669]);
    }

    #[test]
    fn exponential_spans_have_their_mean() {
        let mut stream = Seed(3).stream("mean");
        let sum: u64 = (0..20_000).map(|_| stream.exponential(Nanos::from_millis(2)).0).sum();
        let mean = sum / 20_000;
        assert!((1_950_000..2_050_000).contains(&mean), "mean {mean}");
    }

    #[test]
    fn lognormal_spans_have_their_median() {
        let mut stream = Seed(3).stream("median");
        let mut spans: Vec<u64> =
            (0..9_999).map(|_| stream.lognormal(Nanos::from_millis(5), 0.8).0).collect();
        spans.sort_unstable();
        assert!((4_800_000..5_200_000).contains(&spans[5_000]), "median {}", spans[5_000]);
    }
}
