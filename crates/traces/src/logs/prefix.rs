//! `log_line_prefix` as a matcher (manual, section 20.8.3; `log_status_format` in
//! `src/backend/utils/error/elog.c`).
//!
//! Fields such as user and application name may hold anything, also the text that follows them in the
//! prefix, so the matcher tries one place after the other until what comes after the prefix is a severity.

use std::cmp::Reverse;

use super::{Entry, VirtualXid};
use crate::instant;

/// What a prefix consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Escape(u8),
    /// `%q`: processes without a session stop here.
    SessionOnly,
}

/// A `log_line_prefix` that can be matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prefix {
    text: String,
    pieces: Vec<Piece>,
}

/// Why a prefix is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// An escape that no server has.
    #[error(
        "log_line_prefix has %{0}, which PostgreSQL does not know; give the setting as `SHOW log_line_prefix` prints it"
    )]
    UnknownEscape(char),
    /// No time.
    #[error(
        "log_line_prefix has none of %m, %t and %n, so its lines have no time; a trace cannot be made of them"
    )]
    NoTime,
    /// No session.
    #[error(
        "log_line_prefix has neither %c nor %p, so its lines cannot be told apart by session; a trace cannot be made of them"
    )]
    NoSession,
}

/// Prefixes to try when none is given: the default, Debian's, pgBadger's, RDS's and pgreplay's advice.
const COMMON: &[&str] = &[
    "%m [%p] ",
    "%m [%p] %q%u@%d ",
    "%m [%p] %q[user=%u,db=%d,app=%a] ",
    "%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h ",
    "%m [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h ",
    "%t [%p]: [%l-1] user=%u,db=%d ",
    "%t [%p]: user=%u,db=%d,app=%a,client=%h ",
    "%m [%p]: user=%u,db=%d,app=%a,client=%h ",
    "%t:%r:%u@%d:[%p]:",
    "%m:%r:%u@%d:[%p]:%l:%e:%s:%v:%x:%c:%q%a:",
    "%m|%u|%d|%c|",
    "%t [%p] ",
    "%t [%p]: ",
    "%m [%c] ",
];

/// How many places the matcher tries on one line before it gives up.
const MAX_TRIES: u32 = 2_000;

/// Fields are looked for in this much of a line's start.
const MAX_PREFIX_BYTES: usize = 1_024;

impl Prefix {
    /// Compiles a setting's value.
    pub(crate) fn new(text: &str) -> Result<Self, PrefixError> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            if character != '%' {
                literal.push(character);
                continue;
            }
            // `%-10u` pads with blanks; the matcher trims them.
            while characters.next_if(|c| *c == '-' || c.is_ascii_digit()).is_some() {}
            match characters.next() {
                Some('%') => literal.push('%'),
                None => literal.push('%'),
                Some(escape) => {
                    if !literal.is_empty() {
                        pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                    }
                    pieces.push(piece(escape)?);
                }
            }
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        let has = |escapes: &[u8]| {
            pieces.iter().any(|piece| matches!(piece, Piece::Escape(escape) if escapes.contains(escape)))
        };
        if !has(b"mtn") {
            return Err(PrefixError::NoTime);
        }
        if !has(b"cp") {
            return Err(PrefixError::NoSession);
        }
        Ok(Self { text: text.to_owned(), pieces })
    }

    /// The common prefix that fits most of these lines; nothing if none fits half of them.
    pub(crate) fn guess(lines: &[String]) -> Option<Self> {
        let primary: Vec<&String> =
            lines.iter().filter(|line| !line.is_empty() && !line.starts_with('\t')).collect();
        let prefixes = COMMON.iter().filter_map(|text| Self::new(text).ok());
        // The more a prefix tells the better, and the simplest of those that tell as much.
        let told = |entry: &Entry| {
            let names = [&entry.user, &entry.database, &entry.application, &entry.session];
            names.iter().filter(|name| name.is_some()).count() + usize::from(entry.session_line.is_some())
        };
        let (best, count) = prefixes
            .enumerate()
            .map(|(place, prefix)| {
                let entries = primary.iter().filter_map(|line| prefix.match_line(line));
                let (count, told) =
                    entries.fold((0, 0), |(count, sum), entry| (count + 1, sum + told(&entry)));
                (count, told, Reverse((prefix.pieces.len(), place)), prefix)
            })
            .max_by_key(|(count, told, pieces, _)| (*count, *told, *pieces))
            .map(|(count, _, _, prefix)| (prefix, count))?;
        (count > 0 && count * 2 >= primary.len()).then_some(best)
    }

    /// The setting's value.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The entry that a line starts, with its label (`LOG`, `DETAIL`, …) as severity and the text after it
    /// as message.
    pub(crate) fn match_line(&self, line: &str) -> Option<Entry> {
        let mut tries = MAX_TRIES;
        let mut entry = Entry { zone_known: true, ..Entry::default() };
        matches(&self.pieces, line, 0, &mut entry, &mut tries).then_some(entry)
    }
}

