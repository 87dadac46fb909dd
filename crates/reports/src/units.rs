//! Numbers as people say them: `38 ms`, `9.8 s`, `2 min 5 s`, `12,345`, `0.4 %`.

use crate::{Basis, Figure, Unit};

/// A span of time given in milliseconds: `0 ms`, `0.4 ms`, `38 ms`, `1.2 s`, `2 min 5 s`, `3 h 12 min`.
#[must_use]
pub fn duration(ms: f64) -> String {
    if !ms.is_finite() {
        return "–".to_owned();
    }
    if ms < 0.0 {
        return format!("−{}", duration(-ms));
    }
    // A unit is left as soon as rounding would print a thousand of it (or sixty).
    match ms {
        _ if ms < 0.005 => "0 ms".to_owned(),
        _ if ms < 0.995 => format!("{} ms", trimmed(ms, 2)),
        _ if ms < 9.95 => format!("{} ms", trimmed(ms, 1)),
        _ if ms < 999.5 => format!("{ms:.0} ms"),
        _ if ms < 99_950.0 => format!("{} s", trimmed(ms / 1e3, 1)),
        _ if ms < 7_199_500.0 => two_units((ms / 1e3).round(), ("min", "s")),
        _ => two_units((ms / 60e3).round(), ("h", "min")),
    }
}

/// So many small units as large ones of sixty and a rest.
fn two_units(small: f64, (large_name, small_name): (&str, &str)) -> String {
    let (large, rest) = ((small / 60.0).floor(), small % 60.0);
    if rest == 0.0 {
        format!("{large:.0} {large_name}")
    } else {
        format!("{large:.0} {large_name} {rest:.0} {small_name}")
    }
}

/// At most so many decimals, without zeros at the end.
fn trimmed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A count with a comma at each thousand; fractions (a mean of counts) keep one decimal below a thousand.
#[must_use]
pub fn count(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let text = if value.abs() < 1e3 { trimmed(value, 1) } else { format!("{value:.0}") };
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("−", digits));
    let (whole, fraction) =
        digits.split_once('.').map_or((digits, ""), |(whole, fraction)| (whole, fraction));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{grouped}{point}{fraction}")
}

/// [`count`] for whole numbers.
#[must_use]
pub fn whole(value: u64) -> String {
    count(as_f64(value))
}

/// A part of a whole in percent: never `0 %` for something, never `100 %` for less than all.
#[must_use]
pub fn share(part: f64) -> String {
    let percent = part * 100.0;
    match percent {
        _ if !percent.is_finite() => "–".to_owned(),
        _ if percent <= 0.0 => "0 %".to_owned(),
        _ if percent < 0.1 => "<0.1 %".to_owned(),
        _ if percent < 9.95 => format!("{} %", trimmed(percent, 1)),
        _ if (99.5..100.0).contains(&percent) => format!("{} %", trimmed(percent.min(99.9), 1)),
        _ => format!("{percent:.0} %"),
    }
}

/// `n thing`, `n things`; irregular plurals are given.
#[must_use]
pub fn plural(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", whole(number), if number == 1 { one } else { many })
}

impl Figure {
    /// A figure.
    #[must_use]
    pub const fn new(value: f64, unit: Unit, basis: Basis) -> Self {
        Self { value, unit, basis }
    }

    /// The number with its unit, for people.
    #[must_use]
    pub fn text(&self) -> String {
        self.unit.text(self.value)
    }
}

impl Unit {
    /// A number of this unit, for people.
    #[must_use]
    pub fn text(self, value: f64) -> String {
        match self {
            Self::Milliseconds => duration(value),
            Self::RequestSeconds => format!("{} request-seconds", count((value * 10.0).round() / 10.0)),
            Self::Count => count(value),
            Self::Share => share(value),
            Self::PerSecond => format!("{}/s", count(value)),
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "no run has 2^53 requests")]
pub(crate) fn as_f64(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_change_their_unit_where_rounding_would() {
        let cases = [
            (0.0, "0 ms"),
            (0.4, "0.4 ms"),
            (0.04, "0.04 ms"),
            (0.996, "1 ms"),
            (8.44, "8.4 ms"),
            (9.96, "10 ms"),
            (38.4, "38 ms"),
            (999.4, "999 ms"),
            (999.6, "1 s"),
            (1_234.0, "1.2 s"),
            (59_960.0, "60 s"),
            (99_960.0, "1 min 40 s"),
            (125_000.0, "2 min 5 s"),
            (3_600_000.0, "60 min"),
            (7_199_600.0, "2 h"),
            (11_520_000.0, "3 h 12 min"),
            (-250.0, "−250 ms"),
            (f64::NAN, "–"),
        ];
        for (ms, text) in cases {
            assert_eq!(duration(ms), text, "{ms}");
        }
    }

    #[test]
    fn counts_are_grouped_by_thousands() {
        let cases = [
            (0.0, "0"),
            (7.0, "7"),
            (2.5, "2.5"),
            (999.0, "999"),
            (1_000.0, "1,000"),
            (-12_345.6, "−12,346"),
        ];
        for (value, text) in cases {
            assert_eq!(count(value), text);
        }
    }

    #[test]
    fn a_share_is_never_rounded_to_nothing_or_to_all() {
        let cases = [
            (0.0, "0 %"),
            (0.000_1, "<0.1 %"),
            (0.004, "0.4 %"),
            (0.12, "12 %"),
            (0.999_7, "99.9 %"),
            (1.0, "100 %"),
        ];
        for (part, text) in cases {
            assert_eq!(share(part), text);
        }
    }
}
