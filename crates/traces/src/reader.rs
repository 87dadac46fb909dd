//! The reader of traces: a header, then records one by one in flat memory.

use std::io::{self, BufRead, Read};

use crate::lines::{Line, Lines, decompressed, json_error};
use crate::record::{Header, Record, VERSION};

/// What is wrong with a trace, or with one line of it.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It cannot be read.
    #[error("line {line}: {source}")]
    Io {
        /// Where.
        line: u64,
        /// Why.
        source: io::Error,
    },
    /// The first line is no header.
    #[error(
        "line 1: expected the header of a trace ({{\"rehearsal_trace\":{VERSION},…): {detail}; make one with `rehearsal trace import`"
    )]
    NoHeader {
        /// What the parser says.
        detail: String,
    },
    /// A newer format.
    #[error("line 1: the trace has format {found}, this program reads up to {VERSION}; use a newer one")]
    NewerFormat {
        /// Its version.
        found: u32,
    },
    /// A line that is no record. The next one may be.
    #[error("line {line}: expected a record: {detail}")]
    NoRecord {
        /// Where.
        line: u64,
        /// What the parser says.
        detail: String,
    },
    /// A record that is earlier than the one before it.
    #[error(
        "line {line}: the record is at {at_us} µs, before the one above it; records must be in order of at_us"
    )]
    OutOfOrder {
        /// Where.
        line: u64,
        /// Its time.
        at_us: u64,
    },
}

/// Iterates over the records of a trace. After an error about one line it goes on with the next.
pub struct Reader<R> {
    lines: Lines<R>,
    header: Header,
    last_at_us: u64,
    ended: bool,
}

impl<'a> Reader<Box<dyn BufRead + 'a>> {
    /// Reads a trace that may be compressed with gzip.
    pub fn open(input: impl Read + 'a) -> Result<Self, ReadError> {
        Self::new(decompressed(input).map_err(|source| ReadError::Io { line: 1, source })?)
    }
}

impl<R: BufRead> Reader<R> {
    /// Reads the header.
    pub fn new(input: R) -> Result<Self, ReadError> {
        let mut lines = Lines::new(input);
        let first = lines.next().map_err(|source| ReadError::Io { line: 1, source })?;
        let no_header = |detail: String| ReadError::NoHeader { detail };
        let text = match first {
            Some((_, Line::Text(text))) => text,
            Some((_, Line::TooLong)) => return Err(no_header("the line is too long".to_owned())),
            None => return Err(no_header("the file is empty".to_owned())),
        };
        // The version first: a newer format may have changed everything else.
        let version: serde_json::Value =
            serde_json::from_str(&text).map_err(|error| no_header(json_error(&error)))?;
        let found = version.get("rehearsal_trace").and_then(serde_json::Value::as_u64).unwrap_or(0);
        if found > u64::from(VERSION) {
            return Err(ReadError::NewerFormat { found: u32::try_from(found).unwrap_or(u32::MAX) });
        }
        let header = serde_json::from_value(version).map_err(|error| no_header(json_error(&error)))?;
        Ok(Self { lines, header, last_at_us: 0, ended: false })
    }

    /// The header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    fn record(&mut self, line: u64, text: &str) -> Result<Record, ReadError> {
        let record: Record = serde_json::from_str(text)
            .map_err(|error| ReadError::NoRecord { line, detail: json_error(&error) })?;
        if record.at_us < self.last_at_us {
            return Err(ReadError::OutOfOrder { line, at_us: record.at_us });
        }
        self.last_at_us = record.at_us;
        Ok(record)
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            match self.lines.next() {
                Ok(None) => self.ended = true,
                Ok(Some((_, Line::Text(text)))) if text.trim().is_empty() => {}
                Ok(Some((line, Line::Text(text)))) => return Some(self.record(line, &text)),
                Ok(Some((line, Line::TooLong))) => {
                    let detail = "the line is longer than 16 MiB".to_owned();
                    return Some(Err(ReadError::NoRecord { line, detail }));
                }
                Err(source) => {
                    self.ended = true;
                    return Some(Err(ReadError::Io { line: self.lines.count() + 1, source }));
                }
            }
        }
        None
    }
}
