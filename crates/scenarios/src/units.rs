//! Spans of time as people write them: `250 ms`, `1.5 s`, `5 min`.

use serde::Deserialize;
use sim_clock::Nanos;

/// A span of time in a scenario file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Span(pub Nanos);

/// The units, with their nanoseconds and so many decimal places.
const UNITS: [(&str, u32); 3] = [("ns", 0), ("us", 3), ("ms", 6)];
const LONG_UNITS: [(&str, u64); 3] = [("s", 1), ("min", 60), ("h", 3_600)];

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        parse(&text).map(Span).ok_or_else(|| {
            format!("{text:?} is not a span of time; write a number and a unit: ns, us, ms, s, min or h")
        })
    }
}

fn parse(text: &str) -> Option<Nanos> {
    let text = text.trim();
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_'))?;
    let (number, unit) = (text[..split].replace('_', ""), text[split..].trim());
    let (whole, fraction) = number.split_once('.').unwrap_or((&number, ""));
    let (factor, places) = match UNITS.iter().find(|entry| entry.0 == unit) {
        Some((_, places)) => (1, *places),
        None => (LONG_UNITS.iter().find(|entry| entry.0 == unit)?.1, 9),
    };
    // Whole nanoseconds, without a detour over floating point.
    let fraction = fraction.trim_end_matches('0');
    let digits = u32::try_from(fraction.len()).ok()?;
    if digits > places {
        return None;
    }
    let number: u64 = format!("{whole}{fraction}").parse().ok()?;
    number.checked_mul(10_u64.pow(places - digits))?.checked_mul(factor).map(Nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_exact_to_the_nanosecond() {
        assert_eq!(parse("1.5 ms"), Some(Nanos(1_500_000)));
        assert_eq!(parse("120s"), Some(Nanos::from_secs(120)));
        assert_eq!(parse("0.1 min"), Some(Nanos::from_secs(6)));
        assert_eq!(parse("10_000 us"), Some(Nanos::from_millis(10)));
    }

    #[test]
    fn what_is_no_span_is_refused() {
        for text in ["", "5", "ms", "-1 s", "1 day", "0.5 ns", "1e3 s", "99999999999 h"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