fn piece(escape: char) -> Result<Piece, PrefixError> {
    match escape {
        'q' => Ok(Piece::SessionOnly),
        'a' | 'u' | 'd' | 'r' | 'h' | 'L' | 'b' | 'p' | 'P' | 't' | 'm' | 'n' | 'Q' | 'i' | 'e' | 'c'
        | 'l' | 's' | 'v' | 'x' => Ok(Piece::Escape(escape as u8)),
        other => Err(PrefixError::UnknownEscape(other)),
    }
}

/// Matches the pieces at `at` and a label after them, filling the entry; backtracks over free fields.
fn matches(pieces: &[Piece], line: &str, at: usize, entry: &mut Entry, tries: &mut u32) -> bool {
    if *tries == 0 || at > MAX_PREFIX_BYTES {
        return false;
    }
    *tries -= 1;
    let rest = &line[at..];
    let Some((piece, others)) = pieces.split_first() else { return take_label(rest, entry) };
    match piece {
        Piece::Literal(text) => {
            rest.starts_with(text.as_str()) && matches(others, line, at + text.len(), entry, tries)
        }
        Piece::SessionOnly => matches(others, line, at, entry, tries) || take_label(rest, entry),
        Piece::Escape(escape) => {
            // Padded on the left (`%5p`), or empty with the next literal's blank right here.
            let padding = rest.len() - rest.trim_start_matches(' ').len();
            let starts = [at + padding, at];
            starts[..if padding > 0 { 2 } else { 1 }].iter().any(|from| {
                candidates(*escape, others.first(), &line[*from..]).into_iter().any(|length| {
                    let mut attempt = entry.clone();
                    let found = set(*escape, line[*from..from + length].trim_matches(' '), &mut attempt)
                        && matches(others, line, from + length, &mut attempt, tries);
                    if found {
                        *entry = attempt;
                    }
                    found
                })
            })
        }
    }
}

/// How long the field at the start of `rest` may be, the likeliest length first.
fn candidates(escape: u8, next: Option<&Piece>, rest: &str) -> Vec<usize> {
    let run =
        |belongs: fn(&char) -> bool| rest.chars().take_while(belongs).map(char::len_utf8).sum::<usize>();
    match escape {
        b'p' | b'l' | b'x' => vec![run(char::is_ascii_digit)],
        b'P' | b'Q' => vec![run(|c| c.is_ascii_digit() || *c == '-'), 0],
        b'c' => vec![run(|c| c.is_ascii_hexdigit() || *c == '.')],
        b'v' => vec![run(|c| c.is_ascii_digit() || *c == '/')],
        b'n' => vec![run(|c| c.is_ascii_digit() || *c == '.')],
        b'e' => vec![run(char::is_ascii_alphanumeric)],
        b'm' | b't' | b's' => time_lengths(rest),
        b'h' | b'r' | b'L' => vec![run(|c| !c.is_whitespace() && !"=,|".contains(*c)), 0]
            .into_iter()
            .chain(free_lengths(next, rest).into_iter().filter(|end| !rest[..*end].contains(' ')))
            .collect(),
        _ => free_lengths(next, rest),
    }
}

/// `2026-11-21 07:48:24.139 UTC`: date and time are fixed, the zone ends before what is no part of it.
fn time_lengths(rest: &str) -> Vec<usize> {
    let bytes = rest.as_bytes();
    if bytes.len() < 19 || !bytes[..19].is_ascii() {
        return Vec::new();
    }
    let fraction = bytes[19..].iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    let zone_from = 19 + fraction + usize::from(bytes.get(19 + fraction) == Some(&b' '));
    let letters = bytes[zone_from..].iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let figures = bytes[zone_from..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b':'))
        .count();
    let zone = if letters > 0 { letters } else { figures };
    // `%t:` puts a colon after a numeric zone.
    vec![zone_from + zone, (zone_from + zone).saturating_sub(1)]
}

/// A free field ends where the next literal starts, or at a blank if another field follows at once.
fn free_lengths(next: Option<&Piece>, rest: &str) -> Vec<usize> {
    let mut end = rest.len().min(MAX_PREFIX_BYTES);
    while !rest.is_char_boundary(end) {
        end -= 1;
    }
    let within = &rest[..end];
    match next {
        Some(Piece::Literal(text)) => within.match_indices(text.as_str()).map(|hit| hit.0).collect(),
        _ => {
            let mut ends: Vec<usize> = within.match_indices(' ').map(|hit| hit.0).collect();
            ends.insert(0, 0);
            // The label follows at once: `%a:` has a literal, `%a` alone has not.
            ends.extend(super::SEVERITIES.iter().filter_map(|label| within.find(&format!("{label}:  "))));
            ends
        }
    }
}

