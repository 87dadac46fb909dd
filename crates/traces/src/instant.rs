//! Points in time as the logs write them: microseconds since 1970-01-01 00:00 UTC.
//!
//! The servers write `2026-11-21 07:48:24.139 UTC` with whatever abbreviation `log_timezone` has, the
//! statistics views `2026-11-21 07:48:24.139123+00`, JSON programs RFC 3339. One parser reads them all.
//! Only differences between times matter to a trace, so an abbreviation that is not in the table is
//! read as UTC and reported, not refused.

/// A time that was read, and whether its zone was understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) us: i64,
    pub(crate) zone_known: bool,
}

/// Abbreviations of time zones with their distance from UTC in minutes, as PostgreSQL's default set
/// (`src/timezone/tznames/Default`) resolves them.
const ZONES: &[(&str, i64)] = &[
    ("", 0),
    ("Z", 0),
    ("UTC", 0),
    ("GMT", 0),
    ("WET", 0),
    ("WEST", 60),
    ("BST", 60),
    ("CET", 60),
    ("CEST", 120),
    ("EET", 120),
    ("EEST", 180),
    ("MSK", 180),
    ("SAST", 120),
    ("IST", 120),
    ("PKT", 300),
    ("SGT", 480),
    ("HKT", 480),
    ("AWST", 480),
    ("JST", 540),
    ("KST", 540),
    ("AEST", 600),
    ("AEDT", 660),
    ("NZST", 720),
    ("NZDT", 780),
    ("BRT", -180),
    ("ART", -180),
    ("EST", -300),
    ("EDT", -240),
    ("CST", -360),
    ("CDT", -300),
    ("MST", -420),
    ("MDT", -360),
    ("PST", -480),
    ("PDT", -420),
];

/// Reads `YYYY-MM-DD HH:MM:SS[.ffffff][ zone]`, also with a `T` between date and time.
pub(crate) fn parse(text: &str) -> Option<Stamp> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| digits(bytes.get(from..to)?);
    let separator =
        |at: usize, allowed: &[u8]| bytes.get(at).filter(|byte| allowed.contains(byte)).map(|_| ());
    separator(4, b"-")?;
    separator(7, b"-")?;
    separator(10, b" T")?;
    separator(13, b":")?;
    separator(16, b":")?;
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 24 || minute > 59 || second > 60 {
        return None;
    }
    let (fraction_us, used) = fraction(bytes.get(19..)?);
    let rest = text.get(19 + used..)?.trim_start();
    let (zone_minutes, zone_known) = zone(rest)?;
    let days = days_from_civil(year, month, day);
    let seconds = ((days * 24 + hour) * 60 + minute - zone_minutes) * 60 + second;
    Some(Stamp { us: seconds * 1_000_000 + fraction_us, zone_known })
}

/// `1795247371.730` (`%n` of `log_line_prefix`, pgbench): seconds since the epoch.
pub(crate) fn parse_epoch(text: &str) -> Option<i64> {
    let (seconds, rest) = text.split_once('.').unwrap_or((text, ""));
    if rest.len() > 9 || !rest.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction_us = if rest.is_empty() { 0 } else { fraction(format!(".{rest}").as_bytes()).0 };
    (seconds.len() < 12).then_some(())?;
    Some(digits(seconds.as_bytes())? * 1_000_000 + fraction_us)
}

/// The time as RFC 3339 with microseconds, in UTC.
pub(crate) fn rfc3339(us: i64) -> String {
    let (seconds, micros) = (us.div_euclid(1_000_000), us.rem_euclid(1_000_000));
    let (days, in_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil_from_days(days);
    let (hour, minute, second) = (in_day / 3600, in_day / 60 % 60, in_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

fn digits(bytes: &[u8]) -> Option<i64> {
    if bytes.is_empty() || bytes.len() > 18 {
        return None;
    }
    bytes.iter().try_fold(0_i64, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
}

/// `.139` and the like in microseconds, with the number of bytes it takes; further digits are dropped.
fn fraction(bytes: &[u8]) -> (i64, usize) {
    if bytes.first() != Some(&b'.') {
        return (0, 0);
    }
    let length = bytes[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let us = (0..6).fold(0, |sum, place| {
        let digit = if place < length { i64::from(bytes[1 + place] - b'0') } else { 0 };
        sum * 10 + digit
    });
    (us, length + 1)
}

/// The zone's distance from UTC in minutes, and whether it is known; nothing if it cannot be a zone.
fn zone(text: &str) -> Option<(i64, bool)> {
    if let Some(&(_, minutes)) = ZONES.iter().find(|zone| zone.0 == text) {
        return Some((minutes, true));
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        byte if byte.is_ascii_alphabetic() => return Some((0, false)),
        _ => return None,
    };
    let figures: String = text[1..].chars().filter(|c| *c != ':').collect();
    let (hours, minutes) = match figures.len() {
        1 | 2 => (digits(figures.as_bytes())?, 0),
        4 | 6 => (digits(&figures.as_bytes()[..2])?, digits(&figures.as_bytes()[2..4])?),
        _ => return None,
    };
    Some((sign * (hours * 60 + minutes), true))
}

/// Days since 1970-01-01 in the Gregorian calendar, counted in eras of 400 years that start in March.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, in_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + in_era * 365 + in_era / 4 - in_era / 100 + day_of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, in_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (in_era - in_era / 1460 + in_era / 36_524 - in_era / 146_096) / 365;
    let day_of_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * from_march + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn us(text: &str) -> i64 {
        parse(text).unwrap().us
    }

    #[test]
    fn a_time_survives_the_round_trip() {
        for text in
            ["2026-11-21T07:48:24.139000Z", "2000-02-29T23:59:59.999999Z", "1970-01-01T00:00:00.000000Z"]
        {
            assert_eq!(rfc3339(us(text)), text);
        }
    }

    #[test]
    fn the_forms_of_servers_views_and_programs_agree() {
        let expected = 1_795_247_304_139_000;
        for text in [
            "2026-11-21 07:48:24.139 UTC",
            "2026-11-21 08:48:24.139 CET",
            "2026-11-21 07:48:24.139+00",
            "2026-11-21T13:18:24.139+05:30",
            "2026-11-21 02:48:24.139000 EST",
        ] {
            assert_eq!(us(text), expected, "{text}");
        }
        assert_eq!(parse_epoch("1795247304.139"), Some(expected));
    }

    #[test]
    fn an_unknown_zone_is_read_as_utc_and_said_so() {
        assert_eq!(
            parse("2026-11-21 07:48:24 XYZT"),
            Some(Stamp { us: 1_795_247_304_000_000, zone_known: false })
        );
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in
            ["", "2026-11-21", "2026-13-01 00:00:00", "2026-11-21 07:48:24 [12]", "hello world, this is"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
