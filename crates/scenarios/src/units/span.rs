//! Spans of time: `250 ms`, `1.5 s`, `5 min`.

use serde::Deserialize;
use sim_clock::Nanos;

/// A span of time in a scenario file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Span(pub Nanos);

/// The units, with their nanoseconds.
const UNITS: [(&str, u64); 6] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("min", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

impl Span {
    /// That many seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Nanos::from_secs(seconds))
    }

    /// That many milliseconds.
    #[must_use]
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(Nanos::from_millis(milliseconds))
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        super::with_unit(text, &UNITS).map(|nanos| Self(Nanos(nanos)))
    }
}

/// As a scenario file would have it, in the greatest unit that leaves a whole number.
impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let nanos = self.0.0;
        if nanos == 0 {
            return write!(f, "0 s");
        }
        let (unit, factor) = UNITS.into_iter().rev().find(|unit| nanos % unit.1 == 0).unwrap_or(UNITS[0]);
        write!(f, "{} {unit}", nanos / factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<Nanos> {
        Span::parse(text).map(|span| span.0)
    }

    #[test]
    fn spans_are_exact_to_the_nanosecond() {
        assert_eq!(parse("1.5 ms"), Some(Nanos(1_500_000)));
        assert_eq!(parse("120s"), Some(Nanos::from_secs(120)));
        assert_eq!(parse("0.1 min"), Some(Nanos::from_secs(6)));
        assert_eq!(parse("10_000 us"), Some(Nanos::from_millis(10)));
    }

    #[test]
    fn what_is_no_span_is_refused() {
        for text in ["", "5", "ms", "-1 s", "1 day", "0.5 ns", "1e3 s", "1.2.3 s", "99999999999 h"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_span_is_shown_as_it_is_written() {
        for text in ["250 ms", "1500 ms", "1 s", "90 s", "2 min", "1 h", "7 ns", "0 s"] {
            assert_eq!(Span::parse(text).unwrap().to_string(), text);
        }
    }
}