/// Stores a field's value; false if it cannot be one.
fn set(escape: u8, value: &str, entry: &mut Entry) -> bool {
    let text = || Some(value.to_owned()).filter(|value| !value.is_empty() && value != "[unknown]");
    match escape {
        b'm' | b't' => match instant::parse(value) {
            Some(stamp) => (entry.at_us, entry.zone_known) = (stamp.us, stamp.zone_known),
            None => return false,
        },
        b'n' => match instant::parse_epoch(value) {
            Some(us) => entry.at_us = us,
            None => return false,
        },
        b's' => return instant::parse(value).is_some(),
        b'p' => match value.parse() {
            Ok(pid) => entry.pid = Some(pid),
            Err(_) => return false,
        },
        b'l' => match value.parse() {
            Ok(line) => entry.session_line = Some(line),
            Err(_) => return false,
        },
        b'c' => {
            if !value.contains('.') {
                return false;
            }
            entry.session = text();
        }
        b'v' => entry.virtual_xid = VirtualXid::parse(value),
        b'e' => entry.sqlstate = text(),
        b'u' => entry.user = text(),
        b'd' => entry.database = text(),
        b'a' => entry.application = text(),
        b'i' => entry.command_tag = text(),
        b'b' => entry.backend_type = text(),
        _ => {}
    }
    true
}

/// Labels of the lines that follow an entry's first one.
pub(super) const FOLLOWERS: &[&str] =
    &["DETAIL", "HINT", "QUERY", "CONTEXT", "STATEMENT", "LOCATION", "BACKTRACE"];

/// `LOG:  message`. Labels of other languages are taken too, so that they can be reported as such.
fn take_label(rest: &str, entry: &mut Entry) -> bool {
    let Some((label, message)) = rest.split_once(":  ") else { return false };
    let known = super::SEVERITIES.contains(&label) || FOLLOWERS.contains(&label);
    let foreign = label.chars().count() <= 20
        && !label.is_empty()
        && label.chars().all(|c| c.is_uppercase() || (c.is_alphabetic() && !c.is_lowercase()));
    if !known && !foreign {
        return false;
    }
    entry.severity = label.to_owned();
    entry.message = message.to_owned();
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(prefix: &str, line: &str) -> Option<Entry> {
        Prefix::new(prefix).unwrap().match_line(line)
    }

    #[test]
    fn the_default_prefix_gives_time_and_process() {
        let entry =
            read("%m [%p] ", "2026-11-21 07:48:24.139 UTC [11946] LOG:  statement: select 1").unwrap();
        assert_eq!((entry.at_us, entry.pid), (1_795_247_304_139_000, Some(11_946)));
        assert_eq!(entry.message, "statement: select 1");
    }

    #[test]
    fn names_may_hold_what_follows_them() {
        let entry = read(
            "%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h ",
            "2026-11-21 07:48:24 CET [7]: [3-1] user=u,db=d,app=my,client=x app,client=[local] ERROR:  no",
        )
        .unwrap();
        assert_eq!(entry.application.as_deref(), Some("my,client=x app"));
        assert_eq!(entry.session_line, Some(3));
    }

    #[test]
    fn processes_without_session_stop_at_q() {
        let prefix = "%m [%p] %q%u@%d ";
        let entry = read(prefix, "2026-11-21 07:48:24.139 UTC [7] LOG:  checkpoint starting: time").unwrap();
        assert_eq!(entry.user, None);
        let entry = read(prefix, "2026-11-21 07:48:24.139 UTC [7] u@d LOG:  statement: select 1").unwrap();
        assert_eq!(entry.user.as_deref(), Some("u"));
    }

    #[test]
    fn the_prefix_of_rds_is_read_with_its_colons() {
        let line = "2026-11-21 07:48:24 UTC:10.0.0.1(5432):app@shop:[123]:LOG:  duration: 1.0 ms";
        let entry = read("%t:%r:%u@%d:[%p]:", line).unwrap();
        assert_eq!(
            (entry.user.as_deref(), entry.database.as_deref(), entry.pid),
            (Some("app"), Some("shop"), Some(123))
        );
    }

    #[test]
    fn the_richest_prefix_that_fits_is_guessed() {
        let lines = |text: &str| vec![text.to_owned(), "\tcontinued".to_owned()];
        let guess = |text: &str| Prefix::guess(&lines(text)).map(|prefix| prefix.text);
        assert_eq!(guess("2026-11-21 07:48:24.139 UTC [7] LOG:  hello").as_deref(), Some("%m [%p] "));
        assert_eq!(
            guess("2026-11-21 07:48:24.139 UTC [7] u@d LOG:  hello").as_deref(),
            Some("%m [%p] %q%u@%d ")
        );
        assert_eq!(guess("hello world"), None);
    }

    #[test]
    fn useless_prefixes_are_refused_with_the_reason() {
        assert_eq!(Prefix::new("%u "), Err(PrefixError::NoTime));
        assert_eq!(Prefix::new("%m "), Err(PrefixError::NoSession));
        assert_eq!(Prefix::new("%m %p %z"), Err(PrefixError::UnknownEscape('z')));
    }
}
