//! Times of day: `08:30`.

use serde::Deserialize;
use sim_clock::Nanos;

/// A time of day, as time since midnight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct TimeOfDay(pub Nanos);

impl TimeOfDay {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (hours, minutes) = text.split_once(':')?;
        let two_digits = |text: &str| {
            let both = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u64>().ok().filter(|_| both)
        };
        let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
        (hours < 24 && minutes < 60).then(|| Self(Nanos::from_secs(hours * 3_600 + minutes * 60)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day_are_hours_and_minutes() {
        assert_eq!(TimeOfDay::parse("08:30"), Some(TimeOfDay(Nanos::from_secs(30_600))));
        for text in ["8:30", "24:00", "12:60", "noon", "+1:00", "08:30:00"] {
            assert_eq!(TimeOfDay::parse(text), None, "{text:?}");
        }
    }
}
