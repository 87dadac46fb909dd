//! Which format a source has, by its first lines.

use std::fmt;
use std::str::FromStr;

use crate::logs::csvlog;
use crate::logs::prefix::Prefix;

/// The formats that can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// The server's csvlog, PostgreSQL 12 to 18.
    Csvlog,
    /// The server's jsonlog, PostgreSQL 15 and later.
    Jsonlog,
    /// The server's plain log.
    Stderr,
    /// pgbench's logs, per transaction or aggregated.
    Pgbench,
    /// pgreplay-go's JSON lines.
    Pgreplay,
    /// A snapshot of `pg_stat_statements` as CSV.
    PgStatStatements,
}

const NAMES: [(&str, Format); 6] = [
    ("csvlog", Format::Csvlog),
    ("jsonlog", Format::Jsonlog),
    ("stderr", Format::Stderr),
    ("pgbench", Format::Pgbench),
    ("pgreplay", Format::Pgreplay),
    ("pg_stat_statements", Format::PgStatStatements),
];

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        NAMES.iter().find(|(_, format)| format == self).map_or(Ok(()), |(name, _)| f.write_str(name))
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = NAMES.iter().find(|(name, _)| *name == text);
        found.map(|(_, format)| *format).ok_or_else(|| {
            let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
            format!("'{text}' is none of auto, {}", names.join(", "))
        })
    }
}

/// The format that most of these lines have; a broken first line must not hide the rest.
pub(crate) fn detect(lines: &[String], prefix: Option<&Prefix>) -> Option<Format> {
    if lines.first().is_some_and(|line| is_statistics_header(line)) {
        return Some(Format::PgStatStatements);
    }
    let count = |format| lines.iter().filter(|line| looks_like(line, prefix) == Some(format)).count();
    let formats = [Format::Csvlog, Format::Jsonlog, Format::Pgreplay, Format::Pgbench, Format::Stderr];
    let (best, lines_of_it) =
        formats.iter().map(|format| (*format, count(*format))).max_by_key(|pair| pair.1)?;
    if lines_of_it > 0 { Some(best) } else { Prefix::guess(lines).map(|_| Format::Stderr) }
}

/// A header that names the statistics' columns.
pub(crate) fn is_statistics_header(line: &str) -> bool {
    let columns: Vec<&str> = line.split(',').map(|name| name.trim().trim_matches('"')).collect();
    ["query", "calls"].iter().all(|name| columns.contains(name))
}

fn looks_like(line: &str, prefix: Option<&Prefix>) -> Option<Format> {
    if line.starts_with('{') {
        let has = |key: &str| line.contains(&format!("\"{key}\""));
        if has("type") && has("item") {
            return Some(Format::Pgreplay);
        }
        return (has("timestamp") && (has("error_severity") || has("message"))).then_some(Format::Jsonlog);
    }
    if prefix.is_some_and(|prefix| prefix.match_line(line).is_some()) {
        return Some(Format::Stderr);
    }
    if csvlog::starts_record(line) {
        return Some(Format::Csvlog);
    }
    super::pgbench::is_log_line(line).then_some(Format::Pgbench)
}
