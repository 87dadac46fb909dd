//! stderr logs: a line that starts with `log_line_prefix` and a severity, then lines that continue the
//! message (they start with a tab, `append_with_tabs` in `src/backend/utils/error/elog.c`), then DETAIL,
//! HINT, CONTEXT, STATEMENT lines with the same prefix.

use std::io::{self, BufRead};

use super::prefix::{FOLLOWERS, Prefix};
use super::{Broken, Entry};
use crate::lines::{Line, Lines};

/// A reader of stderr logs.
pub(crate) struct StderrLog {
    prefix: Prefix,
}

/// What the lines that follow belong to.
enum Part {
    Message,
    Detail,
    Query,
    Other,
}

impl StderrLog {
    pub(crate) fn new(prefix: Prefix) -> Self {
        Self { prefix }
    }

    /// The next entry; nothing at the end of the input.
    pub(crate) fn next<R: BufRead>(&self, lines: &mut Lines<R>) -> io::Result<Option<Result<Entry, Broken>>> {
        let (number, text) = loop {
            match lines.next()? {
                None => return Ok(None),
                Some((_, Line::Text(text))) if text.trim().is_empty() => {}
                Some((number, Line::Text(text))) => break (number, text),
                Some((number, Line::TooLong)) => {
                    return Ok(Some(Err(Broken::new(number, "a line of at most 16 MiB", ""))));
                }
            }
        };
        match self.prefix.match_line(&text) {
            Some(entry) if !is_follower(&entry) => self.rest(entry, lines).map(|entry| Some(Ok(entry))),
            _ => {
                let expected = format!("a line that starts with log_line_prefix '{}'", self.prefix.as_str());
                Ok(Some(Err(Broken::new(number, expected, &text))))
            }
        }
    }

    fn rest<R: BufRead>(&self, mut entry: Entry, lines: &mut Lines<R>) -> io::Result<Entry> {
        let mut part = Part::Message;
        while let Some((number, line)) = lines.next()? {
            let Line::Text(text) = line else {
                lines.put_back(number, line);
                break;
            };
            if let Some(more) = text.strip_prefix('\t') {
                continue_with(&mut entry, &part, more);
                continue;
            }
            match self.prefix.match_line(&text) {
                Some(follower) if is_follower(&follower) && follower.pid == entry.pid => {
                    part = follow(&mut entry, follower);
                }
                _ => {
                    lines.put_back(number, Line::Text(text));
                    break;
                }
            }
        }
        Ok(entry)
    }
}

fn is_follower(entry: &Entry) -> bool {
    FOLLOWERS.contains(&entry.severity.as_str())
}

fn follow(entry: &mut Entry, follower: Entry) -> Part {
    match follower.severity.as_str() {
        "DETAIL" => {
            entry.detail = Some(follower.message);
            Part::Detail
        }
        "STATEMENT" => {
            entry.query = Some(follower.message);
            Part::Query
        }
        _ => Part::Other,
    }
}

fn continue_with(entry: &mut Entry, part: &Part, more: &str) {
    let text = match part {
        Part::Message => Some(&mut entry.message),
        Part::Detail => entry.detail.as_mut(),
        Part::Query => entry.query.as_mut(),
        Part::Other => None,
    };
    if let Some(text) = text {
        text.push('\n');
        text.push_str(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_details_and_statements_keep_their_lines() {
        let log = "2026-11-21 07:48:24.139 UTC [7] ERROR:  no\n\
                   2026-11-21 07:48:24.139 UTC [7] DETAIL:  because\n\
                   \tof this\n\
                   2026-11-21 07:48:24.139 UTC [7] STATEMENT:  select\n\
                   \t  1\n\
                   stray\n\
                   2026-11-21 07:48:24.140 UTC [7] LOG:  statement: select 2\n";
        let reader = StderrLog::new(Prefix::new("%m [%p] ").unwrap());
        let mut lines = Lines::new(log.as_bytes());
        let entries: Vec<_> = std::iter::from_fn(|| reader.next(&mut lines).unwrap()).collect();
        let first = entries[0].as_ref().unwrap();
        assert_eq!(first.detail.as_deref(), Some("because\nof this"));
        assert_eq!(first.query.as_deref(), Some("select\n  1"));
        assert_eq!(entries[1].as_ref().unwrap_err().line, 6);
        assert_eq!(entries[2].as_ref().unwrap().message, "statement: select 2");
    }
}
