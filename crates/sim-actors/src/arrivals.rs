//! When requests arrive: open-loop processes with a rate that may change over time, or a recording.

use std::rc::Rc;

use sim_clock::{Nanos, Stream};

use crate::message::Keys;

/// Requests a second over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RateProfile {
    /// The rate where neither the curve nor a burst says otherwise.
    pub base: f64,
    /// Rates at times of a period, with straight lines between them: a daily curve. Empty for none.
    pub curve: Vec<(Nanos, f64)>,
    /// After which the curve begins again.
    pub period: Nanos,
    /// Spans with a rate of their own.
    pub bursts: Vec<Burst>,
}

/// A span of time with a rate of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Burst {
    /// When it begins.
    pub at: Nanos,
    /// How long it lasts.
    pub length: Nanos,
    /// Requests a second meanwhile.
    pub rate: f64,
}

impl RateProfile {
    /// Always the same rate.
    #[must_use]
    pub fn flat(base: f64) -> Self {
        Self { base, ..Self::default() }
    }

    fn is_flat(&self) -> bool {
        self.curve.is_empty() && self.bursts.is_empty()
    }

    /// The rate at an instant.
    #[must_use]
    pub fn at(&self, now: Nanos) -> f64 {
        let burst = self.bursts.iter().find(|burst| burst.at <= now && now < burst.at + burst.length);
        match burst {
            Some(burst) => burst.rate,
            None => self.on_curve(now),
        }
    }

    fn on_curve(&self, now: Nanos) -> f64 {
        let (Some(first), Some(last)) = (self.curve.first(), self.curve.last()) else { return self.base };
        let period = self.period.0.max(1);
        let now = now.0 % period;
        // Before the first point and after the last the line goes over the period's end.
        let next = self.curve.iter().find(|point| point.0.0 > now);
        let before = self.curve.iter().rev().find(|point| point.0.0 <= now);
        let (from, to) = (before.unwrap_or(last), next.unwrap_or(first));
        let span = (to.0.0 + period - from.0.0 - 1) % period + 1;
        let gone = (now + period - from.0.0) % period;
        from.1 + (to.1 - from.1) * ratio(gone, span)
    }

    /// Whether nothing arrives any more from an instant on.
    fn is_over(&self, now: Nanos) -> bool {
        let ended = |burst: &Burst| burst.at + burst.length <= now;
        self.base == 0.0 && self.curve.is_empty() && self.bursts.iter().all(ended)
    }

    /// The highest rate that there ever is.
    #[must_use]
    pub fn peak(&self) -> f64 {
        let rates = self.curve.iter().map(|point| point.1).chain(self.bursts.iter().map(|burst| burst.rate));
        let base = if self.curve.is_empty() { self.base } else { 0.0 };
        rates.fold(base, f64::max)
    }
}

#[allow(clippy::cast_precision_loss, reason = "spans of virtual time are far below 2^53 ns times 100")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

/// The time between two events at a rate; a rate of 0 means never.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
fn gap(rate: f64) -> Nanos {
    Nanos((1e9 / rate) as u64)
}

/// How the gaps between arrivals are distributed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spacing {
    /// Exponentially: a Poisson process.
    Poisson,
    /// Evenly.
    Constant,
}

/// A kind of request, as it arrives.
#[derive(Clone, Debug)]
pub struct Arrivals {
    /// Which kind.
    pub request: u32,
    /// How often.
    pub rate: RateProfile,
    /// How evenly.
    pub spacing: Spacing,
    /// Its random stream.
    pub stream: Stream,
    /// The keys it needs, by their place among the balancer's sources.
    pub keys: Vec<usize>,
}

impl Arrivals {
    /// When the next one arrives after `now`; `Nanos(u64::MAX)` for never.
    pub fn next(&mut self, now: Nanos) -> Nanos {
        let after = |now: Nanos, gap: Nanos| Nanos(now.0.saturating_add(gap.0));
        if self.spacing == Spacing::Constant {
            return after(now, gap(self.rate.at(now)));
        }
        if self.rate.is_flat() {
            return after(now, self.stream.exponential(gap(self.rate.base)));
        }
        let mean = gap(self.rate.peak());
        let mut at = after(now, self.stream.exponential(mean));
        // Thinning: of a process at the peak rate, each arrival is kept as often as the rate of its
        // instant demands (Lewis and Shedler, 1979).
        while at.0 != u64::MAX && self.stream.unit() * self.rate.peak() > self.rate.at(at) {
            if self.rate.is_over(at) {
                return Nanos(u64::MAX);
            }
            at = after(at, self.stream.exponential(mean));
        }
        at
    }
}

