//! What an import is told, and what it tells.

use std::fmt;
use std::io;

use sim_clock::{Nanos, Seed};

use super::detect::Format;
use crate::logs::prefix::PrefixError;
use crate::record::Header;

/// What the importer has to be told.
#[derive(Clone, Debug)]
pub struct Options {
    /// The sources' format; nothing to tell it by their first lines.
    pub format: Option<Format>,
    /// `log_line_prefix` of stderr logs; nothing to try the common ones.
    pub log_line_prefix: Option<String>,
    /// The time that a snapshot of `pg_stat_statements` covers, if it does not say so itself.
    pub stats_span: Option<Nanos>,
    /// How much traffic is drawn where a source has no arrival times.
    pub draw: Nanos,
    /// The seed of what is drawn.
    pub seed: Seed,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            format: None,
            log_line_prefix: None,
            stats_span: None,
            draw: Nanos::from_secs(60),
            seed: Seed(1),
        }
    }
}

/// Why a source, or all of them, cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The source cannot be read, or the trace cannot be written.
    #[error("{file}: {source}")]
    Io {
        /// Which.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// Its lines look like nothing that is known.
    #[error(
        "{file}: the first lines (such as '{found}') are of no known format; name it with --format, and for a stderr \
         log give --log-line-prefix as `SHOW log_line_prefix` prints it"
    )]
    UnknownFormat {
        /// The source.
        file: String,
        /// Its first line.
        found: String,
    },
    /// It is a trace already.
    #[error("{file}: this is a trace already; look at it with `rehearsal trace show`")]
    AlreadyTrace {
        /// The source.
        file: String,
    },
    /// Nothing in it.
    #[error("{file}: the file is empty")]
    Empty {
        /// The source.
        file: String,
    },
    /// The prefix is of no use.
    #[error(transparent)]
    Prefix(#[from] PrefixError),
    /// A snapshot without times.
    #[error(
        "the snapshot of pg_stat_statements does not say what time it covers: take it with \
         `\\copy (select now() as captured_at, i.stats_reset, s.* from pg_stat_statements s, pg_stat_statements_info i) \
         to 'statements.csv' with (format csv, header)` (without the info view on PostgreSQL 12 and 13, then twice), \
         or give --stats-span with the seconds since the last reset"
    )]
    NoSpan,
    /// Statistics without the names of their columns.
    #[error(
        "{file}:1: expected a header that names the columns query and calls, found '{found}'; export with `header`"
    )]
    NoColumns {
        /// The source.
        file: String,
        /// Its first line.
        found: String,
    },
    /// No source yielded anything.
    #[error("nothing could be read: {skipped} entries were skipped, none made a transaction. {reason}")]
    Nothing {
        /// How many entries were skipped.
        skipped: u64,
        /// The first of them, or what the sources say about themselves.
        reason: String,
    },
}

/// An entry that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The source.
    pub file: String,
    /// The line, counted from 1.
    pub line: u64,
    /// What should have stood there.
    pub expected: String,
    /// The start of what did.
    pub found: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: expected {}", self.file, self.line, self.expected)?;
        if self.found.is_empty() { Ok(()) } else { write!(f, ", found '{}'", self.found) }
    }
}

/// What an import brought.
#[derive(Clone, Debug)]
pub struct Report {
    /// The header of the trace that was written.
    pub header: Header,
    /// The first of the entries that could not be read; `header.counts.skipped` has their number.
    pub problems: Vec<Problem>,
}
