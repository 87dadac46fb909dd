//! Shares: `0.1 %`.

use serde::Deserialize;
use sim_clock::Nanos;

use super::Span;

/// A share, in millionths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Share(pub u64);

impl Share {
    pub(super) fn parse(text: &str) -> Option<Self> {
        super::with_unit(text, &[("%", 10_000)]).map(Self)
    }

    /// That share of a span.
    #[must_use]
    pub fn of(self, span: Span) -> Span {
        let nanos = u128::from(span.0.0) * u128::from(self.0) / 1_000_000;
        Span(Nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    /// That many percent.
    #[must_use]
    pub const fn percent(percent: u64) -> Self {
        Self(percent * 10_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_percentages() {
        assert_eq!(Share::parse("0.1 %"), Some(Share(1_000)));
        assert_eq!(Share::parse("150%"), Some(Share::percent(150)));
        for text in ["0.1", "-1 %", "0.00001 %", "%", "ten %"] {
            assert_eq!(Share::parse(text), None, "{text:?}");
        }
    }
}