/// How long a step of a recorded request took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Its own work; `None` leaves it to the cost model.
    pub work: Option<Nanos>,
    /// How long its client then waited.
    pub think: Nanos,
}

/// A text that a recorded request sends: statements that need not be those of any version.
#[derive(Clone, Debug)]
pub struct SentText {
    /// The text, as its client sent it.
    pub sql: Rc<str>,
    /// What it is called where it is shown: alike for texts that differ in constants.
    pub shown: Rc<str>,
    /// Its parameters as text, `None` for NULL.
    pub params: Rc<[Option<Rc<str>>]>,
    /// Whether the same text comes again and again, so that it is worth to be prepared.
    pub repeats: bool,
    /// How many of its statements work: those that begin and end transactions do not.
    pub statements: u32,
    /// How long each of them works; `None` leaves it to the cost model.
    pub work: Option<Nanos>,
    /// How long its client then waits.
    pub think: Nanos,
}

/// What is known of a recorded request.
#[derive(Clone, Debug)]
pub enum Recorded {
    /// The times of its kind's steps.
    Timings(Rc<Vec<Timing>>),
    /// All that it sent; its kind only names it.
    Texts(Rc<Vec<SentText>>),
}

/// A recorded request.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// When it arrives.
    pub at: Nanos,
    /// Which kind it is.
    pub request: u32,
    /// Its keys.
    pub keys: Keys,
    /// What was recorded of it besides; `None` takes all from its kind.
    pub recorded: Option<Recorded>,
}

#[cfg(test)]
mod tests {
    use sim_clock::Seed;

    use super::*;

    fn count(rate: RateProfile, spacing: Spacing, until: Nanos) -> Vec<Nanos> {
        let stream = Seed(5).stream("arrivals");
        let mut arrivals = Arrivals { request: 0, rate, spacing, stream, keys: Vec::new() };
        let mut times = Vec::new();
        let mut now = Nanos::ZERO;
        loop {
            now = arrivals.next(now);
            if now > until {
                return times;
            }
            times.push(now);
        }
    }

    #[test]
    fn a_curve_is_a_line_between_its_points_and_over_the_end_of_its_period() {
        let curve = vec![(Nanos(20), 10.0), (Nanos(60), 30.0)];
        let profile = RateProfile { curve, period: Nanos(100), ..RateProfile::default() };
        let rates = [20, 40, 60, 90, 0, 120].map(|at| profile.at(Nanos(at)));
        assert_eq!(rates, [10.0, 20.0, 30.0, 20.0, 16.666_666_666_666_668, 10.0]);
    }

    #[test]
    fn a_burst_replaces_the_rate_while_it_lasts() {
        let burst = Burst { at: Nanos::from_secs(10), length: Nanos::from_secs(10), rate: 200.0 };
        let profile = RateProfile { base: 20.0, bursts: vec![burst], ..RateProfile::default() };
        let times = count(profile, Spacing::Poisson, Nanos::from_secs(30));
        let inside = times.iter().filter(|at| (10..20).contains(&(at.0 / 1_000_000_000))).count();
        assert!((1_900..2_100).contains(&inside), "{inside} in the burst");
        assert!((340..460).contains(&(times.len() - inside)), "{} outside", times.len() - inside);
    }

    #[test]
    fn nothing_arrives_after_the_last_burst() {
        let burst = Burst { at: Nanos::from_secs(1), length: Nanos::from_secs(1), rate: 100.0 };
        let profile = RateProfile { bursts: vec![burst], ..RateProfile::default() };
        let times = count(profile, Spacing::Poisson, Nanos::from_secs(9_000_000));
        assert!((70..130).contains(&times.len()), "{}", times.len());
    }

    #[test]
    fn constant_arrivals_come_at_even_gaps() {
        let times = count(RateProfile::flat(4.0), Spacing::Constant, Nanos::from_secs(1));
        assert_eq!(times, [250, 500, 750, 1000].map(Nanos::from_millis));
    }

    #[test]
    fn nothing_arrives_at_a_rate_of_zero() {
        assert_eq!(count(RateProfile::flat(0.0), Spacing::Poisson, Nanos::from_secs(9_000)), []);
    }
}
