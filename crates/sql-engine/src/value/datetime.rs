//! Dates, timestamps and intervals. The time zone is UTC.

use std::fmt;

/// Microseconds in a second.
pub(crate) const MICROS_PER_SECOND: i64 = 1_000_000;
/// Microseconds in a day.
pub(crate) const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;
/// Days from 1970-01-01 to 2000-01-01.
const EPOCH_2000: i64 = 10_957;

/// A span of time; months and days have no fixed length.
#[derive(Clone, Copy, Debug, Default)]
pub struct Interval {
    /// Months, a year being twelve.
    pub months: i32,
    /// Days.
    pub days: i32,
    /// The rest.
    pub micros: i64,
}

impl Interval {
    /// The length by which intervals compare: a month is 30 days, a day 24 hours.
    #[must_use]
    pub fn span(self) -> i128 {
        let days = i128::from(self.months) * 30 + i128::from(self.days);
        days * i128::from(MICROS_PER_DAY) + i128::from(self.micros)
    }

    /// From text: `1 day 02:03:04`, `5 minutes`, `-1 mon`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut result = Self::default();
        let mut words = text.split_whitespace();
        let mut any = false;
        while let Some(word) = words.next() {
            any = true;
            if word == "ago" {
                result = Self { months: -result.months, days: -result.days, micros: -result.micros };
                continue;
            }
            if word.contains(':') {
                result.micros += parse_clock(word)?;
                continue;
            }
            let split = word.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(word.len());
            let (number, unit) = word.split_at(split);
            let unit = if unit.is_empty() { words.next().unwrap_or("second") } else { unit };
            result.add_unit(number.parse().ok()?, unit)?;
        }
        any.then_some(result)
    }

    fn add_unit(&mut self, amount: f64, unit: &str) -> Option<()> {
        let unit = unit.to_ascii_lowercase();
        let micros = |seconds: f64| (amount * seconds * 1e6).round() as i64;
        match unit.trim_end_matches('s') {
            "year" | "yr" | "y" => self.months += (amount * 12.0).round() as i32,
            "month" | "mon" => self.months += amount.round() as i32,
            "week" | "w" => self.days += (amount * 7.0).round() as i32,
            "day" | "d" => {
                self.days += amount.trunc() as i32;
                self.micros += (amount.fract() * MICROS_PER_DAY as f64).round() as i64;
            }
            "hour" | "hr" | "h" => self.micros += micros(3600.0),
            "minute" | "min" | "m" => self.micros += micros(60.0),
            "second" | "sec" | "" => self.micros += micros(1.0),
            "millisecond" | "msec" => self.micros += micros(0.001),
            "microsecond" | "u" | "usec" => self.micros += micros(0.000_001),
            _ => return None,
        }
        Some(())
    }
}

fn parse_clock(text: &str) -> Option<i64> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let mut parts = text.split(':');
    let hours: i64 = parts.next()?.parse().ok()?;
    let minutes: i64 = parts.next()?.parse().ok()?;
    let seconds: f64 = parts.next().map_or(Some(0.0), |s| s.parse().ok())?;
    if minutes >= 60 || seconds >= 61.0 || parts.next().is_some() {
        return None;
    }
    let micros = (hours * 3600 + minutes * 60) * MICROS_PER_SECOND + (seconds * 1e6).round() as i64;
    Some(if negative { -micros } else { micros })
}

/// As PostgreSQL's default IntervalStyle shows it: `1 year 2 mons 3 days 04:05:06`.
impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |n: i32| if n == 1 { "" } else { "s" };
        let mut parts = Vec::new();
        let (years, months) = (self.months / 12, self.months % 12);
        if years != 0 {
            parts.push(format!("{years} year{}", plural(years)));
        }
        if months != 0 {
            parts.push(format!("{months} mon{}", plural(months)));
        }
        if self.days != 0 {
            parts.push(format!("{} day{}", self.days, plural(self.days)));
        }
        if self.micros != 0 || parts.is_empty() {
            let sign = if self.micros < 0 { "-" } else { "" };
            parts.push(format!("{sign}{}", show_clock(self.micros.saturating_abs())));
        }
        f.write_str(&parts.join(" "))
    }
}

fn show_clock(micros: i64) -> String {
    let seconds = micros / MICROS_PER_SECOND;
    let fraction = micros % MICROS_PER_SECOND;
    let mut text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction != 0 {
        text.push_str(format!(".{fraction:06}").trim_end_matches('0'));
    }
    text
}

/// Year, month and day of a day number since 2000-01-01 (the civil calendar by 400-year eras).
pub(crate) fn date_parts(days: i32) -> (i64, u32, u32) {
    let z = i64::from(days) + EPOCH_2000 + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted + 2) / 5 + 1) as u32;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 } as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The day number since 2000-01-01 of a date that exists.
