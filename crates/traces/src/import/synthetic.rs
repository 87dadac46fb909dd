//! Requests drawn from rates: what statistics without arrival times allow.

use std::io;

use sim_clock::{Nanos, Seed, Stream};

use super::transaction::Finished;
use crate::record::{End, Record, Statement, StatementRate};

/// A lognormal time by its mean and deviation, kept within the extremes that were seen; microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Lognormal {
    pub(crate) mean: f64,
    pub(crate) stddev: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Lognormal {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub(crate) fn draw_us(&self, stream: &mut Stream) -> u64 {
        if self.mean <= 0.0 || !self.mean.is_finite() {
            return 0;
        }
        let spread = (self.stddev / self.mean).max(0.0);
        let sigma_squared = libm::log(1.0 + spread * spread);
        let median = self.mean / libm::exp(sigma_squared / 2.0);
        let drawn = stream.lognormal(Nanos((median * 1e3) as u64), libm::sqrt(sigma_squared));
        let us = drawn.0 as f64 / 1e3;
        let us = if self.max > 0.0 { us.clamp(self.min.min(self.max), self.max) } else { us };
        us.round() as u64
    }
}

/// Draws `span` of requests: for each statement a Poisson process of its own, from a stream of its own, so
/// that a statement more or less does not change the others.
pub(crate) fn draw(
    rates: &[StatementRate],
    start_us: i64,
    span: Nanos,
    seed: Seed,
    mut take: impl FnMut(Finished) -> io::Result<()>,
) -> io::Result<()> {
    for rate in rates {
        draw_one(rate, start_us, span, seed, &mut take)?;
    }
    Ok(())
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn draw_one(
    rate: &StatementRate,
    start_us: i64,
    span: Nanos,
    seed: Seed,
    take: &mut impl FnMut(Finished) -> io::Result<()>,
) -> io::Result<()> {
    if rate.rate_per_s <= 0.0 || !rate.rate_per_s.is_finite() {
        return Ok(());
    }
    let mut stream = seed.stream(&rate.fingerprint);
    let service =
        Lognormal { mean: rate.mean_us, stddev: rate.stddev_us, min: rate.min_us, max: rate.max_us };
    // Not even one nanosecond between arrivals is no traffic that anything could serve.
    let gap = Nanos(((1e9 / rate.rate_per_s) as u64).max(1));
    let mut at = stream.exponential(gap);
    while at < span {
        let service_us = service.draw_us(&mut stream);
        let mut statement =
            Statement::named(rate.text.as_deref().unwrap_or("(text not known)"), Some(service_us));
        statement.fingerprint.clone_from(&rate.fingerprint);
        if rate.text.is_some() {
            (statement.text, statement.label) = (rate.text.clone(), None);
        }
        statement.rows = rate.rows.map(|rows| rows.round() as u64);
        let record = Record::single("drawn", End::Autocommit, statement);
        take(Finished { at_us: start_us.saturating_add_unsigned(at.0 / 1_000), record })?;
        at += stream.exponential(gap);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_times_have_the_mean_and_deviation_asked_for() {
        let law = Lognormal { mean: 2_000.0, stddev: 1_000.0, min: 0.0, max: 0.0 };
        let mut stream = Seed(3).stream("law");
        let draws: Vec<f64> = (0..20_000).map(|_| law.draw_us(&mut stream) as f64).collect();
        let mean = draws.iter().sum::<f64>() / 20_000.0;
        let variance = draws.iter().map(|us| (us - mean) * (us - mean)).sum::<f64>() / 20_000.0;
        assert!((mean - 2_000.0).abs() < 40.0, "mean {mean}");
        assert!((variance.sqrt() - 1_000.0).abs() < 60.0, "deviation {}", variance.sqrt());
    }
}