pub(crate) fn day_number(year: i64, month: u32, day: u32) -> Option<i32> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || !(-4713..=294_276).contains(&year) {
        return None;
    }
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let shifted_month = i64::from(if month > 2 { month - 3 } else { month + 9 });
    let day_of_year = (153 * shifted_month + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = i32::try_from(era * 146_097 + day_of_era - 719_468 - EPOCH_2000).ok()?;
    (date_parts(days) == (year, month, day)).then_some(days)
}

pub(crate) fn parse_date(text: &str) -> Option<i32> {
    let mut parts = text.trim().splitn(3, ['-', '/']);
    let year = parts.next()?.parse().ok()?;
    let month = parts.next()?.parse().ok()?;
    let day = parts.next()?.parse().ok()?;
    day_number(year, month, day)
}

/// `2024-01-02`, `2024-01-02 03:04:05.6`, with `T` and a zone offset if given.
pub(crate) fn parse_timestamp(text: &str) -> Option<i64> {
    let text = text.trim();
    let (date, clock) = text.split_once([' ', 'T']).unwrap_or((text, ""));
    let midnight = i64::from(parse_date(date)?) * MICROS_PER_DAY;
    let clock = clock.trim().trim_end_matches(['Z', 'z']).trim_end_matches(" UTC");
    if clock.is_empty() {
        return Some(midnight);
    }
    let (clock, offset) = match clock.rfind(['+', '-']) {
        Some(at) => (&clock[..at], parse_offset(&clock[at..])?),
        None => (clock, 0),
    };
    Some(midnight + parse_clock(clock.trim())? - offset)
}

fn parse_offset(text: &str) -> Option<i64> {
    let digits = &text[1..];
    let micros = if digits.contains(':') {
        parse_clock(digits)?
    } else {
        digits.parse::<i64>().ok()? * 3600 * MICROS_PER_SECOND
    };
    Some(if text.starts_with('-') { -micros } else { micros })
}

pub(crate) fn show_date(days: i32) -> String {
    let (year, month, day) = date_parts(days);
    format!("{year:04}-{month:02}-{day:02}")
}

pub(crate) fn show_timestamp(micros: i64) -> String {
    let days = micros.div_euclid(MICROS_PER_DAY);
    let day = i32::try_from(days).unwrap_or(i32::MAX);
    format!("{} {}", show_date(day), show_clock(micros.rem_euclid(MICROS_PER_DAY)))
}

/// A timestamp moved by an interval: months first, keeping to the month's last day, then days, then time.
pub(crate) fn add_interval(micros: i64, by: Interval, sign: i64) -> Option<i64> {
    let mut day = i32::try_from(micros.div_euclid(MICROS_PER_DAY)).ok()?;
    let clock = micros.rem_euclid(MICROS_PER_DAY);
    if by.months != 0 {
        let (year, month, of_month) = date_parts(day);
        let total = year * 12 + i64::from(month) - 1 + i64::from(by.months) * sign;
        let (year, month) = (total.div_euclid(12), total.rem_euclid(12) as u32 + 1);
        day = (28..=of_month.max(28))
            .rev()
            .chain([of_month])
            .find_map(|d| day_number(year, month, d.min(of_month)))?;
    }
    let day = i64::from(day) + i64::from(by.days) * sign;
    (day.checked_mul(MICROS_PER_DAY)?).checked_add(clock)?.checked_add(by.micros.checked_mul(sign)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_survive_the_way_there_and_back() {
        for text in ["2000-01-01", "1999-12-31", "2024-02-29", "1900-03-01", "0001-01-01", "9999-12-31"] {
            assert_eq!(parse_date(text).map(show_date).as_deref(), Some(text));
        }
        assert_eq!(parse_date("2023-02-29"), None);
    }

    #[test]
    fn timestamps_are_read_and_shown() {
        for (text, shown) in [
            ("2024-01-02", "2024-01-02 00:00:00"),
            ("2024-01-02 03:04:05.060", "2024-01-02 03:04:05.06"),
            ("2024-01-02T03:04:05+02", "2024-01-02 01:04:05"),
            ("1999-12-31 23:59:59", "1999-12-31 23:59:59"),
        ] {
            assert_eq!(parse_timestamp(text).map(show_timestamp).as_deref(), Some(shown));
        }
    }

    #[test]
    fn intervals_are_read_shown_and_added() {
        for (text, shown) in [
            ("1 day", "1 day"),
            ("5 minutes", "00:05:00"),
            ("1 year 2 mons 3 days 04:05:06", "1 year 2 mons 3 days 04:05:06"),
            ("90 s", "00:01:30"),
            ("1 hour ago", "-01:00:00"),
            ("0", "00:00:00"),
        ] {
            assert_eq!(Interval::parse(text).map(|i| i.to_string()).as_deref(), Some(shown), "{text}");
        }
        let start = parse_timestamp("2024-01-31").expect("a timestamp");
        let month = Interval::parse("1 month").expect("an interval");
        let moved = add_interval(start, month, 1).map(show_timestamp);
        assert_eq!(moved.as_deref(), Some("2024-02-29 00:00:00"));
    }
}
